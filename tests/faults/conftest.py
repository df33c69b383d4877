"""What tests of several kinds of kills ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres import LASTING, Server, running_server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Give a server of a module's own, which may be killed and keeps what is committed."""
    try:
        with running_server(None, **LASTING) as started:
            yield started
    except LookupError as error:
        pytest.skip(str(error))
