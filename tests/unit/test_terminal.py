"""What is checked and hardened before anything is drawn."""

from __future__ import annotations

import os
import pty
import pwd
import subprocess
import sys
import textwrap
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from bifrost_tui import terminal
from bifrost_tui.errors import BifrostError, TerminalError
from bifrost_tui.terminal import (
    actor_name,
    clear_textual_environment,
    failure,
    install_hooks,
    mouse_wanted,
    require_terminal,
    session_source,
)

REPOSITORY = Path(__file__).parents[2]
PLANTED = "planted-7Qx9Zr2m"


def _run(code: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)} | variables
    return subprocess.run(
        [sys.executable, "-W", "error", *options, "-c", textwrap.dedent(code)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class TestHardenProcess:
    def test_no_memory_is_dumped(self) -> None:
        result = _run("""
            import ctypes, resource
            from bifrost_tui.terminal import harden_process
            harden_process()
            print(resource.getrlimit(resource.RLIMIT_CORE)[0])
            print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
        """)
        assert result.stderr == ""
        assert result.stdout.splitlines()[0] == "0"
        if sys.platform == "linux":
            assert result.stdout.splitlines()[1] == "0"

    def test_what_the_system_refuses_is_left(self) -> None:
        result = _run("""
            import resource, sys
            def refuse(*_):
                raise ValueError("not allowed")
            resource.setrlimit = refuse
            sys.modules["ctypes"] = None
            from bifrost_tui.terminal import harden_process
            harden_process()
            print("on")
        """)
        assert result.stdout == "on\n"

    def test_files_of_the_process_stay_within_reach(self) -> None:
        # Shells hand over files as /dev/fd/63.
        result = _run("""
            import os
            from bifrost_tui.terminal import harden_process
            if os.getuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            reading, writing = os.pipe()
            os.write(writing, b"handed over")
            os.close(writing)
            harden_process()
            print(open(f"/dev/fd/{reading}").read())
        """)
        assert result.stdout == "handed over\n"


class TestClearTextualEnvironment:
    def test_what_textual_would_obey_is_removed(self) -> None:
        environment = {
            "TEXTUAL": "devtools",
            "TEXTUAL_LOG": "log",
            "TEXTUAL_DEBUG": "1",
            "TEXTUAL_NEW_IN_THE_NEXT_VERSION": "1",
            "PYTHONASYNCIODEBUG": "1",
            "TEXTUAL_DISABLE_KITTY_KEY": "1",
            "TEXTUALLY": "another's",
            "COLORTERM": "truecolor",
            "NO_COLOR": "1",
            "TERM": "xterm",
            "ESCDELAY": "200",
        }
        clear_textual_environment(environment)
        assert environment == {
            "TEXTUAL_DISABLE_KITTY_KEY": "1",
            "TEXTUALLY": "another's",
            "COLORTERM": "truecolor",
            "NO_COLOR": "1",
            "TERM": "xterm",
            "ESCDELAY": "200",
        }

    def test_it_comes_before_textual(self) -> None:
        result = _run(
            """
            import os, sys
            from bifrost_tui.terminal import clear_textual_environment
            assert not {"textual", "rich", "asyncio", "logging", "ctypes"} & sys.modules.keys()
            clear_textual_environment(os.environ)
            from textual import constants
            print(constants.LOG_FILE, constants.DEBUG, constants.PRESS, constants.SHOW_RETURN)
            print(constants.SCREENSHOT_DELAY, constants.DRIVER)
            """,
            TEXTUAL_LOG="log",
            TEXTUAL_DEBUG="1",
            TEXTUAL_PRESS="q",
            TEXTUAL_SHOW_RETURN="1",
            TEXTUAL_SCREENSHOT="1",
            TEXTUAL_DRIVER="a:b",
        )
        assert result.stdout == "None False  False\n-1 None\n"


@pytest.fixture
def tty() -> Iterator[TextIO]:
    controller, terminal = pty.openpty()
    with open(terminal, "w", encoding="utf-8") as stream:  # noqa: PTH123
        yield stream
    os.close(controller)


class TestRequireTerminal:
    GOOD = {"TERM": "xterm-256color"}

    def test_a_terminal_will_do(self, tty: TextIO) -> None:
        require_terminal(tty, tty, tty, self.GOOD)

    @pytest.mark.parametrize("missing", ["input", "output", "error"])
    def test_each_stream_has_to_be_a_terminal(self, tty: TextIO, missing: str) -> None:
        with open(os.devnull, "w+", encoding="utf-8") as file:  # noqa: PTH123
            for stand_in in (file, None):
                stdin, stdout, stderr = (
                    stand_in if name == missing else tty for name in ("input", "output", "error")
                )
                with pytest.raises(TerminalError, match=f"standard {missing} is not one"):
                    require_terminal(stdin, stdout, stderr, self.GOOD)

    def test_a_closed_stream_is_no_terminal(self, tty: TextIO) -> None:
        closed = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115
        closed.close()
        with pytest.raises(TerminalError, match="standard input"):
            require_terminal(closed, tty, tty, self.GOOD)

    @pytest.mark.parametrize("kind", [None, "", "dumb", "DUMB", "unknown"])
    def test_the_type_has_to_be_known(self, tty: TextIO, kind: str | None) -> None:
        environment = {} if kind is None else {"TERM": kind}
        with pytest.raises(TerminalError, match="TERM"):
            require_terminal(tty, tty, tty, environment)

    @pytest.mark.parametrize(
        ("encoding", "good"),
        [
            ("utf-8", True),
            ("UTF8", True),
            ("latin-1", False),
            ("ascii", False),
            ("utf-16", False),
        ],
    )
    def test_what_is_drawn_is_utf_8(self, tty: TextIO, encoding: str, good: bool) -> None:
        with open(os.dup(tty.fileno()), "w", encoding=encoding) as drawn_on:  # noqa: PTH123
            if good:
                require_terminal(tty, tty, drawn_on, self.GOOD)
            else:
                with pytest.raises(TerminalError, match="UTF-8"):
                    require_terminal(tty, tty, drawn_on, self.GOOD)
                # Nothing is drawn on standard output.
                require_terminal(tty, drawn_on, tty, self.GOOD)

    def test_every_message_is_one_sentence_that_names_a_way_out(self, tty: TextIO) -> None:
        with open(os.dup(tty.fileno()), "w", encoding="latin-1") as latin:  # noqa: PTH123
            for stdin, stderr, environment in (
                (None, tty, self.GOOD),
                (tty, tty, {"TERM": "dumb"}),
                (tty, latin, self.GOOD),
            ):
                with pytest.raises(TerminalError) as caught:
                    require_terminal(stdin, tty, stderr, environment)
                message = str(caught.value)
                assert "`bifrost-tui configs list --org NAME`" in message
                assert message.endswith(".")
                assert ". " not in message
                assert "\n" not in message


class TestMouseWanted:
    @pytest.mark.parametrize(
        ("environment", "no_mouse", "wanted"),
        [
            ({}, False, True),
            ({}, True, False),
            ({"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, False, False),
            ({"SSH_TTY": "/dev/pts/0"}, False, False),
            ({"SSH_CONNECTION": "", "SSH_TTY": ""}, False, True),
        ],
    )
    def test_only_at_home(self, environment: dict[str, str], no_mouse: bool, wanted: bool) -> None:
        assert mouse_wanted(environment, no_mouse) is wanted


class TestSessionSource:
    @pytest.mark.parametrize(
        ("connection", "source"),
        [
            ("10.1.4.7 50022 10.0.0.1 22", "10.1.4.7"),
            ("2001:DB8:0:0::7 50022 2001:db8::1 22", "2001:db8::7"),
            ("::ffff:10.1.4.7 50022 ::1 22", "10.1.4.7"),
            ("fe80::1%eth0 50022 fe80::2%eth0 22", "fe80::1"),
            ("fe80::1%\x1b[31m 50022", "fe80::1"),
            ("UNKNOWN 65535 UNKNOWN 65535", "ssh"),
            ("10.1.4.7\n", "ssh"),
            ("10.1.4.7x 1", "ssh"),
            ("\x1b[31m", "ssh"),
            ("", "ssh"),
            (" ", "ssh"),
        ],
    )
    def test_only_an_address_is_taken_over(self, connection: str, source: str) -> None:
        assert session_source({"SSH_CONNECTION": connection}) == source

    def test_without_a_connection(self) -> None:
        assert session_source({}) == "local"
        assert session_source({"SSH_TTY": "/dev/pts/0"}) == "ssh"


class TestActorName:
    def test_it_comes_from_the_system(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
            monkeypatch.setenv(variable, "somebody-else")
        assert actor_name() == pwd.getpwuid(os.getuid()).pw_name

    def test_a_user_without_a_name_has_a_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(_: int) -> pwd.struct_passwd:
            raise KeyError

        monkeypatch.setattr(pwd, "getpwuid", missing)
        assert actor_name() == f"uid {os.getuid()}"


def _fail(value: str) -> None:
    raise ValueError(f"not a number: {value}")


def _caught(value: str) -> BaseException:
    try:
        _fail(value)
    except ValueError as error:
        return error
    raise AssertionError


class TestFailure:
    def test_it_names_the_class_and_the_place(self) -> None:
        line = _fail.__code__.co_firstlineno + 1
        assert failure(_caught(PLANTED)) == f"ValueError\n  at {__name__}:{line} in _fail"

    def test_our_frames_are_named(self) -> None:
        try:
            require_terminal(None, None, None, {})
        except TerminalError as error:
            text = failure(error)
        else:
            text = ""
        assert text.splitlines()[0].startswith("The screens need a terminal")
        assert "at bifrost_tui.terminal:" in text
        assert "in require_terminal" in text

    def test_only_a_message_of_ours_is_shown_and_made_visible(self) -> None:
        assert failure(BifrostError("To be\x1b[31m read")) == r"To be\x1b[31m read"
        assert failure(subprocess.CalledProcessError(1, PLANTED)) == "subprocess.CalledProcessError"

    def test_causes_are_named_without_their_messages(self) -> None:
        error = BifrostError("The database is damaged.")
        error.__cause__ = _caught(PLANTED)
        error.__cause__.__context__ = KeyError(PLANTED)
        text = failure(error)
        assert PLANTED not in text
        assert "because of ValueError" in text
        assert "because of KeyError" in text
        error.__cause__ = None
        assert failure(error) == "The database is damaged."

    def test_a_circle_of_causes_ends(self) -> None:
        first, second = ValueError(PLANTED), KeyError(PLANTED)
        first.__cause__, second.__cause__ = second, first
        assert failure(first) == "ValueError\n  because of KeyError"


class TestInstallHooks:
    @pytest.mark.parametrize(
        "code",
        [
            "raise ValueError(value)",
            "import threading as t; w = t.Thread(target=int, args=(value,)); w.start(); w.join()",
            "import warnings; warnings.simplefilter('always'); warnings.warn(value)",
            "class A:\n    def __del__(self): raise ValueError(value)\nA()",
            "raise SystemError from ValueError(value)",
            "raise ExceptionGroup(value, [ValueError(value)])",
        ],
    )
    def test_nothing_is_quoted(self, code: str) -> None:
        start = "import os; from bifrost_tui.terminal import install_hooks; install_hooks()\n"
        result = _run(start + "value = os.environ['PLANTED']\n" + code, PLANTED=PLANTED)
        assert result.stderr != ""
        assert PLANTED not in result.stderr
        assert PLANTED not in result.stdout
        assert "Traceback" not in result.stderr
        assert result.returncode == int("raise" in code and "__del__" not in code)

    @pytest.mark.parametrize(
        ("code", "exit_code"), [("raise KeyboardInterrupt", -2), ("raise SystemExit(3)", 3)]
    )
    def test_an_end_that_is_meant_says_nothing(self, code: str, exit_code: int) -> None:
        start = "from bifrost_tui.terminal import install_hooks; install_hooks()\n"
        result = _run(start + code)
        assert (result.returncode, result.stderr) == (exit_code, "")

    def test_a_closed_standard_error_is_no_failure(self) -> None:
        result = _run("""
            import sys
            from bifrost_tui.terminal import install_hooks
            install_hooks()
            sys.stderr.close()
            raise ValueError("x")
        """)
        assert (result.returncode, result.stderr) == (1, "")

    def test_somebody_else_can_take_what_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for owner, name in (
            (sys, "excepthook"),
            (sys, "unraisablehook"),
            (threading, "excepthook"),
            (warnings, "showwarning"),
        ):
            monkeypatch.setattr(owner, name, getattr(owner, name))
        said: list[str] = []
        install_hooks(said.append)
        sys.excepthook(ValueError, _caught(PLANTED), None)
        sys.excepthook(ValueError, None, None)  # type: ignore[arg-type]
        assert said[0].startswith("bifrost-tui: ValueError\n  at ")
        assert said[1] == "bifrost-tui: ValueError"


def test_only_the_standard_library_is_needed() -> None:
    text = Path(terminal.__file__).read_text(encoding="utf-8")
    for name in ("textual", "rich", "click", "sqlalchemy", "cryptography"):
        assert f"import {name}" not in text
        assert f"from {name}" not in text
