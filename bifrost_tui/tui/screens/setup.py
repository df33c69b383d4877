"""The first run: what will be made where, and which key it will be kept under."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from bifrost_tui.display import visible
from bifrost_tui.errors import BifrostError, DatabaseUncertainError
from bifrost_tui.settings import KEY_FILE_VARIABLE, KeySource, Settings, shown_url
from bifrost_tui.tui.base import DataScreen, labelled
from bifrost_tui.tui.widgets.buttons import WordButton
from bifrost_tui.tui.widgets.fields import Choice, Field, LineInput
from bifrost_tui.tui.widgets.lines import KeyBar, SplitLine, Status
from bifrost_tui.tui.widgets.text_block import TextBlock

if TYPE_CHECKING:
    from bifrost_tui.store.repository import Repository

_MAKE, _HAVE = "make a new key", "use a key file"


class SetupScreen(DataScreen[None]):
    """A screen that makes the database, and a key file where there is no key."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "ctrl+s",
            "create",
            "create",
            key_display="^s",
            id="form.save",
            tooltip="Create the database",
        ),
        Binding("q", "leave", "quit", id="app.quit", tooltip="Leave; nothing is made"),
    ]

    def __init__(self, *, open_name: str | None = None) -> None:
        super().__init__()
        self._open_name = open_name
        self._creating = False

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        settings = self.bifrost.settings
        path = settings.database_path
        where = str(path) if path is not None else shown_url(settings.database_url)
        yield SplitLine(id="heading", classes="heading")
        with Vertical(classes="page"):
            yield TextBlock(
                Text.assemble(
                    ("Nothing is set up yet. ", "bold"),
                    "This makes a database for your organizations' configs and secrets.\n"
                    "Secrets go in and never come back onto a screen. The file"
                    f"{'s are' if path is not None else ' of the key is'} yours alone to read.\n",
                )
            )
            yield TextBlock(
                labelled(
                    [
                        ("Database", visible(where)),
                        ("Owner", visible(self.bifrost.access.actor)),
                    ]
                )
            )
            if settings.key_source is not None:
                yield TextBlock(
                    labelled([("Master key", f"from {visible(str(settings.key_source))}")])
                )
            else:
                yield Field("Master key", Choice([_MAKE, _HAVE], _MAKE, id="way"), name="way")
                yield Field("Key file", LineInput(str(settings.key_file), id="path"), name="path")
                yield TextBlock(
                    Text(
                        "\nWhoever has this key and the database can read every secret; without"
                        " the key nobody can, ever again. Keep a copy of it in a safe place, apart"
                        " from the database's backups.",
                        "$muted",
                    )
                )
            yield Status()
            with Horizontal(classes="buttons gap"):
                yield WordButton("Create", id="create")
                yield WordButton("Quit", id="quit")
        yield KeyBar()

    def on_mount(self) -> None:
        """Stand on Create: the defaults are right for most."""
        heading = self.query_one("#heading", SplitLine)
        heading.left = Text("Bifrost TUI", "bold")
        heading.right = Text("first run", "$muted")
        self._show_way()
        self.query_one("#create").focus()

    @on(Choice.Changed)
    def _show_way(self) -> None:
        if self.bifrost.settings.key_source is None:
            path = self.query_one("#path", LineInput)
            path.disabled = self.query_one("#way", Choice).chosen == _MAKE
            if path.disabled:
                path.value = str(self.bifrost.settings.key_file)

    @on(WordButton.Pressed)
    def _pressed(self, event: WordButton.Pressed) -> None:
        if event.button.id == "create":
            self.action_create()
        else:
            self.action_leave()

    @on(Input.Submitted)
    def action_create(self) -> None:
        """Make the database, and the key file where one is to be made."""
        if self._creating:
            return
        self._creating = True
        self.say("creating …")
        settings, access, clock = self._settings(), self.access, self.bifrost.clock

        def question() -> Repository:
            from bifrost_tui.store.opening import create_repository

            return create_repository(settings, access, make_key=True, clock=clock)

        self.ask(question, self._created, problem=self._refused)

    def _settings(self) -> Settings:
        """Return the settings with the key file that was chosen."""
        settings = self.bifrost.settings
        if settings.key_source is None and self.query_one("#way", Choice).chosen == _HAVE:
            path = Path(self.query_one("#path", LineInput).value).expanduser()
            return replace(settings, key_source=KeySource("key file", path=path))
        return settings

    def _refused(self, error: BifrostError) -> None:
        self._creating = False
        if isinstance(error, DatabaseUncertainError):
            self.say(f"{error.message} Leave and start again: that opens what was made.", "error")
        else:
            self.say(f"Nothing was made. {error.message}", "error")

    def _created(self, repository: Repository) -> None:
        from bifrost_tui.tui.screens.organizations import OrganizationsScreen

        app = self.bifrost
        chosen = self._settings().key_source
        app.database_opened(repository)
        if app.settings.key_source is None and chosen is not None and chosen.path is not None:
            words = f"Created. Set {KEY_FILE_VARIABLE}={chosen.path} for the next start."
        elif app.settings.key_source is None:
            words = f"Created, with the master key in {app.settings.key_file}. Keep a copy of it."
        else:
            words = "Created. Press a to add the first organization."
        app.switch_screen(OrganizationsScreen(said=words))

    def action_leave(self) -> None:
        """Leave; nothing is made."""
        self.app.exit(0)
