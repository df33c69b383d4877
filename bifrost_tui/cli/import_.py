"""Importing configs: always a preview first, then all of it or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from bifrost_tui.cli.asking import Asker, asker
from bifrost_tui.cli.base import FAILED, Command
from bifrost_tui.cli.completing import complete_organization
from bifrost_tui.cli.exporting import progress
from bifrost_tui.cli.importing import emit_preview, preview_object, tell_imported, tell_sums
from bifrost_tui.cli.options import json_option
from bifrost_tui.cli.output import complain, emit_json, say
from bifrost_tui.cli.session import opened
from bifrost_tui.cli.sources import Given, read_source
from bifrost_tui.display import counted
from bifrost_tui.errors import TransferError

if TYPE_CHECKING:
    from bifrost_tui.store.importing_plan import ImportPlan
    from bifrost_tui.store.incoming import IncomingScope, OnConflict
