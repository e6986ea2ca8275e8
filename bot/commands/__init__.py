"""Typed text to commands."""
