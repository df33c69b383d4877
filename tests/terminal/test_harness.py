"""The harness itself: a terminal that misses bytes, a sweep that finds nothing, prove nothing."""

from __future__ import annotations

import base64
import json
import signal
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.terminal.harness import CTRL_C, TerminalSession, sweep

PLAIN = "planted-7Qx9Zr2m"
VALUES = [
    PLAIN,
    "sk_live_+/=?&%41",
    'with "quotes" and \\ and \ttab',
    "pässwörd-ünïcode-ключ",
    "trailing newline\n",
]
PEM = (
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqh\nkiG9w0BAQEFAASCBK\n-----END PRIVATE KEY-----\n"
)


def _python(code: str) -> list[str]:
    return [sys.executable, "-I", "-c", textwrap.dedent(code)]


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda raw: raw,
    "base64": base64.b64encode,
    "base64 with line breaks": base64.encodebytes,
    "base64 with carriage returns": lambda raw: base64.encodebytes(raw).replace(b"\n", b"\r\n"),
    "base64 in a string literal": lambda raw: base64.encodebytes(raw).replace(b"\n", b"\\n"),
    "urlsafe base64": base64.urlsafe_b64encode,
    "base64 without padding": lambda raw: base64.b64encode(raw).rstrip(b"="),
    "hexadecimal": lambda raw: raw.hex().encode(),
    "upper hexadecimal": lambda raw: raw.hex().upper().encode(),
    "hexadecimal in groups": lambda raw: raw.hex(":", 2).encode(),
    "hexadecimal dump": lambda raw: raw.hex(" ").encode(),
    "percent-encoding": lambda raw: quote(raw, safe="").encode(),
    "percent-encoding of every byte": lambda raw: b"".join(b"%%%02x" % byte for byte in raw),
    "a form": lambda raw: quote_plus(raw).encode(),
    "JSON": lambda raw: json.dumps(raw.decode()).encode(),
    "JSON, not ASCII": lambda raw: json.dumps(raw.decode(), ensure_ascii=False).encode(),
    "repr": lambda raw: repr(raw.decode()).encode(),
    "repr of bytes": lambda raw: repr(raw).encode(),
    "UTF-16": lambda raw: raw.decode().encode("utf-16"),
    "UTF-16, big endian": lambda raw: raw.decode().encode("utf-16-be"),
    "reversed": lambda raw: raw.decode()[::-1].encode(),
}


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("form", FORMS)
def test_sweep_finds_each_form(form: str, value: str) -> None:
    leak = FORMS[form](value.encode())
    assert sweep(b"before " + leak + b" after", [value])
    assert sweep(leak, [value])


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("shift", range(3))
@pytest.mark.parametrize("tail", range(3))
@pytest.mark.parametrize("value", VALUES)
def test_sweep_finds_base64_of_a_text_around_a_value(
    value: str, tail: int, shift: int, encode: Callable[[bytes], bytes]
) -> None:
    assert sweep(encode(b"\xfe" * shift + value.encode() + b"\xff" * tail), [value])


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=40),
    st.binary(max_size=7),
    st.binary(max_size=7),
    st.sampled_from(sorted({"as it is", "base64", "upper hexadecimal", "base64 with line breaks"})),
)
def test_sweep_finds_any_value_in_any_surroundings(
    value: str, before: bytes, after: bytes, form: str
) -> None:
    assert sweep(FORMS[form](before + value.encode() + after), [value])


@pytest.mark.parametrize(
    "between",
    [
        b"\x1b[m",
        b"\x1b[38;2;1;2;3m",
        b"\x1b[12;40H",
        b"\x1b[1C",
        b"\x1b]22;text\x07",
        b"\x1b]8;;https://example.org\x1b\\",
        b"\x1bP+q\x1b\\",
        b"\x1b(B",
        b"\xc2\x9b0m",
        b"\r\n",
        b"\x1b[5;1H   \x1b[m",
    ],
)
def test_sweep_finds_what_terminal_sequences_take_apart(between: bytes) -> None:
    spread = between.join(bytes([byte]) for byte in PLAIN.encode())
    assert sweep(spread, [PLAIN])
    encoded = base64.b64encode(PLAIN.encode())
    assert sweep(between.join(bytes([byte]) for byte in encoded), [PLAIN])


def test_sweep_finds_a_value_inside_a_sequence() -> None:
    clipboard = b"\x1b]52;c;" + base64.b64encode(PLAIN.encode()) + b"\x07"
    assert sweep(clipboard, [PLAIN])
    assert sweep(b"\x1b]0;" + PLAIN.encode() + b"\x07", [PLAIN])


def test_sweep_finds_one_line_of_several() -> None:
    assert sweep(b"... kiG9w0BAQEFAASCBK ...", [PEM]) != []
    assert sweep(PEM.replace("\n", "\x1b[2;1H").encode(), [PEM]) != []
    # The frame of a PEM is no secret, and screens may name it.
    assert sweep(b"-----BEGIN PRIVATE KEY-----", [PEM]) == []


def test_sweep_names_the_form_and_the_value() -> None:
    found = sweep(b"\x1b[1m" + PLAIN.encode(), ["something-else", PLAIN])
    assert f"plain text of {PLAIN!r}" in found
    assert not any("something-else" in finding for finding in found)
    assert sweep(base64.b64encode(b"x" + PLAIN.encode()), [PLAIN]) == [
        f"base64 (shifted by 1) of {PLAIN!r}"
    ]


def test_sweep_finds_nothing_where_nothing_is() -> None:
    assert sweep(b"", VALUES) == []
    assert sweep(Path(__file__).read_bytes().replace(b"planted", b"")[:400], [PLAIN]) == []
    assert sweep(PLAIN[:-1].encode(), [PLAIN]) == []


@pytest.mark.parametrize("short", ["", "a", "12345"])
def test_sweep_refuses_values_that_prove_nothing(short: str) -> None:
    with pytest.raises(ValueError, match="proves nothing"):
        sweep(b"", [short])


def test_every_byte_is_recorded_and_drawn() -> None:
    code = """
        import sys
        sys.stdout.buffer.write(b"\\x1b[2J\\x1b[3;5Hhere\\x1b]0;title\\x07\\x1b[?25l")
        sys.stdout.buffer.write(b"x" * 100_000)
    """
    with TerminalSession(_python(code), size=(40, 5)) as session:
        assert session.wait_exit() == 0
        assert session.raw.startswith(b"\x1b[2J\x1b[3;5Hhere\x1b]0;title\x07\x1b[?25l")
        assert session.raw.count(b"x") == 100_000
        assert session.lines == ["x" * 40] * 4 + ["x" * 8]
        assert session.private_modes() == {25: False}


def test_keys_size_and_environment_reach_the_command() -> None:
    code = """
        import os, signal, sys
        print(os.get_terminal_size(), os.environ["SAID"], os.getsid(0) == os.getpid())
        print(os.open("/dev/tty", os.O_RDWR) > 2)
        print("got", input(), flush=True)
        # Not by print: it may come while another one is at work.
        told = lambda *_: os.write(1, f"{os.get_terminal_size()}\\r\\n".encode())
        signal.signal(signal.SIGWINCH, told)
        print("waiting", flush=True)
        print("again", input(), flush=True)
    """
    with TerminalSession(_python(code), size=(70, 20), env={"SAID": "this"}) as session:
        session.send("typed\r")
        session.wait_for("got typed")
        assert "columns=70, lines=20) this True\nTrue" in session.screen_text()
        session.wait_for("waiting")
        session.resize(50, 10)
        session.wait_for("columns=50, lines=10")
        session.send("\r")
        assert session.wait_exit() == 0


def test_a_paste_comes_in_brackets() -> None:
    code = r"""
        import os, sys, tty
        tty.setraw(0)
        data = b""
        while not data.endswith(b"\x1b[201~"):
            data += os.read(0, 65536)
        os.write(1, repr((len(data), data[:12], data[-12:])).encode())
    """
    with TerminalSession(_python(code)) as session:
        session.wait_for(lambda session: not session.attributes_restored())
        session.paste("a\nb" + "c" * 100_000)
        assert session.wait_exit() == 0
        assert r"(100015, b'\x1b[200~a\rbccc', b'cccccc\x1b[201~')" in session.screen_text()
        assert not session.attributes_restored()


def test_the_alternate_screen_gives_back_what_was_there() -> None:
    code = r"""
        print("first", "\x1b[?1049h\x1b[Hsecond\x1b[>25u", flush=True)
        input()
        print("\x1b[<u\x1b[?1049lthird", flush=True)
    """
    with TerminalSession(_python(code)) as session:
        session.wait_for("second")
        assert "first" not in session.screen_text()
        assert session.keyboard_depth() == 1
        session.send("\r")
        assert session.wait_exit() == 0
        assert session.lines[0] == "first third"
        assert session.keyboard_depth() == 0
        assert session.private_modes() == {1049: False}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_signals_reach_the_command(number: int) -> None:
    with TerminalSession(_python("print('on', flush=True); input()")) as session:
        session.wait_for("on")
        session.signal(number)
        assert session.wait_exit() == -number


def test_the_terminal_controls_the_command() -> None:
    code = """
        try:
            print("on", flush=True)
            input()
        except KeyboardInterrupt:
            print("stopped")
    """
    with TerminalSession(_python(code)) as session:
        session.wait_for("on")
        session.send(CTRL_C)
        assert session.wait_exit() == 0
        assert "stopped" in session.screen_text()


def test_a_hangup_ends_what_does_not_mind_itself() -> None:
    with TerminalSession(_python("print('on', flush=True); input()")) as session:
        session.wait_for("on")
        session.hangup()
        assert session.wait_exit() == -signal.SIGHUP


@pytest.mark.parametrize("hang_up", ["ignored", "blocked"])
def test_a_hangup_can_be_kept_from_the_command(hang_up: Literal["ignored", "blocked"]) -> None:
    code = """
        import os, sys
        print("on", flush=True)
        try:
            end = os.read(0, 1) == b""
        except OSError:
            end = True
        sys.exit(7 if end else 8)
    """
    with TerminalSession(_python(code), hang_up=hang_up) as session:
        session.wait_for("on")
        session.hangup()
        assert session.wait_exit() == 7


def test_leaving_kills_the_command_and_its_children(tmp_path: Path) -> None:
    code = """
        import os, signal, subprocess, sys
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
            process_group=0)
        print("child", child.pid, flush=True)
        input()
    """
    with TerminalSession(_python(code)) as session:
        session.wait_for("child")
        child = int(session.screen_text().split()[1])
    deadline = time.monotonic() + 30
    while _runs(child):
        assert time.monotonic() < deadline


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_waiting_says_what_was_on_the_screen() -> None:
    with TerminalSession(_python("print('something else')")) as session:
        with pytest.raises(AssertionError, match="something else"):
            session.wait_for("what never comes")
        assert session.wait_exit() == 0
    with TerminalSession(_python("print('on', flush=True); input()")) as session:
        with pytest.raises(AssertionError, match=r"not within 0.1 s"):
            session.wait_for("what never comes", timeout=0.1)
        with pytest.raises(AssertionError, match="no end"):
            session.wait_exit(timeout=0.1)


def test_a_value_that_comes_in_two_parts_is_found() -> None:
    code = f"""
    for at, part in ((5, {PLAIN[5:]!r}), (0, {PLAIN[:5]!r})):
        print(f"\\x1b[9;{{at + 1}}H{{part}}", end="", flush=True)
        input()
    print("\\x1b[H\\x1b[2Jgone")
    """
    with TerminalSession(_python(code)) as session:
        session.wait_for(PLAIN[5:])
        session.send("\r")
        session.wait_for(PLAIN)
        session.send("\r")
        session.wait_for("gone")
        assert PLAIN not in session.screen_text()
        assert sweep(session.raw, [PLAIN]) == []
        assert sweep(session.evidence, [PLAIN])
