"""Drafts of configs, checked: every rule that a form, a command, a bundle and the SDK share."""

from __future__ import annotations

from dataclasses import dataclass

from bifrost_tui.display import shorten, visible
from bifrost_tui.errors import InvalidInputError
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.periods import checked_days
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType, canonical, checked_key

LONGEST_DESCRIPTION = 2000
LONGEST_INTEGRATION = 100


@dataclass(frozen=True, slots=True)
class CheckedDraft:
    """A draft that keeps every rule, its plain value in canonical form."""

    key: str
    type: ConfigType
    value: str | None
    refers_to: str | None
    secret: EnteredSecret | None
    integration: str | None
    description: str
    rotate_every_days: int | None
    partial_mask: bool


def checked_draft(draft: ConfigDraft) -> CheckedDraft:
    """Return a draft that keeps every rule.

    Raises:
        InvalidInputError: it does not, and this is why.

    """
    key = checked_key(draft.key)
    is_secret = draft.type is ConfigType.SECRET
    if draft.secret is not None and not is_secret:
        raise InvalidInputError(
            f"{key} would keep a secret as plain {draft.type}. Choose the type secret.",
            field="type",
        )
    if is_secret and draft.value is not None:
        raise InvalidInputError("A secret takes no plain value.", field="value")
    value = refers_to = None
    if draft.type is ConfigType.SECRET_REF:
        refers_to = _checked_target(key, draft.value or "")
    elif not is_secret:
        value = canonical(draft.type, draft.value if draft.value is not None else "")
    return CheckedDraft(
        key=key,
        type=draft.type,
        value=value,
        refers_to=refers_to,
        secret=draft.secret,
        integration=_tidy(draft.integration, "integration", LONGEST_INTEGRATION) or None,
        description=_tidy(draft.description, "description", LONGEST_DESCRIPTION),
        rotate_every_days=checked_days(draft.rotate_every_days) if is_secret else None,
        partial_mask=draft.partial_mask and is_secret,
    )


def _checked_target(key: str, target: str) -> str:
    if not target.strip():
        raise InvalidInputError(
            "A reference takes the key of a secret. Choose the secret that it stands for.",
            field="value",
        )
    problem = None
    try:
        checked_key(target.strip())
    except InvalidInputError as error:
        problem = error.message
    if problem is not None:
        raise InvalidInputError(f"This is no key of a secret. {problem}", field="value")
    if target.strip() == key:
        raise InvalidInputError(
            f"{key} cannot stand for itself. Choose a secret of another key.", field="value"
        )
    return target.strip()


def _tidy(text: str | None, field: str, longest: int) -> str:
    if not text:
        return ""
    tidy = text.strip()
    if len(tidy) > longest:
        raise InvalidInputError(f"The {field} has more than {longest} characters.", field=field)
    if visible(tidy) != tidy:
        raise InvalidInputError(
            f"The {field} holds what cannot be seen in a line: {shorten(visible(tidy), 60)}",
            field=field,
        )
    return tidy
