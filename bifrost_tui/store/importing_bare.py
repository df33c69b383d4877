"""Configs of which a file gives no more than the value: the rest stays as it is here."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from bifrost_tui.errors import InvalidInputError
from bifrost_tui.store.drafts import CheckedDraft
from bifrost_tui.store.values import ConfigType, canonical

_TYPED = (ConfigType.INT, ConfigType.BOOL, ConfigType.JSON)


def completed(checked: CheckedDraft, row: Any) -> CheckedDraft:
    """Return a bare config with all that ``row``, the one that is here, has beside its value.

    A string takes the type that is here, where its text is such a value.
    """
    kept = replace(
        checked,
        integration=row.integration,
        description=row.description,
        rotate_every_days=row.rotate_every_days,
        partial_mask=row.hint is not None,
    )
    if checked.type is not ConfigType.STRING or row.type not in _TYPED:
        return kept
    kind = ConfigType(row.type)
    try:
        value = canonical(kind, str(json.loads(checked.value or '""')))
    except InvalidInputError:
        return kept
    return replace(kept, type=kind, value=value)
