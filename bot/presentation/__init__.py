"""Texts for users and admins."""
