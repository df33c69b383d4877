"""Three themes: dark and light of our own, and the terminal's own sixteen colours."""

from __future__ import annotations

from textual.theme import BUILTIN_THEMES, Theme

from bifrost_tui.settings import ThemeName

_DARK = Theme(
    name="dark",
    dark=True,
    primary="#5fb3b3",
    secondary="#7f9fb5",
    accent="#6cc5c0",
    foreground="#d5dbe0",
    background="#12171c",
    surface="#161c22",
    panel="#1d252c",
    boost="#1d252c",
    success="#7fbf7f",
    warning="#e0b060",
    error="#e07a70",
    variables={
        "block-cursor-text-style": "none",
        "input-selection-background": "#6cc5c0 30%",
        "footer-key-foreground": "#6cc5c0",
    },
)
_LIGHT = Theme(
    name="light",
    dark=False,
    primary="#1f6f78",
    secondary="#4f6b7a",
    accent="#0f6a73",
    foreground="#1d262c",
    background="#fbfbf9",
    surface="#f5f5f1",
    panel="#ebebe5",
    boost="#ebebe5",
    success="#2e6b34",
    warning="#7d5200",
    error="#a3271f",
    variables={
        "block-cursor-text-style": "none",
        "input-selection-background": "#0f6a73 25%",
        "footer-key-foreground": "#0f6a73",
    },
)
# A name of its own, so that the three read alike in the palette and the settings.
_BASE = BUILTIN_THEMES["ansi-dark"]
_TERMINAL = Theme(
    name="terminal",
    ansi=True,
    dark=True,
    primary="ansi_cyan",
    secondary="ansi_blue",
    accent="ansi_cyan",
    warning="ansi_yellow",
    error="ansi_red",
    success="ansi_green",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    variables=dict(_BASE.variables),
)

OURS: dict[ThemeName, Theme] = {"dark": _DARK, "light": _LIGHT, "terminal": _TERMINAL}
"""The themes by the name that settings and ``--theme`` use."""
