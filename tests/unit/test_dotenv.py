"""Reading .env files: what python-dotenv reads, and no more; hostile files end in clear errors."""

from __future__ import annotations

import io
import re
import time
import tracemalloc
from contextlib import suppress

import pytest
from dotenv import dotenv_values, set_key
from dotenv import parser as library
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bifrost_tui.errors import TransferError
from bifrost_tui.store.entered import entered_bytes
from bifrost_tui.store.incoming import IncomingConfig
from bifrost_tui.store.values import ConfigType
from bifrost_tui.transfer import dotenv
from bifrost_tui.transfer.dotenv import BLANKS, PROBLEMS, read_dotenv, suspected
from tests.support import assert_silent

PLANTED = "planted-hunter2-swordfish"


def read(text: str | bytes, *secrets: str) -> list[IncomingConfig]:
    data = text.encode() if isinstance(text, str) else text
    (scope,) = read_dotenv(data, "Acme", secrets=secrets)
    assert scope.organization == "Acme"
    return list(scope.configs)


def values(text: str | bytes) -> dict[str, str | None]:
    return {config.draft.key: config.draft.value for config in read(text)}


def refused(text: str | bytes, *secrets: str) -> TransferError:
    with pytest.raises(TransferError) as caught:
        read(text, *secrets)
    error = caught.value
    assert_silent(error, [PLANTED])
    return error


def test_forms_of_a_line() -> None:
    text = (
        "\ufeff# a comment\n"
        "A=bare words # and a comment\n"
        "  export B='single $HOME \\n'\n"
        'C="double \\"quoted\\"\\ttab\\nline"\r\n'
        "\n"
        'D="several\nlines"   # told apart\n'
        "E=\n"
        "F= # nothing\n"
        "'G'=${A}-${B:-x}\n"
        "H=it's#here"
    )
    assert values(text) == {
        "A": "bare words",
        "B": "single $HOME \\n",
        "C": 'double "quoted"\ttab\nline',
        "D": "several\nlines",
        "E": "",
        "F": "",
        "G": "${A}-${B:-x}",
        "H": "it's#here",
    }
    assert [config.place for config in read(text)] == [
        f"line {number}" for number in (2, 3, 4, 6, 8, 9, 10, 11)
    ]
    assert all(config.draft.type is ConfigType.STRING for config in read(text))


def test_empty_files_hold_nothing() -> None:
    assert read("") == read("\n \n# only words") == []


def test_keys_that_a_pattern_fits_become_secrets() -> None:
    text = f"API_TOKEN={PLANTED}\nDB_PASSWORD='{PLANTED} \"2\"'\nPLAIN=x\nEMPTY_TOKEN=\n"
    configs = read(text, "*token*", "DB_*")
    drafts = {config.draft.key: config.draft for config in configs}
    assert [draft.type for draft in drafts.values()] == ["secret", "secret", "string", "secret"]
    assert drafts["API_TOKEN"].secret is not None
    assert drafts["DB_PASSWORD"].secret is not None
    assert entered_bytes(drafts["API_TOKEN"].secret) == PLANTED.encode()
    assert entered_bytes(drafts["DB_PASSWORD"].secret) == f'{PLANTED} "2"'.encode()
    assert drafts["EMPTY_TOKEN"].secret is None
    assert [draft.value for draft in drafts.values()] == [None, None, "x", None]
    assert PLANTED not in repr((configs, drafts))


def test_a_pattern_that_fits_nothing_is_refused() -> None:
    error = refused(f"API_TOKEN={PLANTED}", "*TOKN*", "\x1b[31m*")
    assert error.problems == (
        "No key fits --secret *TOKN*: what it is for would be readable.",
        "No key fits --secret \\x1b[31m*: what it is for would be readable.",
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (PLANTED, "Line 3 has a key and no =."),
        (f"export {PLANTED}", "Line 3 has a key and no =."),
        (f"A {PLANTED}", "Line 3 is no KEY=value."),
        (f"={PLANTED}", "Line 3 is no KEY=value."),
        (f"A='{PLANTED}", "Line 3 is no KEY=value."),
        (f'A="{PLANTED}" {PLANTED}', "Line 3 is no KEY=value."),
        (
            f"A={PLANTED}{' ' * BLANKS} x",
            "Line 3 has more than 500 blanks in a row without quotes.",
        ),
        (f"FIRST={PLANTED}", "FIRST is given in the lines 1, 3. Keep one."),
    ],
)
def test_lines_that_are_refused_are_named_by_number(line: str, problem: str) -> None:
    error = refused(f"FIRST=1\n\n{line}\n")
    assert error.problems == (problem,)
    assert error.message == f"This .env file cannot be imported. {problem}"


def test_all_reasons_are_told_at_once_and_not_without_end() -> None:
    error = refused("A=1\nwhat is this\nB=1\nA=2\nB=3\nB")
    assert error.problems == (
        "Line 2 is no KEY=value.",
        "Line 6 has a key and no =.",
        "A is given in the lines 1, 4. Keep one.",
        "B is given in the lines 3, 5. Keep one.",
    )
    assert len(refused("what is this\n" * 100_000).problems) == PROBLEMS + 1
    twice = "".join(f"K{number}=1\nK{number}=2\n" for number in range(150))
    assert refused(twice).problems[-1] == "So are 50 other keys."
    assert "and more" in refused("A=1\n" * 1000).message


def test_a_private_key_without_quotes_is_never_shown() -> None:
    body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
    text = f"KEY=-----BEGIN PRIVATE KEY-----\n{body}\n{body[:-4]}==\n-----END PRIVATE KEY-----\n"
    error = refused(text)
    assert error.problems == (
        "Line 2 has a key and no =.",
        "Line 4 is no KEY=value.",
    )
    assert_silent(error, [body, body[:-4]])


def test_keys_that_break_the_rule_are_refused_one_by_one() -> None:
    first, second, third = read(f"my-key=1\nab+{PLANTED}/==\nGOOD=1\n")
    assert (first.draft.key, first.place) == ("my-key", "line 1")
    assert first.problem.startswith("The key holds '-'.")
    assert (second.draft.key, second.draft.value) == ("(line 2)", None)
    assert second.problem.startswith("What stands before the = is no key.")
    assert third.problem == ""
    (secret,) = read(f"bad.key={PLANTED}", "*")
    assert secret.problem
    assert (secret.draft.secret, secret.draft.value) == (None, None)


def test_text_that_is_none() -> None:
    assert refused("A=1\n".encode("utf-16")).message == (
        "This .env file is UTF-16. Save it as UTF-8."
    )
    error = refused(b"A=1\nB=2\nC=" + PLANTED.encode() + b"\xff\n")
    assert "not UTF-8 text: line 3" in error.message
    assert "more than 1,000,000 lines" in refused("\n" * 1_000_001).message


def test_a_secret_over_the_limit_is_refused_alone() -> None:
    (config,) = read(f'A="{PLANTED * 60_000}"', "A")
    assert config.problem == ("The value is over 1 MiB. Keep it in a file and store where it is.")


def test_what_looks_like_a_secret() -> None:
    text = (
        "STRIPE_KEY=a\nslack_token=b\nDATABASE_URL=postgres://u:p@h/db\nHOST=example.org\n"
        "PEM='-----BEGIN PRIVATE KEY-----'\nEMPTY_TOKEN=\nURL=https://example.org/a:b@c\nDB_PASS=x\n"
    )
    (scope,) = read_dotenv(text.encode(), None)
    suspicion = suspected([scope])
    assert suspicion.keys == ("STRIPE_KEY", "slack_token", "DATABASE_URL", "PEM", "DB_PASS")
    assert suspicion.patterns == ("*KEY", "*TOKEN*", "DATABASE_URL", "PEM", "*_PASS")
    (again,) = read_dotenv(text.encode(), None, secrets=suspicion.patterns)
    assert not suspected([again])


# -- the same as the library, in less ---------------------------------------------------------

LINES = st.lists(
    st.sampled_from(["export ", "A=", "b", "=", "'", '"', "\\", "n", "#", " ", "\t", "\n", "\r"])
    | st.sampled_from(["$", "{", "é", "\ufeff", "\x85", "\u2028", "\x0b", "\0"])
).map("".join)


def theirs(text: str) -> list[tuple[str | None, str | None, bool]]:
    stream = io.StringIO(io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8").read())
    return [
        (binding.key, binding.value, binding.error)
        for binding in library.parse_stream(stream)
        if binding.error or binding.key is not None
    ]


@settings(max_examples=500)
@given(LINES)
@example('A="\\\\"\nB="x"')
@example("A='\\\\'\nB='\\''")
@example("\ufeffA=1")
@example("\ufeff\ufeffA=1")
def test_reads_what_the_library_reads(text: str) -> None:
    ours = [
        (key or None, value, value is None and "key" not in problem)
        for _line, key, value, problem in dotenv._entries(dotenv._text(text.encode()), None)
    ]
    assert ours == theirs(text)


@settings(max_examples=50)
@given(st.dictionaries(st.from_regex(r"[A-Z_]{1,8}", fullmatch=True), LINES))
def test_reads_files_that_the_library_has_written(
    tmp_path_factory: pytest.TempPathFactory, given: dict[str, str]
) -> None:

    path = tmp_path_factory.mktemp("written") / ".env"
    path.touch()
    for key, value in given.items():
        set_key(path, key, value.replace("\r", ""))
    assert values(path.read_bytes()) == dotenv_values(path, interpolate=False)


def test_the_expressions_that_are_replaced_are_those_of_the_library() -> None:
    assert library._double_quoted_value.pattern in dotenv._SAME
    assert library._single_quoted_value.pattern in dotenv._SAME
    assert library._unquoted_value.pattern == dotenv._UNQUOTED
    assert library._double_quoted_value.flags & re.DOTALL


HOSTILE = {
    "a run of blanks": "A=x" + " " * 300_000 + "y",
    "runs of blanks": "A=x" + (" " * BLANKS + "y") * 1000,
    "only tabs": "A=" + "\t" * 300_000,
    "a quote left open": 'A="' + "x" * 900_000,
    "a long value": 'A="' + "x" * 900_000 + '"',
    "escapes": 'A="' + "\\n" * 150_000 + '"',
    "backslashes": "A='" + "\\" * 900_001,
    "quotes of both kinds": "A='\nB=\"\n" * 10_000,
    "single quotes": "'" * 300_000,
    "export": "export " * 50_000,
    "equals signs": "=" * 300_000,
    "blanks before a comment": " " * 300_000 + "#",
    "blanks after quotes": 'A="x"' + " " * 300_000 + "y",
    "signs of a comment": "A=" + "# " * 300_000,
    "starts of addresses": "A=" + "://:" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_take_no_time_and_no_memory(name: str) -> None:
    def attempt() -> None:
        with suppress(TransferError):
            (scope,) = read_dotenv(data, None, secrets=("*" * 100,))
            suspected([scope])

    data = HOSTILE[name].encode()
    begun = time.process_time()
    attempt()
    assert time.process_time() - begun < 10
    # The memory of the expressions is not seen by this; the values and what is made of them is.
    data = data[:50_000]
    tracemalloc.start()
    attempt()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * len(data) + 500_000
