"""The master keys in words: which are in use, what a rotation has come to, and what is next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from bifrost_tui.display import counted, visible
from bifrost_tui.tui.widgets.paged_table import Column

if TYPE_CHECKING:
    from bifrost_tui.store.keys import KeyUse
    from bifrost_tui.store.rekeying import RekeyFailure, RekeyReport

KEYS = (
    Column("key", "Key", 10),
    Column("hand", "At hand", 8),
    Column("writes", "Writes", 7),
    Column("secrets", "Secrets", 9, right=True),
    Column("source", "Comes from", 20, grow=1),
)
FAILED = (
    Column("organization", "Organization", 16, grow=2, max_width=32),
    Column("key", "Key", 20, grow=3, max_width=40),
    Column("why", "Why", 24, grow=5),
)

LABELS = 10
"""The room of the labels."""
_STEP = "      {}"


class Place(NamedTuple):
    """Where the keys at hand come from, as it may be shown, and how it takes a second one."""

    source: str
    name: str
    """The file's path, where it is one; else as the source."""
    two: str


class Keys:
    """The master keys in use, sorted by what is to be done about them."""

    def __init__(self, uses: Sequence[KeyUse] = ()) -> None:
        self.all = tuple(uses)
        self.newest = next((use.key_id for use in uses if use.writes), "")
        self.older = tuple(use for use in uses if use.at_hand and not use.writes)
        """At hand for reading alone."""
        self.missed = tuple(use for use in uses if use.missed)
        """Not at hand, and needed."""

    @property
    def can_go(self) -> tuple[str, ...]:
        """Keys at hand that nothing is encrypted under and that do not open the database."""
        return tuple(use.key_id for use in self.older if not use.secrets and not use.opens)

    @property
    def idle(self) -> tuple[str, ...]:
        """Keys at hand that nothing is encrypted under, and that still open the database."""
        return tuple(use.key_id for use in self.older if not use.secrets and use.opens)

    @property
    def foreign(self) -> tuple[str, ...]:
        """Keys that open the database and are not at hand, and that nothing is encrypted under."""
        return tuple(use.key_id for use in self.all if not use.at_hand and not use.secrets)

    @property
    def waiting(self) -> int:
        """How many secrets can be re-encrypted under the newest key."""
        return sum(use.secrets for use in self.older)


def key_cell(use: KeyUse, column: str, place: Place) -> Text:
    """Return one cell of the list of keys."""
    match column:
        case "key":
            return Text(visible(use.key_id), "bold" if use.writes else "")
        case "hand":
            return Text("✓ yes", "$success") if use.at_hand else Text("× no", "$error")
        case "writes":
            return Text("yes" if use.writes else "no", "" if use.writes else "$muted")
        case "secrets":
            return Text(f"{use.secrets:,}", "" if use.secrets else "$muted")
        case "source":
            return Text(visible(place.source) if use.at_hand else "", "$muted")
        case _:
            raise AssertionError(column)


def failed_cell(failure: RekeyFailure, column: str) -> Text:
    """Return one cell of the list of what could not be re-encrypted."""
    match column:
        case "organization":
            scope = failure.scope
            return Text(visible(scope.name), "bold" if scope.is_global else "")
        case "key":
            return Text(visible(failure.key))
        case "why":
            return Text(visible(failure.why))
        case _:
            raise AssertionError(column)


def failed_text(failure: RekeyFailure) -> Text:
    """Say all there is to know of what could not be re-encrypted."""
    text = Text().append(visible(failure.key), "bold")
    text.append(f" in {visible(failure.scope.name)}: ", "$muted")
    return text.append(visible(failure.why))


def facts_text(keys: Keys) -> Text:
    """Sum the keys up at the head of their screen."""
    at_hand = sum(use.at_hand for use in keys.all)
    secrets = sum(use.secrets for use in keys.all)
    words = f"{counted(at_hand, 'key')} at hand · {counted(secrets, 'secret')}"
    text = Text(words, "$muted")
    if keys.waiting:
        text.append(f" · ▲ {keys.waiting:,} under an old key", "$warning")
    if keys.missed:
        lost = sum(use.secrets for use in keys.missed)
        text.append(f" · × {lost:,} cannot be read", "$error")
    return text


def told(
    keys: Keys, place: Place, report: RekeyReport | None, *, may_rotate: bool
) -> list[tuple[str, Text | str]]:
    """Say what the last rotation has come to, what is wrong, and what to do next."""
    found: list[tuple[str, Text | str]] = []
    if report is not None:
        found.append((_title(report), report_text(report)))
    if keys.missed:
        found.append(("Missing", _missing_text(keys)))
    if may_rotate and not keys.older:
        found += _how_to_give_two(keys, place)
    elif words := _next(keys, place, report, may_rotate=may_rotate):
        found.append(("Next", words))
    if keys.foreign:
        found.append(("Also", _foreign_words(keys)))
    said = any(place.name in str(words) for _, words in found)
    if place.name != place.source and not said and not (report is not None and report.failed):
        found.append(("From", visible(place.name)))
    return found


def told_meanwhile(*, dry_run: bool) -> list[tuple[str, Text | str]]:
    """Say what can be done while a rotation runs."""
    words = (
        "Everybody can go on working, and other screens are open (^p). Esc stops after the batch"
        f" at hand. {'Nothing is changed by it.' if dry_run else 'What is done stays done.'}"
    )
    return [("Now", words)]


def _title(report: RekeyReport) -> str:
    if report.dry_run:
        return "Dry run"
    return "Stopped" if report.cancelled else "Rotated"


def report_text(report: RekeyReport) -> Text:
    """Say how many secrets a rotation has re-encrypted, and how many not."""
    done = "would be re-encrypted" if report.dry_run else "re-encrypted"
    text = Text().append(f"{report.re_encrypted:,} {done}", "$success")
    text.append(f" · {report.already:,} already", "$muted")
    if failed := report.failures:
        text.append(f" · × {failed:,} {'cannot be' if report.dry_run else 'failed'}", "$error")
        if failed > (named := len(report.failed)):
            text.append(f" · the first {named:,} by name", "$muted")
    if report.left:
        text.append(f" · {report.left:,} left", "$warning")
    return text


def status_words(report: RekeyReport) -> tuple[str, str]:
    """Return what the status line says at the end of a rotation, and of which kind it is."""
    done, failed = counted(report.re_encrypted, "secret"), report.failures
    if report.dry_run:
        words = f"{done} can be re-encrypted" + (f", {failed:,} cannot" if failed else "")
        ended = "The dry run was stopped: so far " if report.cancelled else "Nothing is changed: "
        return ended + words, "warning" if failed or report.cancelled else ""
    if report.cancelled:
        return f"Stopped with {done} re-encrypted; r goes on from there", "warning"
    if failed:
        return f"{done} re-encrypted, {failed:,} not: the list says which and why", "warning"
    return f"{done} re-encrypted under {report.key_id}", "success"


def _missing_text(keys: Keys) -> Text:
    names = _names([use.key_id for use in keys.missed])
    lost = sum(use.secrets for use in keys.missed)
    key = "that key" if len(keys.missed) == 1 else "those keys"
    text = Text().append(f"× {counted(lost, 'secret')} under {names} cannot be read", "$error")
    return text.append(f". Give {key} too, after the others.")


def _foreign_words(keys: Keys) -> str:
    verb, them = ("opens", "it") if len(keys.foreign) == 1 else ("open", "them")
    return (
        f"{_names(keys.foreign)} {verb} the database too, with nothing under {them}. Rotating (r)"
        f" lets go what is older than {visible(keys.newest)}."
    )


def _next(keys: Keys, place: Place, report: RekeyReport | None, *, may_rotate: bool) -> str:
    """Say what to do next."""
    new = visible(keys.newest)
    if not may_rotate:
        secrets = counted(keys.waiting, "secret")
        done_by = f"Owners of all organizations re-encrypt {secrets} under {new}."
        return done_by if keys.waiting else ""
    ended = report is not None and not report.dry_run
    if keys.waiting:
        old = _names([use.key_id for use in keys.older if use.secrets])
        if ended and report is not None and not report.cancelled:
            return (
                f"{old} cannot go yet. Give what failed its key or a new value, or delete it;"
                " then rotate once more."
            )
        verb = "Go on" if ended else "Rotate"
        first = " A dry run before that says what cannot be." if report is None else ""
        return (
            f"{verb} (r): re-encrypt {counted(keys.waiting, 'secret')} under {new}.{first}"
            f" {old} {'has' if ' and ' not in old else 'have'} to stay until all is done."
        )
    if keys.idle:
        them = "it" if len(keys.idle) == 1 else "them"
        return (
            f"No secret is under {_names(keys.idle)} any more, and the database still opens with"
            f" {them}. Rotate (r) to let {them} go."
        )
    them = "it" if len(keys.can_go) == 1 else "them"
    return (
        f"{_names(keys.can_go)} can go: nothing is encrypted under {them} any more. Take {them} out"
        f" of {visible(place.name)}. Backups from before still need {them}."
    )


def _how_to_give_two(keys: Keys, place: Place) -> list[tuple[str, Text | str]]:
    last = (
        "Start these screens again and rotate here: every secret is re-encrypted under the new"
        " key, and then the old one can go."
    )
    return [
        ("Next", f"{visible(keys.newest)} is the only key at hand. To change it:"),
        (_STEP.format(1), "Make another: bifrost-tui key generate --file PATH"),
        (_STEP.format(2), f"{place.two} All programs that use the database need both."),
        (_STEP.format(3), last),
    ]


def _names(key_ids: Sequence[str]) -> str:
    if not key_ids:
        return ""
    *front, last = map(visible, key_ids)
    return f"{', '.join(front)} and {last}" if front else last


def question_text(keys: Keys) -> str:
    """Say what a rotation does, before it is begun."""
    new = visible(keys.newest)
    if keys.waiting:
        old = _names([use.key_id for use in keys.older if use.secrets])
        what = (
            f"{counted(keys.waiting, 'secret')} under {old} will be re-encrypted under {new}, in"
            f" batches, while everybody goes on working. A program that has {old} alone reads them"
            " no more: give each both keys first."
        )
    else:
        old = _names([*(use.key_id for use in keys.older), *keys.foreign])
        what = (
            f"No secret is under {old}. This makes sure of it; from then on what is older than"
            f" {new} does not open the database any more."
        )
    return (
        f"{what}\n\nEsc stops after the batch at hand: what is done stays done, and the next time"
        " goes on from there. A dry run changes nothing; it says what can be re-encrypted and what"
        " cannot."
    )
