"""A command under the relay, in real processes: between pipes, and in a real terminal."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import termios
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.terminal.harness import CTRL_C, ENTER, PATIENCE, TerminalSession

ROOT = Path(__file__).parents[2]
SECRET = "zQ9-planted-in-the-environment-81"
LINE = b"%07d a line of a large output that nobody has to wait for too long\n"
LARGE = 20_000_000

# What `run` does around a child, without a database.
DRIVER = """if True:
    import json, os, signal, sys
    from bifrost_tui.terminal import harden_process
    harden_process()
    from bifrost_tui.errors import CommandError
    from bifrost_tui.runtime.child import end_like, run_child
    from bifrost_tui.scrubbing.scrubber import Scrubber

    class Broken:
        holds = False
        def stream(self):
            return self
        def feed(self, data):
            raise ZeroDivisionError
        def finish(self):
            return b""

    given = json.loads(sys.argv[1])
    if given["pipe_kills"]:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    scrubber = Scrubber()
    for secret in given["secrets"]:
        scrubber.add(secret)
    environ = {**os.environ, "SECRET": given["secrets"][0], **given["environ"]}
    if given["large"]:
        environ["LARGE"] = "x" * given["large"]
    stdin = given["stdin"]
    try:
        code = run_child(
            given["command"],
            environ,
            scrubber=Broken() if given["broken"] else scrubber if given["mask"] else None,
            stdin=None if stdin is None else stdin.encode() * given["times"],
        )
    except CommandError as error:
        print(error)
        code = 99
    end_like(code)
"""


def driver(
    *command: str,
    mask: bool = True,
    stdin: str | None = None,
    times: int = 1,
    environ: dict[str, str] | None = None,
    large: int = 0,
    broken: bool = False,
    pipe_kills: bool = False,
) -> list[str]:
    given = {
        "command": command,
        "secrets": [SECRET],
        "mask": mask,
        "stdin": stdin,
        "times": times,
        "environ": environ or {},
        "large": large,
        "broken": broken,
        "pipe_kills": pipe_kills,
    }
    return [sys.executable, "-c", DRIVER, json.dumps(given)]


def shell(script: str, **options: Any) -> list[str]:
    return driver("sh", "-c", script, **options)


def python(code: str, **options: Any) -> list[str]:
    return driver(sys.executable, "-I", "-S", "-u", "-c", textwrap.dedent(code), **options)


def under(script: str, words: list[str]) -> list[str]:
    """Return what starts a command from a shell, which sets it up first."""
    return ["sh", "-c", script, "sh", *words]


ENVIRON = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": str(ROOT),
    "LANG": "C.UTF-8",
    "TERM": "xterm-256color",
}


def ran(words: list[str], data: bytes = b"", **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run between pipes, away from the terminal of the tests."""
    if "stderr" not in options:
        options["stderr"] = subprocess.PIPE
    return subprocess.run(
        words,
        input=data,
        stdout=subprocess.PIPE,
        env=ENVIRON,
        start_new_session=True,
        timeout=PATIENCE,
        check=False,
        **options,
    )


@contextmanager
def running(words: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **options}
    with subprocess.Popen(words, env=ENVIRON, start_new_session=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def session(words: list[str], **options: Any) -> TerminalSession:
    return TerminalSession(words, env=ENVIRON, **options)


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def read_until(process: subprocess.Popen[bytes], what: bytes) -> bytes:
    """Read what a process writes up to that, which it need not write more after."""
    assert process.stdout is not None
    data = b""
    deadline = time.monotonic() + PATIENCE
    while what not in data:
        assert time.monotonic() < deadline, data
        if select.select([process.stdout], [], [], 0.1)[0]:
            more = os.read(process.stdout.fileno(), 65536)
            assert more, data
            data += more
    return data


def alive(pid: int) -> bool:
    """Say whether a process runs, and does not only wait for its exit code to be fetched."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def number_in(path: Path) -> int:
    until(lambda: path.exists() and path.read_text().endswith("\n"))
    return int(path.read_text())


class TestTheEnd:
    @pytest.mark.parametrize("code", [0, 3, 255])
    @pytest.mark.parametrize("mask", [True, False])
    def test_the_exit_code_is_the_commands(self, code: int, mask: bool) -> None:
        assert ran(shell(f"exit {code}", mask=mask)).returncode == code

    @pytest.mark.parametrize("name", ["TERM", "INT", "KILL", "SEGV", "PIPE", "USR1"])
    def test_a_death_by_signal_is_passed_on(self, name: str, tmp_path: Path) -> None:
        done = ran(
            under('ulimit -S -c "$(ulimit -H -c)"; exec "$@"', shell(f"kill -{name} $$")),
            cwd=tmp_path,
        )
        assert done.returncode == -getattr(signal, f"SIG{name}")
        assert done.stderr == b""

    def test_a_death_in_the_middle_of_a_secret_shows_no_part_of_it(self) -> None:
        done = ran(shell(f"printf 'before {SECRET[:20]}'; kill -KILL $$"))
        assert done.returncode == -signal.SIGKILL
        assert done.stdout == b"before [REDACTED]"

    @pytest.mark.parametrize("terminal", [True, False])
    def test_one_that_is_left_behind_does_not_hold_up_the_end(
        self, terminal: bool, tmp_path: Path
    ) -> None:
        left = tmp_path / "left"
        words = shell(f"trap '' HUP; sleep 1000 & echo $! > {left}; printf done; exit 4")
        try:
            if terminal:
                with session(words) as shown:
                    assert shown.wait_exit() == 4
                    shown.wait_for("done")
            else:
                done = ran(words)
                assert (done.returncode, done.stdout) == (4, b"done")
        finally:
            os.kill(number_in(left), signal.SIGKILL)

    def test_one_left_behind_that_goes_on_and_on_is_not_waited_for_after_a_signal(
        self, tmp_path: Path
    ) -> None:
        child = tmp_path / "child"
        words = shell(f"while sleep 0.02; do echo x; done & echo $$ > {child}; exit 6")
        with running(words, stdout=subprocess.DEVNULL) as process:
            number = number_in(child)
            until(lambda: not Path(f"/proc/{number}").exists())

            process.terminate()
            assert process.wait(PATIENCE) == 6

    def test_a_reader_that_takes_nothing_is_not_waited_for_after_a_signal(
        self, tmp_path: Path
    ) -> None:
        child = tmp_path / "child"
        words = shell(f"echo $$ > {child}; head -c 100000 /dev/zero; exit 6")
        with running(words) as process:
            number = number_in(child)
            until(lambda: not Path(f"/proc/{number}").exists())
            process.terminate()
            assert process.wait(PATIENCE) == 6

    def test_what_it_writes_last_is_not_lost_behind_a_slow_reader(self) -> None:
        with running(shell("head -c 300000 /dev/zero | tr '\\0' a; printf end")) as process:
            assert process.stdout is not None
            assert process.stdout.read() == b"a" * 300_000 + b"end"


class TestPipes:
    def test_standard_input_goes_through_byte_for_byte(self) -> None:
        data = bytes(range(256)) * 2000
        assert ran(driver("cat"), data).stdout == data

    def test_a_value_on_standard_input(self) -> None:
        done = ran(driver("sha256sum", stdin="välue\n", times=50_000), b"not this")
        expected = hashlib.sha256("välue\n".encode() * 50_000)
        assert done.stdout.split()[0].decode() == expected.hexdigest()
        assert ran(driver("cat", stdin=SECRET)).stdout == b"[REDACTED]"
        assert ran(driver("cat", stdin="")).stdout == b""

    @pytest.mark.parametrize("mask", [True, False])
    def test_a_value_on_standard_input_that_is_not_read(self, mask: bool) -> None:
        for script in ("exit 5", "exec <&-; exit 5", "head -c 1 >&2; exit 5"):
            words = shell(script, stdin="x", times=1_000_000, mask=mask, pipe_kills=True)
            assert ran(words).returncode == 5

    def test_both_streams_are_scrubbed_and_kept_apart(self) -> None:
        done = ran(shell("echo out $SECRET; echo err $SECRET >&2"))
        assert (done.stdout, done.stderr) == (b"out [REDACTED]\n", b"err [REDACTED]\n")

    def test_streams_to_one_place_keep_their_order(self) -> None:
        script = "for i in $(seq 500); do echo $i; echo $i $SECRET >&2; done"
        done = ran(shell(script), stderr=subprocess.STDOUT)
        assert done.stdout == b"".join(b"%d\n%d [REDACTED]\n" % (i, i) for i in range(1, 501))

    def test_a_command_that_writes_byte_by_byte(self) -> None:
        done = ran(
            python("""
            import os
            for byte in f"a{os.environ['SECRET']}b\\n".encode():
                os.write(1, bytes([byte]))
            """)
        )
        assert done.stdout == b"a[REDACTED]b\n"

    @pytest.mark.parametrize("before", ["", "x", "xy"])
    def test_a_secret_in_base64_however_it_lies(self, before: str) -> None:
        done = ran(shell(f'printf %s "{before}$SECRET-and-more" | base64 -w0'))
        whole = base64.b64encode(f"{before}{SECRET}-and-more".encode())
        assert b"[REDACTED]" in done.stdout
        inner = base64.b64encode(SECRET[3:30].encode())[4:-4]
        assert inner not in done.stdout
        assert done.stdout.replace(b"[REDACTED]", b"")[-8:] == whole[-8:]

    def test_colour_and_bytes_that_are_no_text_stay_as_they_are(self) -> None:
        done = ran(shell(r"printf '\033[31m%s\033[0m\377\200\0\r\n' $SECRET"))
        assert done.stdout == b"\x1b[31m[REDACTED]\x1b[0m\xff\x80\0\r\n"

    def test_no_final_newline(self) -> None:
        assert ran(shell("printf 'a\nb'")).stdout == b"a\nb"

    def test_a_prompt_that_looks_like_the_beginning_of_a_secret_appears(self) -> None:
        with running(
            shell(f"printf '{SECRET[:3]}'; read x; echo $x"), stdin=subprocess.PIPE
        ) as process:
            assert read_until(process, SECRET[:3].encode()) == SECRET[:3].encode()
            assert process.stdin is not None
            process.stdin.write(b"typed\n")
            process.stdin.close()
            assert read_until(process, b"typed\n") == b"typed\n"
            assert process.wait(PATIENCE) == 0

    def test_a_large_output_arrives_whole(self) -> None:
        done = ran(python(f"import os, sys; {large_writer()}"))
        assert hashlib.sha256(done.stdout).hexdigest() == hashlib.sha256(large()).hexdigest()

    @pytest.mark.parametrize("pipe_kills", [True, False])
    def test_a_reader_that_leaves_ends_the_writer(self, pipe_kills: bool) -> None:
        with running(driver("yes", pipe_kills=pipe_kills)) as process:
            read_until(process, b"y\n")
            assert process.stdout is not None
            process.stdout.close()
            assert process.wait(PATIENCE) == -signal.SIGPIPE

    def test_the_other_stream_goes_on_when_a_reader_leaves(self) -> None:
        words = python("""
            import os, signal, sys
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
            try:
                while True:
                    os.write(1, b"y" * 1000)
            except BrokenPipeError:
                os.write(2, b"went on " + os.environb[b"SECRET"])
        """)
        with running(words, stderr=subprocess.PIPE) as process:
            read_until(process, b"y")
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == b"went on [REDACTED]"
            assert process.wait(PATIENCE) == 0

    def test_a_stream_that_was_closed_is_closed_for_the_command(self) -> None:
        done = ran(under('exec "$@" >&-', shell("echo $SECRET >&2; echo out; echo on >&2")))
        assert done.stdout == b""
        assert done.stderr.startswith(b"[REDACTED]\n")
        assert done.stderr.endswith(b"on\n")

    def test_without_a_mask_the_streams_are_ours(self) -> None:
        done = ran(shell("cat; echo $SECRET; echo $SECRET >&2", mask=False), b"in\n")
        assert done.stdout == f"in\n{SECRET}\n".encode()
        assert done.stderr == f"{SECRET}\n".encode()

    @pytest.mark.parametrize("mask", [True, False])
    def test_the_limit_of_core_files_is_the_one_that_was_given(self, mask: bool) -> None:
        script = 'ulimit -S -c "$(ulimit -H -c)"; ulimit -S -c; exec "$@"'
        done = ran(under(script, shell("ulimit -S -c; ulimit -H -c", mask=mask)))
        assert len(done.stdout.split()) == 3
        assert len({*done.stdout.split()}) == 1


def large() -> bytes:
    return b"".join(LINE % number for number in range(LARGE // len(LINE % 0)))


def large_writer() -> str:
    """Return the code that writes it."""
    return (
        f"data = b''.join({LINE!r} % number for number in range({LARGE // len(LINE % 0)}));"
        " sys.stdout.buffer.write(data)"
    )


class TestProblems:
    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("no-such-command-anywhere", "The command no-such-command-anywhere was not found."),
            ("./none/at/all", "The command ./none/at/all was not found."),
            (
                "./plain",
                "./plain cannot be run: it is not an executable file, or not for this user.",
            ),
            (
                "./interpreted",
                "./interpreted cannot be run: what interprets it (its first line) is not there.",
            ),
            (
                "./text",
                "./text cannot be run: no program, nor a script whose first line begins #!.",
            ),
        ],
    )
    @pytest.mark.parametrize("mask", [True, False])
    def test_what_cannot_be_run(self, name: str, said: str, mask: bool, tmp_path: Path) -> None:
        (tmp_path / "plain").write_text("no program")
        (tmp_path / "interpreted").write_text("#!/no/such/interpreter\n")
        (tmp_path / "interpreted").chmod(0o755)
        (tmp_path / "text").write_text("echo\n")
        (tmp_path / "text").chmod(0o755)
        done = ran(driver(name, mask=mask), cwd=tmp_path)
        assert done.stdout.decode() == said + "\n"
        assert (done.returncode, done.stderr) == (99, b"")

    def test_values_that_are_too_large(self) -> None:
        done = ran(driver("true", large=200_000))
        assert done.stdout.startswith(b"The values are too large together for an environment")
        assert (done.returncode, done.stderr) == (99, b"")

    @pytest.mark.parametrize("text", [f"{SECRET}\0", f"{SECRET}\ud800"])
    def test_a_value_that_no_variable_can_hold_is_not_told(self, text: str) -> None:
        done = ran(driver("true", environ={"KEY": text}))
        assert done.stdout.startswith(b"A variable or a word of the command cannot be handed over")
        assert SECRET.encode() not in done.stdout + done.stderr
        assert (done.returncode, done.stderr) == (99, b"")

    def test_the_terminal_is_given_back(self) -> None:
        with session(driver("no-such-command-anywhere")) as shown:
            assert shown.wait_exit() == 99
            shown.wait_for("was not found")
            assert shown.attributes_restored()


SIGNALS = ["TERM", "HUP", "INT", "QUIT", "USR1", "USR2"]


class TestSignals:
    @pytest.mark.parametrize("name", SIGNALS)
    @pytest.mark.parametrize("mask", [True, False])
    def test_a_signal_goes_on_to_the_command(self, name: str, mask: bool) -> None:
        words = shell(
            f"trap 'echo got {name}; exit 5' {name}; echo ready; while :; do sleep 0.01; done",
            mask=mask,
        )
        with running(words) as process:
            read_until(process, b"ready")
            process.send_signal(getattr(signal, f"SIG{name}"))
            assert b"got " + name.encode() in read_until(process, b"got")
            assert process.wait(PATIENCE) == 5

    def test_what_was_ignored_stays_ignored(self) -> None:
        words = under("trap '' HUP; exec \"$@\"", shell("kill -HUP $$; echo on; read x"))
        with running(words, stdin=subprocess.PIPE) as process:
            read_until(process, b"on")
            process.send_signal(signal.SIGHUP)
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(PATIENCE) == 1

    def test_one_press_of_a_key_is_one_signal(self, tmp_path: Path) -> None:
        """The group that has the terminal gets it: the command too, when it has no terminal."""
        words = python("""
            import signal, sys, time
            signal.signal(signal.SIGINT, lambda *_: print("INT", flush=True))
            signal.signal(signal.SIGTERM, lambda *_: (print("TERM", flush=True), sys.exit(8)))
            print("ready", flush=True)
            while True:
                time.sleep(0.01)
        """)
        written = tmp_path / "written"
        with session(under(f'exec "$@" > {written} 2>&1', words)) as shown:
            until(lambda: "ready" in written.read_text() if written.exists() else False)
            shown.send(CTRL_C)
            until(lambda: "INT" in written.read_text())
            shown.signal(signal.SIGTERM)
            assert shown.wait_exit() == 8
        assert written.read_text() == "ready\nINT\nTERM\n"


# A shell may lose a signal while it starts a command.
WAITS = """
    import signal
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    print("ready")
    while True:
        signal.pause()
"""
ASKS = "printf 'Name: '; read name; echo \"Hello $name and $SECRET.\""


class TestATerminal:
    def test_a_prompt_and_its_answer(self) -> None:
        with session(shell(ASKS)) as shown:
            shown.wait_for("Name:")
            assert not shown.attributes_restored()
            shown.send(f"Ann{ENTER}")
            assert shown.wait_exit() == 0
            assert shown.lines[:2] == ["Name: Ann", "Hello Ann and [REDACTED]."]
            assert SECRET.encode() not in shown.raw
            assert b"\r\r" not in shown.raw
            assert shown.attributes_restored()

    def test_keys_appear_as_they_are_typed_and_can_be_taken_back(self) -> None:
        with session(shell(ASKS)) as shown:
            shown.wait_for("Name:")
            shown.send("Anx")
            shown.wait_for("Name: Anx")
            shown.send("\x7fn")
            shown.wait_for("Name: Ann")
            shown.send(ENTER)
            assert shown.wait_exit() == 0
            assert shown.lines[1] == "Hello Ann and [REDACTED]."

    def test_what_is_not_shown_while_it_is_typed_is_not_shown_here(self) -> None:
        script = "stty -echo; printf 'Password: '; read word; stty echo; echo; echo ${#word}"
        with session(shell(script)) as shown:
            shown.wait_for("Password:")
            shown.send(f"swordfish{ENTER}")
            assert shown.wait_exit() == 0
            assert shown.lines[:2] == ["Password:", "9"]

    def test_every_stream_is_the_same_terminal(self) -> None:
        with session(shell("tty; tty <&1 ; tty <&2; echo also > /dev/tty")) as shown:
            assert shown.wait_exit() == 0
            first, second, third, fourth = shown.lines[:4]
            assert first.startswith("/dev/")
            assert first == second == third
            assert fourth == "also"

    def test_ctrl_c_at_a_prompt_is_the_commands(self) -> None:
        words = python("""
            import signal, sys
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            sys.stdout.write("ready> ")
            signal.sigwait({signal.SIGINT})
            print("caught")
            sys.exit(7)
        """)
        with session(words) as shown:
            shown.wait_for("ready>")
            shown.send(CTRL_C)
            assert shown.wait_exit() == 7
            shown.wait_for("caught")
            assert shown.attributes_restored()

    def test_ctrl_c_that_kills_the_command_kills_us(self) -> None:
        with session(python(WAITS)) as shown:
            shown.wait_for("ready")
            shown.send(CTRL_C)
            assert shown.wait_exit() == -signal.SIGINT
            assert shown.attributes_restored()

    def test_the_end_of_input_is_the_commands(self) -> None:
        with session(shell("echo ready; cat; echo after")) as shown:
            shown.wait_for("ready")
            shown.send("\x04")
            assert shown.wait_exit() == 0
            assert shown.lines[1] == "after"

    def test_the_size_and_its_changes(self) -> None:
        script = "trap 'stty size' WINCH; stty size; while :; do sleep 0.01; done"
        with session(shell(script), size=(91, 17)) as shown:
            shown.wait_for("17 91")
            shown.resize(63, 29)
            shown.wait_for("29 63")
            shown.send(CTRL_C)
            assert shown.wait_exit() == -signal.SIGINT

    @pytest.mark.parametrize("name", SIGNALS)
    def test_a_signal_goes_on_to_the_command(self, name: str) -> None:
        with session(python(WAITS)) as shown:
            shown.wait_for("ready")
            number = getattr(signal, f"SIG{name}")
            shown.signal(number)
            assert shown.wait_exit() == -number
            assert shown.attributes_restored()

    def test_a_command_that_is_killed(self, tmp_path: Path) -> None:
        child = tmp_path / "child"
        words = shell(f"stty -echo; echo $$ > {child}; printf '{SECRET[:20]}'; exec sleep 1000")
        with session(words) as shown:
            os.kill(number_in(child), signal.SIGKILL)
            assert shown.wait_exit() == -signal.SIGKILL
            assert shown.attributes_restored()
            assert SECRET[:8].encode() not in shown.raw

    def test_a_failure_of_ours_gives_the_terminal_back_and_leaves_nothing_running(
        self, tmp_path: Path
    ) -> None:
        child = tmp_path / "child"
        words = shell(f"echo $$ > {child}; echo $SECRET; exec sleep 1000", broken=True)
        with session(words) as shown:
            assert shown.wait_exit() == 1
            assert shown.attributes_restored()
            assert not alive(number_in(child))
            assert SECRET.encode() not in shown.raw

    @pytest.mark.parametrize("hang_up", ["usual", "blocked"])
    def test_a_terminal_that_goes_away_takes_the_command_along(
        self, hang_up: Literal["usual", "blocked"], tmp_path: Path
    ) -> None:
        child = tmp_path / "child"
        with session(shell(f"echo $$ > {child}; exec cat"), hang_up=hang_up) as shown:
            number = number_in(child)
            shown.hangup()
            code = shown.wait_exit()
            assert not alive(number)
            assert code == -signal.SIGHUP if hang_up == "usual" else code >= 0

    def test_input_that_only_goes_through_a_pipe(self) -> None:
        """The output is a terminal's and its keys are the shell's: Ctrl+C comes as a signal."""
        words = under('echo piped | (trap - INT; exec "$@")', shell("read x; test -t 1; echo $?$x"))
        with session(words) as shown:
            assert shown.wait_exit() == 0
            assert shown.raw == b"0piped\r\n"
            assert shown.attributes_restored()

    def test_ctrl_c_while_the_input_is_no_terminal(self) -> None:
        with session(under('exec "$@" < /dev/null', python(WAITS))) as shown:
            shown.wait_for("ready")
            assert shown.attributes_restored()
            shown.send(CTRL_C)
            assert shown.wait_exit() == -signal.SIGINT

    def test_only_the_errors_are_shown(self, tmp_path: Path) -> None:
        written = tmp_path / "written"
        words = shell("test -t 2 && test -t 0 && ! test -t 1 && echo o $SECRET; echo e $SECRET >&2")
        with session(under(f'exec "$@" > {written}', words)) as shown:
            assert shown.wait_exit() == 0
            assert shown.lines[0] == "e [REDACTED]"
        assert written.read_text() == "o [REDACTED]\n"

    def test_a_value_on_standard_input_leaves_the_keys_to_the_terminal(self) -> None:
        script = "cat; printf 'Sure? '; read x < /dev/tty; echo got $x"
        with session(shell(script, stdin=f"{SECRET}\n")) as shown:
            shown.wait_for("Sure?")
            shown.send(f"yes{ENTER}")
            assert shown.wait_exit() == 0
            assert shown.lines[:3] == ["[REDACTED]", "Sure? yes", "got yes"]

    def test_without_a_mask_the_terminal_is_ours(self) -> None:
        with session(shell(f"tty; {ASKS}", mask=False)) as shown:
            shown.wait_for("Name:")
            assert shown.attributes_restored()
            shown.send(f"Ann{ENTER}")
            assert shown.wait_exit() == 0
            assert f"Hello Ann and {SECRET}." in shown.screen_text()

    def test_much_input_with_much_output(self) -> None:
        lines = [f"{number:05d} {'p' * 50}" for number in range(800)]
        words = python(f"""
            import sys, termios
            settings = termios.tcgetattr(0)
            settings[3] &= ~termios.ECHO
            termios.tcsetattr(0, termios.TCSANOW, settings)
            print("ready")
            for _ in range({len(lines)}):
                line = sys.stdin.readline()
                print("=", line, end="")
        """)
        with session(words) as shown:
            shown.wait_for("ready")
            shown.send("".join(line + ENTER for line in lines))
            assert shown.wait_exit() == 0
            raw = shown.raw.decode()
            assert [line for line in raw.split("\r\n") if line.startswith("= ")] == [
                f"= {line}" for line in lines
            ]

    def test_a_large_output_arrives_whole(self) -> None:
        near, far = pty.openpty()
        settings = termios.tcgetattr(far)
        settings[1] &= ~termios.OPOST
        termios.tcsetattr(far, termios.TCSANOW, settings)
        with running(python(f"import os, sys; {large_writer()}"), stdout=far) as process:
            os.close(far)
            found, size = hashlib.sha256(), 0
            with suppress(OSError):
                while data := os.read(near, 65536):
                    found.update(data)
                    size += len(data)
            os.close(near)
            assert process.wait(PATIENCE) == 0
        assert size == len(large())
        assert found.digest() == hashlib.sha256(large()).digest()


@pytest.mark.skipif(shutil.which("bash") is None, reason="a shell with job control is needed")
class TestJobs:
    def test_a_stop_gives_the_terminal_to_the_shell_and_going_on_takes_it_back(
        self, tmp_path: Path
    ) -> None:
        ours = tmp_path / "ours"
        started = tmp_path / "start.sh"
        words = shell(f"echo $PPID > {ours}; {ASKS}")
        started.write_text(f"exec {' '.join(map(shell_word, words))}\n")
        with session(["bash", "--norc", "--noprofile", "-i"]) as shown:
            shown.send(f"PS1='$ '; sh {started}{ENTER}")
            shown.wait_for("Name:")
            os.kill(number_in(ours), signal.SIGTSTP)
            shown.wait_for("Stopped")
            shown.send(f"echo $((40 + 2)) here{ENTER}")
            shown.wait_for("42 here")
            shown.send(f"fg{ENTER}")
            shown.wait_for(
                lambda shown: "start.sh" in shown.lines[-1] or "fg" in "".join(shown.lines)
            )
            shown.send(f"Ann{ENTER}")
            shown.wait_for("Hello Ann and [REDACTED].")
            # What is typed before the shell has its terminal back is for the command.
            shown.wait_for(lambda shown: shown.screen_text().rstrip().endswith("\n$"))
            shown.send(f"exit{ENTER}")
            assert shown.wait_exit() == 0

    def test_in_the_background_it_leaves_the_keys_to_the_shell(self, tmp_path: Path) -> None:
        started = tmp_path / "start.sh"
        words = shell(f"echo begun $SECRET; {ASKS}")
        started.write_text(f"exec {' '.join(map(shell_word, words))}\n")
        with session(["bash", "--norc", "--noprofile", "-i"]) as shown:
            shown.send(f"PS1='$ '; sh {started} &{ENTER}")
            shown.wait_for("begun [REDACTED]")
            shown.wait_for("Name:")
            shown.send(f"echo $((40 + 2)) here{ENTER}")
            shown.wait_for("42 here")
            shown.send(f"fg{ENTER}")
            shown.wait_for(lambda shown: shown.raw.count(b"start.sh") > 1)
            shown.send(f"Ann{ENTER}")
            shown.wait_for("Hello Ann and [REDACTED].")
            # What is typed before the shell has its terminal back is for the command.
            shown.wait_for(lambda shown: shown.screen_text().rstrip().endswith("\n$"))
            shown.send(f"exit{ENTER}")
            assert shown.wait_exit() == 0


def shell_word(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
