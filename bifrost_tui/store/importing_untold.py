"""What a form of file cannot tell of a config: that stays as it is here."""

from __future__ import annotations

import json
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from bifrost_tui.errors import InvalidInputError
from bifrost_tui.store.drafts import CheckedDraft
from bifrost_tui.store.incoming import Untold
from bifrost_tui.store.values import ConfigType, canonical

_TYPED = (ConfigType.INT, ConfigType.BOOL, ConfigType.JSON)


def completed(checked: CheckedDraft, row: Any, untold: AbstractSet[Untold]) -> CheckedDraft:
    """Return an incoming config with what its file cannot tell as in ``row``, which is here.

    Where it cannot tell the type, a string takes that which is here, if its text is such a value.
    """
    kept = replace(
        checked,
        integration=row.integration if Untold.INTEGRATION in untold else checked.integration,
        description=row.description if Untold.DESCRIPTION in untold else checked.description,
        rotate_every_days=(
            row.rotate_every_days if Untold.PERIOD in untold else checked.rotate_every_days
        ),
        partial_mask=row.hint is not None if Untold.MASK in untold else checked.partial_mask,
    )
    if Untold.TYPE not in untold or checked.type is not ConfigType.STRING:
        return kept
    return _typed(kept, row.type)


def _typed(checked: CheckedDraft, name: str) -> CheckedDraft:
    if name not in _TYPED:
        return checked
    kind = ConfigType(name)
    try:
        value = canonical(kind, str(json.loads(checked.value or '""')))
    except InvalidInputError:
        return checked
    return replace(checked, type=kind, value=value)
