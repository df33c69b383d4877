"""The field of a config's value: one widget for each type, of which one shows."""

from __future__ import annotations

from textual import getters
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Input

from bifrost_tui.store.values import ConfigType, editable
from bifrost_tui.store.views import ConfigView
from bifrost_tui.tui.widgets.fields import Choice, LineInput, TextField
from bifrost_tui.tui.widgets.json_field import JsonField
from bifrost_tui.tui.widgets.secret_field import SecretField
from bifrost_tui.tui.widgets.secret_picker import SecretPicker


class ValueFields(Widget):
    """What is entered for each type stays while another type shows."""

    DEFAULT_CSS = "ValueFields { height: auto; layout: vertical; }"

    secret = getters.query_one(SecretField)
    picker = getters.query_one(SecretPicker)
    json = getters.query_one("#value-json", JsonField)

    def __init__(self, given: ConfigView | None, kind: ConfigType, *, empty_secret: str) -> None:
        super().__init__()
        self._given = given
        self._kind = kind
        self._empty_secret = empty_secret

    def compose(self) -> ComposeResult:
        """Lay out the widgets; what a config is edited from stands in the one of its type."""
        yield TextField(self._text(ConfigType.STRING), id="value-string")
        yield LineInput(self._text(ConfigType.INT), placeholder="0", id="value-int")
        yield Choice(["false", "true"], self._text(ConfigType.BOOL) or "false", id="value-bool")
        yield JsonField(self._text(ConfigType.JSON), id="value-json")
        yield SecretField(empty_text=self._empty_secret, id="value-secret")
        target = self._given.refers_to if self._given is not None else None
        yield SecretPicker(target or "", id="value-secret_ref")

    def on_mount(self) -> None:
        """Show the widget of the type."""
        self.show(self._kind)

    def _text(self, kind: ConfigType) -> str:
        given = self._given
        if given is None or given.value is None or given.type is not kind:
            return ""
        return editable(kind, given.value)

    def show(self, kind: ConfigType) -> None:
        """Show the widget of a type."""
        self._kind = kind
        shown = self.picker if kind is ConfigType.SECRET_REF else self.widget()
        for child in self.children:
            child.display = child is shown

    def widget(self) -> Widget:
        """Return the widget that takes what is typed for the type that shows."""
        return self.query_one(f"#value-{self._kind.value}")

    def plain(self) -> str | None:
        """Return what is entered for the type that shows; nothing for a secret.

        For a reference it is the key of the secret that it stands for.
        """
        match self._kind:
            case ConfigType.SECRET:
                return None
            case ConfigType.SECRET_REF:
                return self.picker.key
            case ConfigType.STRING:
                return self.query_one("#value-string", TextField).entered
            case ConfigType.INT:
                return self.query_one("#value-int", Input).value
            case ConfigType.BOOL:
                return self.query_one("#value-bool", Choice).chosen
            case ConfigType.JSON:
                return self.json.text

    def load(self, view: ConfigView) -> None:
        """Go on from another version of the config."""
        self.show(view.type)
        self.secret.clear()
        if view.refers_to is not None:
            self.picker.key = view.refers_to
        if view.value is None:
            return
        text = editable(view.type, view.value)
        match view.type:
            case ConfigType.STRING:
                self.query_one("#value-string", TextField).replace_all(text)
            case ConfigType.INT:
                self.query_one("#value-int", Input).value = text
            case ConfigType.BOOL:
                self.query_one("#value-bool", Choice).chosen = text
            case _:
                self.json.load_text(text)
