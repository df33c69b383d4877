"""How a table looks, where no theme and no screen says otherwise."""

from __future__ import annotations

from bifrost_tui.tui.widgets.line_painter import BLURRED, CURSOR

PARTS = ("header", CURSOR, BLURRED, "error", "warning", "success", "accent", "muted")
"""What has a style of its own."""

STYLE = """
PagedTable {
    padding: 1 0 0 0;
    overflow-x: hidden;
    overflow-y: scroll;
    scrollbar-size-vertical: 1;
    scrollbar-color: $foreground 35%;
    scrollbar-color-hover: $foreground 60%;
    scrollbar-color-active: $accent;
    scrollbar-background: transparent;
    scrollbar-background-hover: transparent;
    scrollbar-background-active: transparent;
    & > .paged-table--header { color: $text-muted; text-style: bold; }
    & > .paged-table--cursor { background: $primary 25%; }
    &:light > .paged-table--cursor { background: $primary 15%; }
    & > .paged-table--cursor-blurred { background: $foreground 8%; }
    & > .paged-table--error { color: $text-error; }
    & > .paged-table--warning { color: $text-warning; }
    & > .paged-table--success { color: $text-success; }
    & > .paged-table--accent { color: $text-accent; }
    & > .paged-table--muted { color: $text-muted; }
    &:ansi {
        scrollbar-color: ansi_bright_black;
        scrollbar-color-hover: ansi_default;
        & > .paged-table--cursor {
            background: $block-cursor-background;
            color: $block-cursor-foreground;
            text-style: bold;
        }
        & > .paged-table--cursor-blurred { background: ansi_default; text-style: bold; }
        & > .paged-table--muted { text-style: dim; }
    }
}
"""
