"""The portable bundle: organizations' configs as a file, with secrets but never their values.

It is JSON or YAML; both hold the same. The same content gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Protocol

from bifrost_tui import __version__
from bifrost_tui.errors import TransferError
from bifrost_tui.store.incoming import IncomingScope
from bifrost_tui.store.uncollected import uncollected
from bifrost_tui.transfer.bundle import PROGRAM_FIELD, VERSION, VERSION_FIELD, Frame
from bifrost_tui.transfer.portable_json import JsonReader, JsonWriter
from bifrost_tui.transfer.strict import Progress

if TYPE_CHECKING:
    from bifrost_tui.store.exporting import Export, ExportedConfig

YAML_ENDINGS = (".yaml", ".yml")

_BOM = b"\xef\xbb\xbf"
_STEP = 1000


class Writer(Protocol):
    """What writes the parts of a bundle in one notation."""

    def begin(self, facts: list[tuple[str, Any]]) -> None:
        """Write what stands before the scopes."""

    def begin_global(self) -> None:
        """Begin the configs of global."""

    def end_global(self) -> None:
        """End them."""

    def begin_organizations(self) -> None:
        """Begin the organizations."""

    def begin_organization(self, name: str) -> None:
        """Begin an organization."""

    def end_organization(self) -> None:
        """End it."""

    def config(self, config: ExportedConfig, secret: str | None = None) -> None:
        """Write a config; of a secret the value only where it is given."""

    def end(self) -> None:
        """End the bundle."""


def is_yaml(data: bytes, name: str = "") -> bool:
    """Tell whether a bundle is YAML, by the ending of its name or by how it begins."""
    if name.lower().endswith(YAML_ENDINGS):
        return True
    if name.lower().endswith(".json"):
        return False
    return data[:4096].removeprefix(_BOM).lstrip()[:1] not in (b"{", b"[", b'"', b"")


def read_portable(
    data: bytes, name: str = "", *, secrets: bool = False, progress: Progress | None = None
) -> list[IncomingScope]:
    """Read a portable bundle; ``name`` is the file's, whose ending may say that it is YAML.

    ``secrets`` says that it may hold values of secrets, as the inside of an encrypted bundle does.

    Raises:
        TransferError: it cannot be read as a whole; what is wrong with one config stands there.

    """
    if not data.strip():
        raise TransferError("The file is empty.")
    frame = Frame()
    with uncollected():
        if is_yaml(data, name):
            from bifrost_tui.transfer.portable_yaml import YamlReader

            YamlReader(data, secrets=secrets, progress=progress).read(frame)
        else:
            JsonReader(_decoded(data), secrets=secrets, progress=progress).read(frame)
    return frame.scopes()


def _decoded(data: bytes) -> str:
    line = 0
    try:
        return data.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    # Raised outside the handler: the decoder's error holds the whole file.
    raise TransferError(f"The file is not UTF-8 text, line {line}.")


def write_portable(
    export: Export,
    put: Callable[[bytes], None],
    progress: Progress | None = None,
    *,
    yaml: bool = False,
) -> None:
    """Write a portable bundle, as its configs come."""
    total = export.total
    for done in bundle_steps(export, _writer(put, yaml=yaml)):
        if progress is not None:
            progress(done, total)


def bundle_steps(
    export: Export,
    writer: Writer,
    secret: Callable[[ExportedConfig], str | None] | None = None,
) -> Iterator[int]:
    """Write a bundle by a writer, and say from time to time how much is done.

    ``secret`` gives the values of secrets where they travel.
    """
    done = 0

    def configs(scope: Any) -> Iterator[int]:
        nonlocal done
        put = writer.config
        for config in export.rows(scope):
            put(config, secret(config) if secret is not None else None)
            done += 1
            if done % _STEP == 0:
                yield done

    writer.begin([(VERSION_FIELD, VERSION), (PROGRAM_FIELD, f"bifrost-tui {__version__}")])
    organizations = []
    for exported in export.scopes:
        if exported.scope.is_global:
            writer.begin_global()
            yield from configs(exported.scope)
            writer.end_global()
        else:
            organizations.append(exported.scope)
    writer.begin_organizations()
    for scope in organizations:
        writer.begin_organization(scope.name)
        yield from configs(scope)
        writer.end_organization()
    writer.end()
    yield done


def _writer(put: Callable[[bytes], None], *, yaml: bool) -> Writer:
    if not yaml:
        return JsonWriter(put)
    from bifrost_tui.transfer.yaml_writer import YamlWriter

    return YamlWriter(put)


def schema_text() -> str:
    """Return the JSON Schema of the bundle."""
    return files("bifrost_tui.transfer").joinpath("bundle.schema.json").read_text("utf-8")


def schema() -> Any:
    """Return the JSON Schema of the bundle, parsed."""
    return json.loads(schema_text())
