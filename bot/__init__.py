"""Reelay: AI video inside chats, over any asynchronous video-generation gateway."""
