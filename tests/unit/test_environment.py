"""What ``run`` hands over: names, values, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bifrost_tui.errors import ConfigNotFoundError, InvalidInputError
from bifrost_tui.runtime.environment import LONGEST, Wanted, environment_for, prepared
from bifrost_tui.runtime.reader import Reading
from bifrost_tui.runtime.secret_text import SecretText
from bifrost_tui.store.views import Scope

ACME = Scope("1", "Acme Dental")
VALUE = "zQ7-a-secret-to-hand-over"


def reading(**values: Any) -> Reading:
    secrets = frozenset(key for key, value in values.items() if isinstance(value, SecretText))
    return Reading(ACME, values, secrets)


def variables(found: Reading, **wanted: Any) -> dict[str, str]:
    return dict(prepared(found, Wanted(**wanted)).variables)


def test_values_become_variables() -> None:
    found = reading(
        region="eu",
        retries=3,
        booking=True,
        off=False,
        hours={"mon": [8, 17], "ü": None},
        rate=1.5,
        stripe_api_key=SecretText(VALUE),
    )
    assert variables(found) == {
        "REGION": "eu",
        "RETRIES": "3",
        "BOOKING": "true",
        "OFF": "false",
        "HOURS": '{"mon":[8,17],"ü":null}',
        "RATE": "1.5",
        "STRIPE_API_KEY": VALUE,
    }


def test_only_some_are_given_and_a_prefix_stands_before_them() -> None:
    found = reading(a="1", b="2")
    assert variables(found, only=("b",)) == {"B": "2"}
    assert variables(found, prefix="acme_") == {"ACME_A": "1", "ACME_B": "2"}
    with pytest.raises(ConfigNotFoundError, match="no config c in Acme Dental"):
        variables(found, only=("c",))
    for prefix in ("1A", "A-", "A B", "ä"):
        with pytest.raises(InvalidInputError, match="prefix"):
            Wanted(prefix=prefix)


@pytest.mark.parametrize(
    "key",
    [
        *("path", "PATH", "home", "ld_preload", "LD_LIBRARY_PATH", "pythonpath", "PYTHONSTARTUP"),
        *("ifs", "bash_env", "prompt_command", "node_options", "git_ssh_command", "dyld_x"),
    ],
)
def test_names_that_change_how_a_command_runs_are_refused_unless_named(key: str) -> None:
    found = reading(**{key: "x", "other": "y"})
    with pytest.raises(InvalidInputError, match=key):
        variables(found)
    assert variables(found, only=(key,)) == {key.upper(): "x"}
    assert f"APP_{key.upper()}" in variables(found, prefix="APP_")


@pytest.mark.parametrize("only", [(), ("bifrost_secret_key",)])
def test_nothing_of_ours_is_given(only: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInputError, match="BIFROST_"):
        variables(reading(bifrost_secret_key="x"), only=only)


def test_nothing_of_ours_is_left_in_the_environment() -> None:
    around = {"PATH": "/bin", "BIFROST_SECRET_KEY": "k", "BIFROST_DATABASE_URL": "u", "A": "0"}
    assert environment_for({"A": "1"}, around) == {"PATH": "/bin", "A": "1"}


def test_two_keys_of_one_name_are_told() -> None:
    found = reading(api_key="1", API_KEY="2")
    with pytest.raises(InvalidInputError, match="api_key and API_KEY"):
        variables(found)
    assert variables(found, only=("API_KEY",)) == {"API_KEY": "2"}


def test_a_value_that_no_variable_can_hold_is_named() -> None:
    with pytest.raises(InvalidInputError, match=r"big is too large.*--file") as caught:
        variables(reading(big=SecretText("x" * LONGEST)))
    assert "xxxx" not in str(caught.value)
    with pytest.raises(InvalidInputError, match="nul holds a NUL"):
        variables(reading(nul=SecretText("a\0b")))
    fits = "x" * (LONGEST - len("FITS") - 2)
    assert variables(reading(fits=fits)) == {"FITS": fits}


def test_what_goes_elsewhere_is_no_variable() -> None:
    found = reading(a="1", b=SecretText(VALUE), c={"x": 1}, big=SecretText("x" * LONGEST))
    given = prepared(found, Wanted(stdin="b", files={"c": Path("/tmp/c"), "big": Path("/tmp/b")}))
    assert given.variables == {"A": "1"}
    assert given.stdin == VALUE.encode()
    assert given.files == (
        (Path("/tmp/c"), b'{"x":1}'),
        (Path("/tmp/b"), b"x" * LONGEST),
    )
    assert VALUE not in repr(given)
    assert VALUE not in repr(found)
    with pytest.raises(ConfigNotFoundError):
        prepared(found, Wanted(stdin="nothing"))


def test_keys_to_read_are_those_that_are_named() -> None:
    assert Wanted().keys is None
    assert Wanted(stdin="a").keys is None
    assert Wanted(only=("a",), stdin="b", files={"c": Path("c"), "a": Path("a")}).keys == (
        *("a", "b", "c"),
    )
