"""What comes of a member's removal, in words, as a table and in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bifrost_tui.cli.output import emit_table
from bifrost_tui.display import counted

if TYPE_CHECKING:
    from bifrost_tui.store.views import Removal, RemovedSecret


def removal_words(removal: Removal, hand_to: str | None, where: str) -> str:
    """Say what a removal does."""
    actor, count = removal.member.actor, len(removal.secrets)
    told = f"This removes {actor} from {where}."
    if not removal.loses:
        return f"{told} {actor} stays a member there by another membership; no secret goes."
    if count and hand_to is not None:
        told += f" {counted(count, 'secret')} that {actor} created there will be {hand_to}'s."
    elif count:
        told += f" {counted(count, 'secret')} that {actor} created there will be deleted for good."
        if removal.heirs:
            told += " Or say --hand-to OTHER to keep them."
    if removal.archived:
        told += f" {counted(removal.archived, 'secret')} in archived organizations will stay."
    if removal.readable:
        told += f" {actor} could read {counted(removal.readable, 'secret')}."
    return told


def emit_removal(removal: Removal) -> None:
    """List the secrets that go, and what will miss each."""
    if removal.secrets:
        rows = [(each.scope.name, each.key, missed_by(each)) for each in removal.secrets]
        emit_table(("ORGANIZATION", "KEY", "MISSED BY"), rows)


def missed_by(each: RemovedSecret) -> str:
    """Name every reference and organization that will miss a secret."""
    names = [f"{use.key} in {use.scope}" for use in each.references]
    names += each.inheritors
    told = ", ".join(names)
    if each.falls_back:
        told += " (the global one takes its place)"
    return told.strip()


def removal_object(removal: Removal) -> dict[str, Any]:
    """Return what comes of a removal as it stands in JSON."""
    return {
        "actor": removal.member.actor,
        "role": removal.member.role.value,
        "loses": removal.loses,
        "secrets": [
            {
                "key": each.key,
                "scope": "global" if each.scope.is_global else "organization",
                "organization": each.scope.organization,
                "references": [
                    {"organization": use.scope, "key": use.key} for use in each.references
                ],
                "falls_back": each.falls_back,
                "inheritors": list(each.inheritors),
            }
            for each in removal.secrets
        ],
        "archived": removal.archived,
        "readable": removal.readable,
        "heirs": list(removal.heirs),
    }
