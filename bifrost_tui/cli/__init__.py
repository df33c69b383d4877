"""The commands: everything that the screens can do, for scripts and for screen readers."""
