"""Bifrost TUI: organizations' configuration and secrets, kept at the keyboard, never shown."""

__version__ = "0.1.0"
