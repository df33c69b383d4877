"""Workflows: what may be one, what an execution gives, and what never leaves it."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import enum
import gc
import io
import json
import logging
import re
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import date
from pathlib import Path
from typing import Any, Literal, cast

import pydantic
import pytest

from bifrost_tui import Execution, ExecutionContext, config, workflow
from bifrost_tui.display import MASK
from bifrost_tui.errors import AccessDeniedError, ParameterError, WorkflowError
from bifrost_tui.runtime.capture import LINES_KEPT
from bifrost_tui.runtime.workflows import Workflow
from tests.support import by_hand, forms
from tests.unit.runtime_support import ACME, BRIGHT, OTHER, STRIPE, Shop, a_shop

pytestmark = pytest.mark.both_engines

HIDDEN = "[REDACTED]"


@pytest.fixture
def shop(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with a_shop(home, monkeypatch) as made:
        yield made


def clean(execution: Execution, *values: str) -> Execution:
    """Look for values in all that an execution gives."""
    text = json.dumps(execution.as_json(), ensure_ascii=False).encode()
    for value in values or (STRIPE, OTHER):
        for form, data in forms(value).items():
            assert data not in text, f"the execution holds a value ({form})"
            assert data not in repr(execution).encode()
    return execution


async def run(function: Any, organization: str = ACME, **parameters: Any) -> Execution:
    return clean(await workflow(function).run(organization=organization, **parameters))


# What an execution is


async def test_an_execution_tells_all_about_itself(shop: Shop) -> None:
    seen: list[ExecutionContext] = []

    @workflow(name="charge_card", integration="Slack")
    async def charge(context: ExecutionContext, amount: int, note: str = "none") -> dict[str, Any]:
        seen.append(context)
        key = await config.get("stripe_api_key")
        return {"amount": amount, "note": note, "length": len(key)}

    execution = clean(await charge.run(organization="acme dental", amount="5"))
    assert execution.succeeded
    assert execution.result == {"amount": 5, "note": "none", "length": len(STRIPE)}
    assert (execution.workflow, execution.organization, execution.actor) == (
        "charge_card",
        ACME,
        "alice",
    )
    [context] = seen
    assert context.organization == ACME
    assert context.actor == "alice"
    assert context.execution_id == execution.id
    assert context.workflow_name == "charge_card"
    assert context.integration == execution.integration == "Slack"
    assert execution.duration >= 0
    assert set(execution.as_json()) == {
        *("id", "workflow", "organization", "actor", "integration", "status", "result", "error"),
        *("logs", "notices", "started_at", "duration"),
    }
    [(details,)] = by_hand(
        shop.repository, "SELECT details FROM audit_event WHERE action = 'secret.read'"
    )
    assert json.loads(details) == {
        "execution": execution.id,
        "integration": "Slack",
        "workflow": "charge_card",
    }


async def test_an_execution_reads_for_its_integration(shop: Shop) -> None:
    async def notify(context: ExecutionContext) -> int:
        return len(await config.get("slack_token"))

    assert (await workflow(integration="Slack")(notify).run(organization=ACME)).succeeded
    assert (await workflow(notify).run(organization=ACME, integration="Slack")).succeeded
    refused = await workflow(notify).run(organization=ACME)
    assert refused.error is not None
    assert refused.error.type.endswith("AccessDeniedError")


async def test_an_execution_stays_in_its_organization(shop: Shop) -> None:
    async def peek(context: ExecutionContext, scope: str) -> str:
        return "read" if await config.get("stripe_api_key", scope=scope) else ""

    assert (await run(peek, scope=ACME)).result == "read"
    assert (await run(peek, scope="acme dental")).result == "read"
    refused = await run(peek, scope=BRIGHT)
    assert refused.error is not None
    assert refused.error.type.endswith(AccessDeniedError.__name__)

    async def region(context: ExecutionContext) -> Any:
        return await config.get("region", scope="global")

    assert (await run(region)).result == "eu"


async def test_the_function_can_be_called_as_it_stands(shop: Shop) -> None:
    @workflow
    async def double(context: ExecutionContext, number: int) -> int:
        return number * 2

    context = ExecutionContext(ACME, "alice", "0", "double")
    assert await double(context, 4) == 8
    assert double.name == "double"
    assert isinstance(double, Workflow)


# What may be a workflow


def test_what_is_no_async_function_is_refused() -> None:
    def plain(context: ExecutionContext) -> None: ...

    def generator(context: ExecutionContext) -> Iterator[int]:
        yield 1

    async def stream(context: ExecutionContext) -> AsyncIterator[int]:
        yield 1

    async def without() -> None: ...

    async def many(context: ExecutionContext, *names: str) -> None: ...

    async def loose(context: ExecutionContext, **names: str) -> None: ...

    async def taken(context: ExecutionContext, organization: str) -> None: ...

    async def by_place(context: ExecutionContext, name: str, /) -> None: ...

    for function, said in (
        (plain, "async def plain"),
        (generator, "generator"),
        (stream, "generator"),
        (without, "context"),
        (many, "\\*names"),
        (loose, "\\*names"),
        (taken, "organization"),
        (by_place, "position"),
        (5, "async function"),
    ):
        with pytest.raises(WorkflowError, match=said):
            workflow(cast("Any", function))


# Parameters


class Colour(enum.Enum):
    RED = "red"


class Order(pydantic.BaseModel):
    number: int
    lines: list[str] = []


async def takes(
    context: ExecutionContext,
    number: int,
    flag: bool = False,
    names: list[str] | None = None,
    when: date | None = None,
    colour: Colour = Colour.RED,
    kind: Literal["a", "b"] = "a",
    order: Order | None = None,
    anything: Any = None,
) -> list[Any]:
    return [number, flag, names, str(when), colour, kind, order, anything]


@pytest.mark.parametrize(
    ("given", "result"),
    [
        ({"number": "5"}, [5, False, None, "None", "red", "a", None, None]),
        ({"number": 5.0, "flag": "true"}, [5, True, None, "None", "red", "a", None, None]),
        (
            {"number": 1, "names": ["x"], "when": "2026-03-01"},
            [1, False, ["x"], "2026-03-01", "red", "a", None, None],
        ),
        (
            {"number": 1, "order": {"number": "7"}, "anything": {"x": 1}},
            [1, False, None, "None", "red", "a", {"number": 7, "lines": []}, {"x": 1}],
        ),
    ],
)
async def test_parameters_are_made_to_fit(
    shop: Shop, given: dict[str, Any], result: list[Any]
) -> None:
    assert (await workflow(takes).run(organization=ACME, **given)).result == result


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "needs the parameter number"),
        ({"number": "five"}, "number of takes does not fit"),
        ({"number": 1, "colour": "blue"}, "colour"),
        ({"number": 1, "kind": "c"}, "kind"),
        ({"number": 1, "order": {"number": "x"}}, "number"),
        ({"number": 1, "nummer": 2, "other": 3}, "no parameter nummer, other.*It takes: number"),
    ],
)
async def test_parameters_that_do_not_fit_are_told(
    shop: Shop, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ParameterError, match=said):
        await workflow(takes).run(organization=ACME, **given)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ({"number": "5", "flag": "yes"}, {"number": 5, "flag": True}),
        ({"number": "5", "names": '["a", "b"]'}, {"number": 5, "names": ["a", "b"]}),
        ({"number": "5", "anything": "7"}, {"number": 5, "anything": "7"}),
    ],
)
def test_text_is_made_to_fit(text: dict[str, str], result: dict[str, Any]) -> None:
    assert workflow(takes).parameters.fitted(text, text=True) == result


def test_an_annotation_that_is_none_is_told() -> None:
    async def odd(context: ExecutionContext, thing: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821, UP037

    with pytest.raises(WorkflowError, match="Nowhere"):
        workflow(odd).parameters.fitted({"thing": 1})


# Results


@dataclasses.dataclass
class Charge:
    key: str
    amounts: tuple[int, ...]


class Model(pydantic.BaseModel):
    header: str
    when: date


async def test_no_result_holds_a_secret(shop: Shop) -> None:
    async def leaks(context: ExecutionContext) -> Any:
        key = await config.get("stripe_api_key")
        deep: Any = f"Bearer {key}"
        for _ in range(3000):
            deep = [deep]
        return {
            "as is": key,
            f"in a key {key}": 1,
            key: {"set": {key}, "frozen": frozenset({f"x{key}"})},
            "dataclass": Charge(key, (1, 2)),
            "model": Model(header=f"Bearer {key}", when=date(2026, 3, 1)),
            "bytes": f"x{key}x".encode(),
            "base64": [base64.b64encode(b"a" * at + key.encode()).decode() for at in range(3)],
            "hex": key.encode().hex(),
            "deep": deep,
        }

    execution = await workflow(leaks).run(organization=ACME)
    assert execution.succeeded
    result = execution.result
    deep = result.pop("deep")
    while isinstance(deep, list):
        [deep] = deep
    assert deep == f"Bearer {HIDDEN}"
    text = json.dumps(result)
    for data in forms(STRIPE).values():
        assert data.decode() not in text
    assert result["as is"] == HIDDEN
    assert result[f"in a key {HIDDEN}"] == 1
    assert result[HIDDEN] == {"set": [HIDDEN], "frozen": [f"x{HIDDEN}"]}
    assert result["dataclass"] == {"key": HIDDEN, "amounts": [1, 2]}
    assert result["model"] == {"header": f"Bearer {HIDDEN}", "when": "2026-03-01"}
    assert result["bytes"] == f"x{HIDDEN}x"
    assert result["hex"] == HIDDEN


async def test_two_keys_that_become_one_stay_two(shop: Shop) -> None:
    async def twice(context: ExecutionContext) -> Any:
        key = await config.get("stripe_api_key")
        return {key: 1, base64.b64encode(key.encode()).decode().rstrip("="): 2, HIDDEN: 3}

    result = (await run(twice)).result
    assert sorted(result.values()) == [1, 2, 3]


async def test_a_number_that_is_a_secret_is_hidden(shop: Shop) -> None:
    async def pin(context: ExecutionContext) -> Any:
        await config.set("pin", "73519046", is_secret=True)
        return {"pin": int(await config.get("pin")), "other": 5, "f": 1.5}

    assert (await run(pin)).result == {"pin": HIDDEN, "other": 5, "f": 1.5}


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (object(), "result is a object"),
        ({"items": [1, {"when": date(2026, 3, 1)}]}, r"result.items\[1\].when is a date"),
        ({(1, 2): 3}, "a tuple as a key"),
        (float("nan"), "nan"),
        (lambda: 1, "function"),
    ],
)
async def test_a_result_that_is_no_json_is_told(shop: Shop, returned: Any, said: str) -> None:
    async def odd(context: ExecutionContext) -> Any:
        return returned

    execution = await run(odd)
    assert not execution.succeeded
    assert execution.error is not None
    assert execution.error.message
    assert re.search(said, execution.error.message)


async def test_a_result_that_holds_itself_is_told(shop: Shop) -> None:
    async def knot(context: ExecutionContext) -> Any:
        found: list[Any] = []
        found.append({"again": found})
        twin = [1]
        return {"fine": [twin, twin], "knot": found}

    execution = await run(knot)
    assert execution.error is not None
    assert "holds itself" in execution.error.message


# Failing


async def test_a_failing_workflow_says_why_without_a_secret(shop: Shop) -> None:
    async def fails(context: ExecutionContext) -> None:
        key = await config.get("stripe_api_key")
        try:
            raise ValueError(f"first {key}")  # noqa: TRY301 - its context is what is tested
        except ValueError as error:
            raise RuntimeError(f"bad key {key}") from error

    execution = await run(fails)
    assert execution.error is not None
    assert execution.error.type == "RuntimeError"
    assert execution.error.message == f"bad key {HIDDEN}"
    assert f"ValueError: first {HIDDEN}" in execution.error.traceback
    assert "runtime/workflows.py" not in execution.error.traceback
    assert execution.result is None


async def test_an_exit_is_a_failure(shop: Shop) -> None:
    async def leaves(context: ExecutionContext) -> None:
        sys.exit(await config.get("stripe_api_key"))

    execution = await run(leaves)
    assert execution.error is not None
    assert execution.error.type == "SystemExit"


async def test_a_missing_key_is_handled_as_documented(shop: Shop) -> None:
    async def careful(context: ExecutionContext) -> str:
        try:
            await config.get("nothing")
        except KeyError as error:
            return f"not configured: {error}"
        return "configured"

    assert (await run(careful)).result.startswith("not configured: There is no config nothing")


async def test_cancelling_ends_the_execution(shop: Shop) -> None:
    started = asyncio.Event()

    async def waits(context: ExecutionContext) -> None:
        started.set()
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(workflow(waits).run(organization=ACME))]
    await started.wait()
    tasks[0].cancel()
    await asyncio.wait(tasks)
    assert tasks.pop().cancelled()
    gc.collect()
    assert "_Stream" not in type(sys.stdout).__name__


# What it says meanwhile


async def test_prints_are_scrubbed_and_kept(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    async def prints(context: ExecutionContext) -> None:
        key = await config.get("stripe_api_key")
        print("key", key)
        print("a", "b", sep=key, end="", flush=True)
        print("\nerr", key, file=sys.stderr)
        sys.stdout.buffer.write(f"bytes {key}\n".encode())
        for character in key:
            sys.stdout.write(character)
        print("\nno newline at the end", end="")
        assert sys.stdout.isatty() is False
        assert sys.stdout.encoding

    execution = await run(prints)
    out, err = capsys.readouterr()
    assert out == (f"key {HIDDEN}\na{HIDDEN}bbytes {HIDDEN}\n{HIDDEN}\nno newline at the end")
    assert err == f"\nerr {HIDDEN}\n"
    assert [(line.level, line.message) for line in execution.logs] == [
        ("stdout", f"key {HIDDEN}"),
        ("stderr", ""),
        ("stderr", f"err {HIDDEN}"),
        ("stdout", f"a{HIDDEN}bbytes {HIDDEN}"),
        ("stdout", HIDDEN),
        ("stdout", "no newline at the end"),
    ]
    gc.collect()
    assert "_Stream" not in type(sys.stdout).__name__


async def test_log_records_are_scrubbed_for_every_handler(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[logging.LogRecord] = []

    class Keeps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    written = io.StringIO()
    logger = logging.getLogger("tests.workflows")
    handlers: list[logging.Handler] = [Keeps(), logging.StreamHandler(written)]
    for handler in handlers:
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)

    async def logs(context: ExecutionContext) -> None:
        key = await config.get("stripe_api_key")
        logger.info("key %s and %r", key, {"header": f"Bearer {key}"})
        logger.info(f"bare {key}", stack_info=True)
        logger.warning("extra", extra={"request": {"key": key, "list": [key.encode()]}, "n": 1})
        try:
            raise ValueError(key)  # noqa: TRY301 - as above
        except ValueError:
            logger.exception("failed")
        logger.info("%s %s", key)  # noqa: PLE1206 - a mistake that logging forgives

    try:
        execution = await run(logs)
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    text = written.getvalue() + repr([vars(record) for record in seen]) + caplog.text
    for data in forms(STRIPE).values():
        assert data.decode() not in text
    assert f"key {HIDDEN} and" in written.getvalue()
    assert f"ValueError: {HIDDEN}" in written.getvalue()
    assert seen[2].request == {"key": HIDDEN, "list": [HIDDEN.encode()]}  # type: ignore[attr-defined]
    assert seen[2].n == 1  # type: ignore[attr-defined]
    assert [line.level for line in execution.logs] == ["info", "info", "warning", "error", "info"]
    assert execution.logs[0].logger == "tests.workflows"


async def test_a_thread_without_a_context_is_scrubbed_too(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    async def threads(context: ExecutionContext) -> None:
        key = await config.get("stripe_api_key")
        thread = threading.Thread(target=lambda: print("thread", key))
        thread.start()
        await asyncio.to_thread(thread.join)
        await asyncio.to_thread(print, "to_thread", key)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, print, "executor", key)

    execution = await run(threads)
    out = capsys.readouterr().out
    assert STRIPE not in out
    assert out.count(HIDDEN) == 3
    assert f"to_thread {HIDDEN}" in [line.message for line in execution.logs]


async def test_what_is_left_behind_is_scrubbed_too(
    shop: Shop, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    go_on = asyncio.Event()
    left: list[asyncio.Task[None]] = []

    async def later(key: str) -> None:
        await go_on.wait()
        print("later", key)
        raise ValueError(f"late {key}")

    async def leaves(context: ExecutionContext) -> None:
        left.append(asyncio.create_task(later(await config.get("stripe_api_key"))))

    assert (await run(leaves)).succeeded
    go_on.set()
    await asyncio.wait(left)
    left.clear()
    gc.collect()
    assert capsys.readouterr().out == f"later {HIDDEN}\n"
    assert "late" in caplog.text
    assert STRIPE not in caplog.text
    gc.collect()
    assert "_Stream" not in type(sys.stdout).__name__


async def test_our_streams_go_quietly_after_the_stream_behind_was_closed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = io.StringIO()
    monkeypatch.setattr(sys, "stdout", behind)
    kept: list[Any] = []

    async def prints(context: ExecutionContext) -> None:
        kept.extend([sys.stdout, sys.stdout.buffer])

    assert (await run(prints)).succeeded
    behind.close()
    # As Python does when it lets go of them.
    for stream in kept:
        stream.close()


async def test_a_value_that_is_set_is_scrubbed(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    async def sets(context: ExecutionContext) -> str:
        await config.set("token", "zQ5-set-in-a-run", is_secret=True)
        print("zQ5-set-in-a-run")
        return "zQ5-set-in-a-run"

    execution = await workflow(sets).run(organization=ACME)
    clean(execution, "zQ5-set-in-a-run")
    assert execution.result == HIDDEN
    assert capsys.readouterr().out == f"{HIDDEN}\n"


async def test_a_short_secret_is_not_searched_for_and_that_is_said(shop: Shop) -> None:
    async def short(context: ExecutionContext) -> str:
        await config.set("pin", "123", is_secret=True)
        return "1234"

    execution = await workflow(short).run(organization=ACME)
    assert execution.result == "1234"
    assert "1 secret is shorter than 4 characters" in execution.notices[0]


async def test_a_long_log_keeps_its_end_and_says_so(shop: Shop) -> None:
    async def chatty(context: ExecutionContext) -> None:
        for number in range(LINES_KEPT + 5):
            print(number)

    execution = await run(chatty)
    assert len(execution.logs) == LINES_KEPT
    assert execution.logs[-1].message == str(LINES_KEPT + 4)
    assert "first 5 lines" in execution.notices[0]


async def test_a_workflow_within_a_workflow(
    shop: Shop, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    @workflow
    async def inner(context: ExecutionContext, given: str) -> str:
        own = await config.get("stripe_api_key")
        print("inner", own, given)
        logging.getLogger("inner").warning("logged %s %s", own, given)
        return f"{own} {given}"

    @workflow
    async def outer(context: ExecutionContext) -> Any:
        key = await config.get("stripe_api_key")
        execution = clean(await inner.run(organization=BRIGHT, given=key))
        print("outer", key)
        return execution.result

    execution = clean(await outer.run(organization=ACME))
    assert execution.result == f"{HIDDEN} {HIDDEN}"
    assert capsys.readouterr().out == f"inner {HIDDEN} {HIDDEN}\nouter {HIDDEN}\n"
    assert caplog.messages == [f"logged {HIDDEN} {HIDDEN}"]
    assert [line.message for line in execution.logs] == [
        f"inner {HIDDEN} {HIDDEN}",
        f"outer {HIDDEN}",
    ]


async def test_interleaved_executions_never_see_each_other(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = {ACME: STRIPE, BRIGHT: OTHER}

    async def look(context: ExecutionContext) -> dict[str, Any]:
        key = ""
        for _ in range(20):
            key = await config.get("stripe_api_key")
            assert key == expected[context.organization]
            print(context.organization, key)
            await asyncio.sleep(0)
        return {"organization": context.organization, "key": key}

    flow = workflow(look)
    names = [(ACME, BRIGHT)[at % 2] for at in range(50)]
    executions = await asyncio.gather(*(flow.run(organization=name) for name in names))
    for name, execution in zip(names, executions, strict=True):
        clean(execution)
        assert execution.result == {"organization": name, "key": HIDDEN}
        assert {line.message for line in execution.logs} == {f"{name} {HIDDEN}"}
        assert len(execution.logs) == 20
    assert len({execution.id for execution in executions}) == 50
    out = capsys.readouterr().out
    assert STRIPE not in out
    assert OTHER not in out
    assert len(shop.reads()) == 1000
    assert shop.repository._context.chain.verify().broken_at is None


def test_reprs_hold_nothing(shop: Shop) -> None:
    async def show(context: ExecutionContext) -> str:
        from bifrost_tui.runtime.execution import current

        key = await config.get("stripe_api_key")
        running = current()
        assert running is not None
        assert STRIPE not in repr((running, running.scrubber, running.capture, running.reader))
        return repr(key)

    execution = asyncio.run(workflow(show).run(organization=ACME))
    assert execution.result == f"'{MASK}'"
