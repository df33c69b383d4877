"""Values in private files: where they lie, who may read them, and that nothing stays behind."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

import pytest

from bifrost_tui.errors import CommandError
from bifrost_tui.runtime import private_files
from bifrost_tui.runtime.private_files import PrivateFiles

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")

ROOT = Path(__file__).parents[2]
VALUE = b"-----BEGIN\nzQ9-planted-in-a-file-\xff\0-77\n"

DRIVER = """if True:
    import os, signal, subprocess, sys
    from pathlib import Path
    from bifrost_tui.terminal import harden_process
    from bifrost_tui.runtime.private_files import PrivateFiles
    import ctypes
    if sys.argv[2] == "nobody":
        os.setgid(65534)
        os.setuid(65534)
    harden_process()
    with PrivateFiles() as files:
        files.add(Path(sys.argv[1], "first.pem"), b"one")
        files.add(Path(sys.argv[1], "second.pem"), b"two")
        # A command that outlives us must not keep the files.
        left = subprocess.Popen(["sleep", "1000"], stdout=subprocess.DEVNULL)
        print(left.pid, files._watcher, files.on_disk, flush=True)
        signal.pause() if sys.argv[3] == "wait" else sys.exit(3)
"""


class Run:
    """A process that has put two values into files and waits."""

    def __init__(self, folder: Path, *, who: str = "self", then: str = "wait") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(folder), who, then],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        left, watcher, on_disk = self.process.stdout.readline().split()
        self.left, self.watcher, self.on_disk = int(left), int(watcher), on_disk == "True"
        self.links = [folder / "first.pem", folder / "second.pem"]

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.left, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that counts as memory-backed storage; nothing else does."""
    folder = tmp_path / "memory"
    folder.mkdir()
    device = folder.stat().st_dev
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"22 1 {os.major(device)}:{os.minor(device)} / /run rw,nosuid shared:5 - tmpfs tmpfs rw\n"
    )
    monkeypatch.setattr(private_files, "_MOUNTS", mounts)
    monkeypatch.setattr(private_files, "_SHARED_MEMORY", tmp_path / "none")
    return folder


@pytest.fixture
def no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No memory-backed storage at all."""
    (tmp_path / "mounts").write_text("22 1 8:1 / / rw - ext4 /dev/sda1 rw\nnonsense\n")
    monkeypatch.setattr(private_files, "_MOUNTS", tmp_path / "mounts")


class TestWhere:
    def test_in_the_users_folder_that_is_kept_in_memory(self, memory: Path, tmp_path: Path) -> None:
        path = tmp_path / "key.pem"
        with PrivateFiles({"XDG_RUNTIME_DIR": str(memory)}) as files:
            files.add(path, VALUE)
            target = path.readlink()
            assert target.parent.parent == memory
            assert not files.on_disk
            assert path.read_bytes() == VALUE
            assert (mode(target), mode(target.parent)) == (0o600, 0o700)
            assert target.name == "key.pem"
        assert not path.is_symlink()
        assert list(memory.iterdir()) == []

    def test_in_shared_memory_otherwise(
        self, memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(private_files, "_SHARED_MEMORY", memory)
        for given in ("", "relative", str(tmp_path / "missing")):
            with PrivateFiles({"XDG_RUNTIME_DIR": given}) as files:
                files.add(tmp_path / "key", VALUE)
                assert (tmp_path / "key").readlink().parent.parent == memory
        assert list(memory.iterdir()) == []

    @pytest.mark.usefixtures("no_memory")
    def test_beside_the_link_where_nothing_is_kept_in_memory(self, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        with PrivateFiles({"XDG_RUNTIME_DIR": str(tmp_path)}) as files:
            found = [files.on_disk]
            files.add(folder / "key", VALUE)
            assert [*found, files.on_disk] == [False, True]
            assert (folder / "key").readlink().parent.parent == folder
            assert (folder / "key").read_bytes() == VALUE
        assert list(folder.iterdir()) == []

    def test_what_is_kept_in_memory_anyway_is_not_on_a_disk(
        self, memory: Path, tmp_path: Path
    ) -> None:
        with PrivateFiles({}) as files:
            files.add(memory / "key", VALUE)
            assert not files.on_disk
        assert list(memory.iterdir()) == []

    def test_no_umask_opens_or_closes_a_file(self, memory: Path, tmp_path: Path) -> None:
        for mask in (0, 0o277):
            before = os.umask(mask)
            try:
                with PrivateFiles({"XDG_RUNTIME_DIR": str(memory)}) as files:
                    files.add(tmp_path / "key", VALUE)
                    target = (tmp_path / "key").readlink()
                    assert (mode(target), mode(target.parent)) == (0o600, 0o700)
            finally:
                os.umask(before)

    def test_a_path_within_the_current_folder(
        self, memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with PrivateFiles({"XDG_RUNTIME_DIR": str(memory)}) as files:
            files.add(Path("key"), VALUE)
            monkeypatch.chdir("/")
            assert (tmp_path / "key").read_bytes() == VALUE
        assert not (tmp_path / "key").is_symlink()


class TestRefused:
    def refused(self, path: Path) -> str:
        with PrivateFiles() as files:
            with pytest.raises(CommandError) as caught:
                files.add(path, VALUE)
            assert not files.on_disk
        return caught.value.message

    def test_what_is_there_already(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("kept")
        (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
        for name in ("file", "dangling", "."):
            path = tmp_path / name
            assert self.refused(path) == (
                f"{path} is there already and is not overwritten. Name another path."
            )
        assert (tmp_path / "file").read_text() == "kept"
        assert not (tmp_path / "nowhere").exists()

    def test_the_same_path_twice(self, tmp_path: Path) -> None:
        with PrivateFiles() as files:
            files.add(tmp_path / "key", b"first")
            with pytest.raises(CommandError, match="is there already"):
                files.add(tmp_path / "key", b"second")
            assert (tmp_path / "key").read_bytes() == b"first"
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        path = tmp_path / "none" / "key"
        assert self.refused(path) == f"The folder of {path} does not exist."
        (tmp_path / "file").write_text("")
        path = tmp_path / "file" / "key"
        assert self.refused(path) == f"The folder of {path} does not exist."
        assert self.refused(Path("/")) == "/ is a folder. Name a file that is not there yet."

    def test_a_folder_that_cannot_be_written_to(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "key"
        monkeypatch.setattr(os, "access", lambda folder, _: Path(folder) != tmp_path)
        assert self.refused(path) == f"The folder of {path} cannot be written to."

    def test_a_link_that_cannot_be_made_leaves_nothing(
        self, memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(Path, "symlink_to", refuse)
        path = tmp_path / "key"
        with PrivateFiles({"XDG_RUNTIME_DIR": str(memory)}) as files:
            with pytest.raises(CommandError) as caught:
                files.add(path, VALUE)
            message = f"{path} cannot be written: Operation not permitted."
            assert caught.value.message == message
        assert list(memory.iterdir()) == []


class TestAfterwards:
    def test_all_that_the_command_put_there_is_gone(self, memory: Path, tmp_path: Path) -> None:
        with PrivateFiles({"XDG_RUNTIME_DIR": str(memory)}) as files:
            files.add(tmp_path / "key", VALUE)
            (tmp_path / "key").readlink().with_name("key.backup").write_bytes(VALUE)
        assert list(memory.iterdir()) == []

    def test_what_has_taken_the_place_of_a_link_stays(self, memory: Path, tmp_path: Path) -> None:
        with PrivateFiles({"XDG_RUNTIME_DIR": str(memory)}) as files:
            for name in ("file", "link", "gone"):
                files.add(tmp_path / name, VALUE)
                (tmp_path / name).unlink()
            (tmp_path / "file").write_text("another's")
            (tmp_path / "link").symlink_to("elsewhere")
        assert (tmp_path / "file").read_text() == "another's"
        assert (tmp_path / "link").readlink() == Path("elsewhere")
        assert list(memory.iterdir()) == []

    def test_an_exception_passes_and_leaves_nothing(self, memory: Path, tmp_path: Path) -> None:
        def fail() -> None:
            with PrivateFiles({"XDG_RUNTIME_DIR": str(memory)}) as files:
                files.add(tmp_path / "key", VALUE)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert not (tmp_path / "key").is_symlink()
        assert list(memory.iterdir()) == []

    def test_it_works_without_its_watcher(self, memory: Path, tmp_path: Path) -> None:
        with PrivateFiles({"XDG_RUNTIME_DIR": str(memory)}) as files:
            files.add(tmp_path / "key", VALUE)
            os.kill(files._watcher, signal.SIGKILL)
            os.waitpid(files._watcher, 0)
            with pytest.raises(CommandError, match="has ended"):
                files.add(tmp_path / "second", VALUE)
        assert not (tmp_path / "key").is_symlink()
        assert list(memory.iterdir()) == []

    def test_no_process_and_no_open_file_is_left(self, tmp_path: Path) -> None:
        before = len(list(Path("/dev/fd").iterdir()))
        with PrivateFiles() as files:
            files.add(tmp_path / "key", VALUE)
        assert len(list(Path("/dev/fd").iterdir())) == before
        with pytest.raises(ProcessLookupError):
            os.kill(files._watcher, 0)


class TestProcesses:
    def gone(self, run: Run) -> bool:
        targets = self.targets
        return not any(link.is_symlink() for link in run.links) and not any(
            target.parent.exists() for target in targets
        )

    def started(self, folder: Path, *, who: str = "self") -> Run:
        run = Run(folder, who=who)
        self.targets = [link.readlink() for link in run.links]
        assert [link.read_bytes() for link in run.links] == [b"one", b"two"]
        return run

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    def test_nothing_is_left_when_we_are_killed(self, number: int, tmp_path: Path) -> None:
        run = self.started(tmp_path)
        try:
            run.process.send_signal(number)
            run.process.wait(60)
            until(lambda: self.gone(run))
            assert list(tmp_path.iterdir()) == []
        finally:
            run.close()

    def test_signals_to_the_whole_group_leave_the_watcher_at_work(self, tmp_path: Path) -> None:
        run = self.started(tmp_path)
        try:
            assert os.getpgid(run.watcher) != run.process.pid
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTSTP):
                os.kill(run.watcher, number)
            os.killpg(run.process.pid, signal.SIGKILL)
            run.process.wait(60)
            until(lambda: self.gone(run))
        finally:
            run.close()

    @pytest.mark.skipif(os.getuid() != 0, reason="only root sees what a hardened process has open")
    def test_the_watcher_keeps_nothing_open(self, tmp_path: Path) -> None:
        run = self.started(tmp_path)
        try:
            open_files = Path(f"/proc/{run.watcher}/fd")
            until(lambda: len(list(open_files.iterdir())) == 4)
            names = sorted(str(file.readlink()) for file in open_files.iterdir())
            assert names[:3] == [os.devnull] * 3
            assert names[3].startswith("pipe:")
            assert Path(f"/proc/{run.watcher}/cwd").readlink() == Path("/")
        finally:
            run.close()

    def test_an_exit_in_the_middle_is_one_too(self, tmp_path: Path) -> None:
        run = Run(tmp_path, then="exit")
        try:
            assert run.process.wait(60) == 3
            assert list(tmp_path.iterdir()) == []
        finally:
            run.close()

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
    def test_a_user_without_rights_whose_process_is_hardened(self) -> None:
        # Others cannot get into the folders that pytest makes.
        folder = Path(mkdtemp())
        folder.chmod(0o777)
        try:
            run = self.started(folder, who="nobody")
            try:
                assert not run.on_disk
                run.process.kill()
                run.process.wait(60)
                until(lambda: self.gone(run))
            finally:
                run.close()
        finally:
            folder.rmdir()
