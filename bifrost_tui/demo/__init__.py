"""Databases with something in them: a story to look at, and a great many configs to try out.

Nothing here can decrypt: values are made at random, handed to the store and forgotten.
"""

from bifrost_tui.demo.scale import build_scale
from bifrost_tui.demo.story import build_story, create_story, story_began

__all__ = ["build_scale", "build_story", "create_story", "story_began"]
