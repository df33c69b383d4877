"""The examples of the README, run as they stand there."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bifrost_tui import Execution
from tests.support import assert_nowhere, forms, secret
from tests.unit.runtime_support import ACME, STRIPE, Shop, a_shop

README = (Path(__file__).parents[2] / "README.md").read_text()
EXAMPLES: dict[str, str] = dict(
    re.findall(r"<!-- example: (\w+) -->\n```python\n(.*?)```", README, re.DOTALL)
)
PASSWORD = "zQ5 pass/word+of%the-database"


@pytest.fixture
def shop(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with a_shop(home, monkeypatch) as made:
        yield made
    assert_nowhere((STRIPE, PASSWORD), [home])


def example(name: str) -> dict[str, Any]:
    """Run an example and return what it defines."""
    names: dict[str, Any] = {"__name__": f"readme_{name}"}
    exec(compile(EXAMPLES[name], f"README.md:{name}", "exec"), names)
    return names


def run(flow: Any, **parameters: Any) -> Execution:
    execution: Execution = asyncio.run(flow.run(organization=ACME, **parameters))
    text = json.dumps(execution.as_json()).encode()
    for value in (STRIPE, PASSWORD):
        for form in forms(value).values():
            assert form not in text
    return execution


@contextmanager
def a_server(answer: bytes) -> Iterator[tuple[str, list[str]]]:
    """Serve one answer, with the caller's own header in it; keep the headers that came."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            header = self.headers["Authorization"]
            seen.append(header)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer + header.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/charges", seen
        server.shutdown()
        thread.join()


def test_every_example_is_run_here() -> None:
    assert set(EXAMPLES) == {"bearer", "password", "webhook", "missing", "anywhere"}
    assert README.count("```python") == len(EXAMPLES)


def test_the_bearer_header(shop: Shop) -> None:
    with a_server(b"you are ") as (url, seen):
        execution = run(example("bearer")["charge_card"], amount="5", url=url)
    assert seen == [f"Bearer {STRIPE}"]
    assert execution.result == {"charged": 5, "answer": "you are Bearer [REDACTED]"}
    assert [line.message for line in execution.logs] == [f"{ACME} was charged, status 200"]


def test_the_database_password(shop: Shop) -> None:
    shop.add(ACME, secret("db_password", PASSWORD))
    execution = run(example("password")["connect"])
    assert execution.result == {
        "url": "postgresql://app:[REDACTED]@localhost/app",
        "repr": "'••••••••'",
    }


def test_the_webhook_signature(shop: Shop) -> None:
    shop.add(ACME, secret("webhook_secret", STRIPE, integration="webhook"))
    flow = example("webhook")["check_webhook"]
    good = hmac.new(STRIPE.encode(), b"body", hashlib.sha256).hexdigest()
    assert run(flow, body="body", signature=good).result is True
    assert run(flow, body="body", signature=good[::-1]).result is False


def test_the_missing_key(shop: Shop) -> None:
    flow = example("missing")["notify"]
    shop.repository.configs.delete(
        *_config(shop, "slack_token"),
    )
    execution = run(flow)
    assert "There is no config slack_token in Acme Dental" in execution.result["skipped"]
    shop.add(ACME, secret("slack_token", STRIPE))
    assert run(flow).result == {"sent": True}


def test_outside_of_a_workflow(shop: Shop) -> None:
    values, both = example("anywhere")["result"]
    assert values["max_retries"] == 3
    assert values.api_secret == "••••••••"
    assert both == {"api_secret": "sk-…", "region": "us"}


def _config(shop: Shop, key: str) -> Any:
    from tests.support import ALICE

    return ALICE, shop.repository.configs.get_key(ALICE, shop.scopes[ACME], key)
