"""Values generated, and handed to real commands."""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_tui.errors import CommandError, HandoverError, InvalidInputError
from bifrost_tui.store import handover
from bifrost_tui.store.entered import EnteredSecret, entered_bytes
from bifrost_tui.store.generating import (
    ALPHABETS,
    FEWEST_BITS,
    LONGEST,
    SHORTEST,
    checked_alphabet,
    fewest,
    generated,
)
from bifrost_tui.store.handover import UNSHOWN, Handover, Stop, hand_over
from tests.support import assert_nowhere, assert_silent, forms, planted

VALUE = planted()[0]


def text_of(entered: EnteredSecret) -> str:
    return entered_bytes(entered).decode()


# Values


@given(length=st.integers(SHORTEST, LONGEST), alphabet=st.sampled_from([*ALPHABETS, "ab", "xyz!"]))
def test_a_value_has_the_length_and_the_alphabet_that_were_asked_for(
    length: int, alphabet: str
) -> None:
    characters = ALPHABETS.get(alphabet, alphabet)
    if len(characters) ** length < 1 << FEWEST_BITS:
        with pytest.raises(InvalidInputError, match="could be guessed") as caught:
            generated(length, alphabet)
        needed = int(re.findall(r"takes (\d+) or more", caught.value.message)[0])
        assert needed > length
        assert len(text_of(generated(needed, alphabet))) == needed
        with pytest.raises(InvalidInputError):
            generated(needed - 1, alphabet)
        return
    value = text_of(generated(length, alphabet))
    assert len(value) == length
    assert set(value) <= set(characters)


@pytest.mark.parametrize(
    ("alphabet", "least"),
    [("alphanumeric", 11), ("hex", 16), ("url-safe", 11), ("printable", 10), ("01", 64)],
)
def test_how_many_characters_it_takes(alphabet: str, least: int) -> None:
    assert fewest(len(checked_alphabet(alphabet))) == least
    assert len(text_of(generated(least, alphabet))) == least
    with pytest.raises(InvalidInputError) as caught:
        generated(least - 1, alphabet)
    assert caught.value.field == "length"
    assert str(least) in caught.value.message or least - 1 < SHORTEST


def test_every_character_of_an_alphabet_turns_up_and_values_differ() -> None:
    assert {len(set(characters)) for characters in ALPHABETS.values()} == {62, 16, 64, 94}
    for alphabet, characters in ALPHABETS.items():
        assert set("".join(text_of(generated(LONGEST, alphabet)) for _ in range(4))) == {
            *characters
        }
    assert len({text_of(generated()) for _ in range(200)}) == 200
    # One that is named twice is not likelier than the others.
    assert checked_alphabet("aaaab") == "ab"


@pytest.mark.parametrize("length", [-1, 0, SHORTEST - 1, LONGEST + 1, 10**9])
def test_a_length_out_of_bounds_is_refused(length: int) -> None:
    with pytest.raises(InvalidInputError, match="8 to 1024") as caught:
        generated(length, "printable")
    assert caught.value.field == "length"


@pytest.mark.parametrize("alphabet", ["", "a", "aaaa", "a b", "ab\n", "abü", "ab\x7f", "a\0b"])
def test_an_alphabet_that_cannot_be_used_is_refused(alphabet: str) -> None:
    with pytest.raises(InvalidInputError, match="alphanumeric, hex, url-safe, printable") as caught:
        generated(32, alphabet)
    assert caught.value.field == "alphabet"


# Commands


class Told:
    """What was told of a command's output."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str) -> None:
        self.texts.append(text)

    @property
    def text(self) -> str:
        return "".join(self.texts)


def given_to(command: str, value: str = VALUE, **options: Any) -> str:
    """Hand a value to a command; return what was told of it."""
    told = Told()
    hand_over(EnteredSecret(value), Handover(command, told, **options))
    for data in forms(value).values():
        assert data.decode() not in told.text
    return told.text


def refused(command: str, value: str = VALUE, **options: Any) -> tuple[HandoverError, str]:
    """Hand a value to a command that fails; return the error and what was told."""
    told = Told()
    with pytest.raises(HandoverError) as caught:
        hand_over(EnteredSecret(value), Handover(command, told, **options))
    assert_silent(caught.value, [value])
    assert command not in str(caught.value)
    for data in forms(value).values():
        assert data.decode() not in told.text
    return caught.value, told.text


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where commands run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


VALUES = (*planted(), "a\0b\r\n\n", " outer blanks ", "€" * 300_000, "x" * 70_000 + "\n")


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_the_value_arrives_byte_for_byte_and_then_ends(value: str, folder: Path) -> None:
    assert given_to("cat > got; echo done", value) == "done\n"
    assert (folder / "got").read_bytes() == value.encode()


@pytest.mark.parametrize("code", [1, 2, 127, 255])
def test_a_command_that_fails_keeps_its_exit_code(code: int, folder: Path) -> None:
    error, told = refused(f"cat > got; echo oh no >&2; exit {code}")
    assert (error.code, told) == (code, "oh no\n")
    assert f"exit code {code}" in error.message
    assert "Nothing was saved" in error.message


def test_a_command_that_is_not_there_is_named_by_the_shell() -> None:
    error, told = refused("no-such-command-at-all")
    assert error.code == 127
    assert "no-such-command-at-all" in told


def test_a_signal_is_named() -> None:
    error, _ = refused("cat >/dev/null; kill -KILL $$")
    assert (error.code, "ended by SIGKILL" in error.message) == (-9, True)
    error, _ = refused("cat >/dev/null; kill -35 $$")
    assert (error.code, "ended by signal 35" in error.message) == (-35, True)
    error, _ = refused("cat >/dev/null; sh -c 'kill -SEGV $$'; exit $?")
    assert error.code == 139
    assert "exit code 139, as after SIGSEGV" in error.message


def test_what_is_written_is_told_in_order_as_it_comes(folder: Path) -> None:
    texts: list[str] = []

    def told(text: str) -> None:
        texts.append(text)
        if text.endswith("go?\n"):
            Path("go").touch()

    wait = "while ! [ -e go ]; do sleep 0.01; done"
    command = f"echo one; echo two >&2; echo go?; {wait}; echo three; cat >/dev/null"
    hand_over(EnteredSecret(VALUE), Handover(command, told))
    assert "".join(texts) == "one\ntwo\ngo?\nthree\n"
    assert len(texts) > 1


HEX = "od -An -v -tx1 | tr -d ' \\n'"


@pytest.mark.parametrize("before", ["", "x", "xy"])
@pytest.mark.parametrize("encode", ["cat", "base64", "base64 -w0", HEX])
def test_the_value_is_scrubbed_from_what_is_written(before: str, encode: str) -> None:
    told = given_to(f"v=$(cat); printf '{before}%s' \"$v\" | {encode}; echo; echo end")
    assert "[REDACTED]" in told
    assert told.endswith("end\n")


def test_a_value_written_in_two_pieces_is_scrubbed() -> None:
    command = 'v=$(cat); printf %.9s "$v"; sleep 0.3; printf %s "${v#?????????}"; echo'
    assert given_to(command) == "[REDACTED]\n"


def test_what_is_no_text_is_told_all_the_same() -> None:
    assert given_to(r"cat >/dev/null; printf 'a\377b\303'") == "a\ufffdb\ufffd"


def test_of_a_value_too_short_to_be_found_nothing_is_shown() -> None:
    assert given_to("cat; echo and more", "abc") == UNSHOWN


def test_a_huge_output_is_passed_on_and_not_kept() -> None:
    sizes: list[int] = []
    command = "cat >/dev/null; head -c 30000000 /dev/zero | tr '\\0' x"
    hand_over(EnteredSecret(VALUE), Handover(command, lambda text: sizes.append(len(text))))
    assert sum(sizes) == 30_000_000
    assert max(sizes) < 1_000_000


@pytest.mark.parametrize("command", ["true", "exec <&-; sleep 0.1", "head -c 10 >/dev/null"])
@pytest.mark.parametrize("size", [1, 20_000])
def test_a_command_that_leaves_some_of_the_value_is_refused(command: str, size: int) -> None:
    if "head" in command and size == 1:
        command = "dd bs=1 count=10 2>/dev/null >/dev/null"
    error, _ = refused(command, VALUE * size)
    assert error.code == 0
    assert "without having read the whole value" in error.message


def test_a_command_that_fails_without_reading_is_told_as_failed() -> None:
    assert refused("exit 3", VALUE * 20_000)[0].code == 3


def test_nothing_of_ours_is_in_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIFROST_SECRET_KEY", "k" * 40)
    monkeypatch.setenv("BIFROST_DATABASE_URL", "sqlite:////nowhere")
    monkeypatch.setenv("OTHER", "kept")
    told = given_to("cat >/dev/null; env")
    assert "OTHER=kept\n" in told
    assert "BIFROST" not in told
    told = given_to("cat >/dev/null; env", environ={"BIFROST_X": "1", "ONLY": "this"})
    assert "ONLY=this\n" in told
    assert "BIFROST" not in told
    assert "OTHER" not in told


def test_the_value_is_in_no_argument_and_no_environment(folder: Path) -> None:
    command = "cat /proc/$$/cmdline /proc/$$/environ /proc/$PPID/cmdline > seen; cat >/dev/null"
    given_to(command)
    assert (folder / "seen").stat().st_size
    assert_nowhere([VALUE], [folder])


def test_it_has_a_session_of_its_own() -> None:
    script = "import os; print(os.getsid(0) == os.getppid(), os.getsid(0))"
    told = given_to(f"cat >/dev/null; python3 -c '{script}'; true")
    assert told.startswith("True ")
    assert told.split()[1] != str(os.getsid(0))


@pytest.mark.parametrize("command", ["", "  \n"])
def test_an_empty_command_is_refused(command: str) -> None:
    with pytest.raises(CommandError, match="is empty"):
        given_to(command)


@pytest.mark.parametrize("command", ["echo a\0b", "echo \ud800", "x" * 300_000])
def test_a_command_that_cannot_be_run_is_refused(command: str) -> None:
    with pytest.raises(CommandError, match="cannot be run") as caught:
        given_to(command)
    assert not isinstance(caught.value, HandoverError)
    assert_silent(caught.value, [VALUE])


# Ended by us


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def gone(process: int) -> bool:
    """Wait for a process to be gone."""
    until = time.monotonic() + 20
    while is_alive(process):
        if time.monotonic() > until:
            return False
        threading.Event().wait(0.01)
    return True


def stopping(stop: Stop) -> Told:
    """Stop a command as soon as it says that it is ready."""

    class Stopping(Told):
        def __call__(self, text: str) -> None:
            super().__call__(text)
            if "ready" in self.text:
                stop.stop()

    return Stopping()


@pytest.mark.parametrize("trap", ["", "trap '' TERM; "])
def test_a_command_is_stopped_with_all_that_it_started(trap: str) -> None:
    stop = Stop()
    told = stopping(stop)
    command = f"{trap}sleep 300 & echo $! $$; (trap '' TERM; sleep 301) & echo $!; echo ready; wait"
    with pytest.raises(HandoverError, match="was stopped") as caught:
        hand_over(EnteredSecret(VALUE), Handover(command, told, stop=stop))
    assert caught.value.code is None
    numbers = [int(number) for number in re.findall(r"\d+", told.text)]
    assert len(numbers) == 3
    assert all(gone(number) for number in numbers)


def test_a_system_that_cannot_wait_without_reaping_does_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "waitid")
    assert given_to("cat >/dev/null; echo done") == "done\n"
    assert refused("exit 3")[0].code == 3
    test_a_command_is_stopped_with_all_that_it_started("")


def test_a_command_that_is_not_wanted_any_more_is_not_run(folder: Path) -> None:
    stop = Stop()
    stop.stop()
    with pytest.raises(CommandError, match="was not run"):
        given_to("touch ran; cat", stop=stop)
    assert not (folder / "ran").exists()


def test_a_command_that_takes_too_long_is_stopped() -> None:
    error, told = refused("cat >/dev/null; echo begun; sleep 300", limit=0.5)
    assert (error.code, told) == (None, "begun\n")
    assert "within 0.5 seconds" in error.message


def test_a_command_that_does_not_read_a_large_value_is_stopped_too() -> None:
    assert refused("sleep 300", VALUE * 20_000, limit=0.3)[0].code is None


def test_who_cannot_be_told_ends_the_command() -> None:
    numbers: list[int] = []

    def told(text: str) -> None:
        numbers.append(int(text))
        raise RuntimeError("nobody listens")

    with pytest.raises(RuntimeError, match="nobody listens"):
        hand_over(EnteredSecret(VALUE), Handover("echo $$; exec sleep 300", told))
    assert gone(numbers[0])


def test_a_process_left_behind_holds_nothing_up(folder: Path) -> None:
    began = time.monotonic()
    told = given_to("cat > got; sleep 300 & echo $!")
    assert time.monotonic() - began < 10
    assert (folder / "got").read_bytes() == VALUE.encode()
    # The command is done with well: what it has left running is its own affair.
    assert is_alive(int(told))
    os.kill(int(told), 9)


def test_a_process_left_behind_that_goes_on_writing_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handover, "_LONGEST_LINGER", 0.5)
    began = time.monotonic()
    told = given_to("cat >/dev/null; (while echo more; do sleep 0.05; done) & echo $!")
    assert time.monotonic() - began < 10
    number = int(re.findall(r"\d+", told)[0])
    # Its output is closed with our end of it.
    assert gone(number)


def test_hand_over_leaves_no_file_open() -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    given_to("cat >/dev/null")
    before = count()
    for command in ("cat >/dev/null", "exit 3"):
        for _ in range(3):
            try:
                given_to(command)
            except HandoverError:
                continue
    assert count() == before


@pytest.mark.parametrize("command", ["exit 3", "", "a\0b", "echo raise; cat >/dev/null"])
def test_no_frame_of_an_error_holds_the_value(command: str) -> None:
    def told(text: str) -> None:
        raise CommandError(text)

    with pytest.raises(CommandError) as caught:
        hand_over(EnteredSecret(VALUE), Handover(command, told))
    traceback, seen = caught.value.__traceback__, 0
    while traceback is not None:
        assert VALUE not in repr(traceback.tb_frame.f_locals)
        seen, traceback = seen + 1, traceback.tb_next
    assert seen > 1


def test_nothing_shows_the_value_or_the_command() -> None:
    wanted = Handover(f"curl -H 'token: {VALUE}'")
    assert VALUE not in repr(wanted)
    assert VALUE not in f"{EnteredSecret(VALUE)} {EnteredSecret(VALUE)!r}"
