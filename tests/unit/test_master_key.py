"""Master keys: what counts as one, and the files and variables that hold them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_tui.crypto.master_key import (
    SHORTEST,
    MasterKey,
    generate_master_key,
    load_master_keys,
    write_key_file,
)
from bifrost_tui.errors import MasterKeyError, MasterKeyMissingError, MasterKeyRefusedError
from bifrost_tui.settings import (
    CREDENTIAL,
    FROM_SYSTEMD,
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    KeySource,
    load_settings,
)
from tests.support import KEY, NEW_KEY, OTHER_KEY, assert_silent

SHORT = "z" * 31


def key_id(key: str) -> str:
    return MasterKey(key.encode()).key_id


def in_variable(text: str) -> tuple[str, ...]:
    return tuple(key.key_id for key in load_master_keys(KeySource(KEY_VARIABLE, text=text)))


def in_file(path: Path) -> tuple[str, ...]:
    return tuple(key.key_id for key in load_master_keys(KeySource("key file", path=path)))


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(content: str | bytes, mode: int = 0o600) -> Path:
        path = tmp_path / "secret.key"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    return write


@pytest.mark.parametrize(
    "text", [KEY, f" {KEY}\t", f"{KEY}\n", "é" * SHORTEST, "a key with blanks in it, but no comma"]
)
def test_a_variable_holds_a_key(text: str) -> None:
    assert in_variable(text.replace(",", "")) == (key_id(text.replace(",", "").strip()),)


def test_several_keys_stand_newest_first() -> None:
    assert in_variable(f"{NEW_KEY},{KEY}") == (key_id(NEW_KEY), key_id(KEY))
    assert in_variable(f"{KEY} , {NEW_KEY}") == (key_id(KEY), key_id(NEW_KEY))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", f"{KEY_VARIABLE}: the key is empty"),
        (" \n", f"{KEY_VARIABLE}: the key is empty"),
        (SHORT, f"{KEY_VARIABLE}: the key has 31 characters, too few"),
        (f"{SHORT}{' ' * 9}", "31 characters"),
        (f"{KEY},", f"key 2 of {KEY_VARIABLE}: the key is empty"),
        (f",{KEY}", f"key 1 of {KEY_VARIABLE}: the key is empty"),
        (f"{KEY},{SHORT}", f"key 2 of {KEY_VARIABLE}: the key has 31"),
        (f"{KEY},{KEY}", f"key 2 of {KEY_VARIABLE}: the same key is given twice"),
        (f"{KEY[:20]}\n{KEY[20:]}", "cannot be seen"),
        (f"{KEY}\ufeff", "cannot be seen"),
        (f"{KEY}\udcff", "not UTF-8"),
    ],
)
def test_what_a_variable_cannot_hold(text: str, says: str) -> None:
    with pytest.raises(MasterKeyRefusedError) as raised:
        in_variable(text)
    assert says in str(raised.value)
    assert_silent(raised.value, [SHORT, KEY, KEY[:20]])


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        (KEY, [KEY]),
        (f"{KEY}\n", [KEY]),
        (f"{KEY}\r\n", [KEY]),
        (f"\ufeff{KEY}\n", [KEY]),
        (f"\ufeff{NEW_KEY}\r\n{KEY}\r\n", [NEW_KEY, KEY]),
        (f"\n\n{NEW_KEY}\n \n{KEY}\n\n", [NEW_KEY, KEY]),
        (f"{NEW_KEY},with a comma\n", [f"{NEW_KEY},with a comma"]),
        (f"{KEY}\n".ljust(64 * 1024, "\n"), [KEY]),
    ],
)
def test_a_file_holds_one_key_a_line(
    written: Callable[..., Path], content: str, keys: list[str]
) -> None:
    assert in_file(written(content)) == tuple(map(key_id, keys))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "it is empty"),
        ("\n \r\n\n", "it is empty"),
        ("\ufeff", "it is empty"),
        (SHORT, "the key has 31 characters, too few"),
        (f"{KEY}\n{SHORT}\n", "line 2 of "),
        (f"{KEY}\n\n{KEY}\n", "line 3 of "),
        (f"{KEY}\n\n{KEY}\n", "the same key is given twice"),
        (f"{KEY}\0", "cannot be seen"),
        (KEY.encode() + b"\xff", "is not UTF-8 text"),
        (KEY.encode("utf-16"), "is not UTF-8 text"),
        (f"{KEY}\n".ljust(64 * 1024 + 1, "\n"), "over 64 KiB"),
    ],
)
def test_what_a_file_cannot_hold(
    written: Callable[..., Path], content: str | bytes, says: str
) -> None:
    path = written(content)
    with pytest.raises(MasterKeyRefusedError) as raised:
        in_file(path)
    assert says in str(raised.value)
    assert str(path) in str(raised.value)
    assert_silent(raised.value, [SHORT, KEY])


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_for_its_owner_alone_is_read(written: Callable[..., Path], mode: int) -> None:
    assert in_file(written(KEY, mode)) == (key_id(KEY),)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o620, 0o602, 0o610, 0o601, 0o666])
def test_a_file_that_is_open_to_others_is_refused(written: Callable[..., Path], mode: int) -> None:
    path = written(KEY, mode)
    with pytest.raises(MasterKeyRefusedError) as raised:
        in_file(path)
    assert f"(mode {mode:04o})" in str(raised.value)
    assert f"chmod 600 {path}" in str(raised.value)


def test_a_file_of_another_user_is_refused(
    written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(KEY)
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(MasterKeyRefusedError, match="belongs to another user"):
        in_file(path)


def test_a_link_is_as_good_as_the_file_that_it_leads_to(
    written: Callable[..., Path], tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(written(KEY))
    assert in_file(link) == (key_id(KEY),)
    written(KEY, 0o644)
    with pytest.raises(MasterKeyRefusedError, match="open to others"):
        in_file(link)
    (tmp_path / "secret.key").unlink()
    with pytest.raises(MasterKeyMissingError, match="does not exist"):
        in_file(link)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(MasterKeyRefusedError, match="cannot be read"):
        in_file(loop)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path / "none" / "none"):
        with pytest.raises(MasterKeyMissingError) as raised:
            in_file(path)
        assert str(raised.value) == f"The key file {path} does not exist."


@pytest.mark.timeout(10)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    folder = tmp_path / "folder"
    folder.mkdir(0o700)
    for path in (pipe, folder, Path("/dev/null")):
        before = len(list(Path("/proc/self/fd").iterdir()))
        with pytest.raises(MasterKeyRefusedError) as raised:
            in_file(path)
        assert str(raised.value) == f"The key file {path} is no regular file."
        assert len(list(Path("/proc/self/fd").iterdir())) == before
    with pytest.raises(MasterKeyRefusedError, match="cannot be read: Not a directory"):
        in_file(pipe / "key")


def test_a_file_that_fails_while_it_is_read_is_refused(
    written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    path = written(KEY)
    monkeypatch.setattr(os, "fdopen", fail)
    with pytest.raises(MasterKeyRefusedError, match="cannot be read: Input/output error"):
        in_file(path)


@given(st.text() | st.text("ab\n, \ufeff\udcff\0", max_size=80))
def test_no_text_of_a_variable_breaks_the_reading(text: str) -> None:
    try:
        keys = in_variable(text)
    except MasterKeyError:
        return
    assert keys == tuple(key_id(part.strip()) for part in text.split(","))
    assert all(len(part.strip()) >= SHORTEST for part in text.split(","))


def test_the_first_source_that_is_there_wins(home: Path) -> None:
    """The order of the design: variable, file variable, systemd credential, key file."""
    environ = {"HOME": str(home)}

    def found() -> tuple[str, str]:
        source = load_settings(environ).key_source
        assert source is not None
        return source.name, load_master_keys(source)[0].key_id

    assert load_settings(environ).key_source is None
    own = load_settings(environ).key_file
    assert own == home / ".config" / "bifrost-tui" / "secret.key"
    keys = [generate_master_key() for _ in range(4)]
    write_key_file(own, keys[0])
    assert found() == ("key file", key_id(keys[0]))

    credentials = home / "credentials"
    environ["CREDENTIALS_DIRECTORY"] = str(credentials)
    assert found()[0] == "key file"
    write_key_file(credentials / CREDENTIAL, keys[1])
    assert found() == ("systemd credential", key_id(keys[1]))

    write_key_file(home / "named.key", keys[2])
    environ[KEY_FILE_VARIABLE] = str(home / "named.key")
    assert found() == (KEY_FILE_VARIABLE, key_id(keys[2]))

    environ[KEY_VARIABLE] = keys[3]
    assert found() == (KEY_VARIABLE, key_id(keys[3]))


@pytest.mark.parametrize("variable", [KEY_VARIABLE, KEY_FILE_VARIABLE])
def test_a_source_that_is_set_and_useless_is_not_passed_over(home: Path, variable: str) -> None:
    write_key_file(home / ".config" / "bifrost-tui" / "secret.key", KEY)
    source = load_settings({"HOME": str(home), variable: ""}).key_source
    assert source is not None
    assert source.name == variable
    with pytest.raises(MasterKeyRefusedError):
        load_master_keys(source)


def test_generated_keys_are_long_and_random() -> None:
    keys = {generate_master_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(key) for key in keys} == {43}
    assert all(in_variable(key) for key in keys)


def test_a_key_file_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret.key"
    mask = os.umask(0)
    try:
        write_key_file(path, KEY)
    finally:
        os.umask(mask)
    assert path.read_text() == KEY + "\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert in_file(path) == (key_id(KEY),)


def test_a_key_file_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    write_key_file(path, KEY)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    for taken in (path, link):
        with pytest.raises(MasterKeyRefusedError, match=r"exists\. Nothing was written") as raised:
            write_key_file(taken, OTHER_KEY)
        assert_silent(raised.value, [OTHER_KEY])
    assert path.read_text() == KEY + "\n"
    assert not (tmp_path / "nowhere").exists()


def test_a_key_file_beneath_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MasterKeyRefusedError, match="cannot be written: File exists"):
        write_key_file(tmp_path / "file" / "secret.key", KEY)


def test_a_key_file_that_could_not_be_written_whole_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MasterKeyRefusedError, match="No space left") as raised:
        write_key_file(tmp_path / "secret.key", KEY)
    assert_silent(raised.value, [KEY])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("mode", "fits"), [(0o400, True), (0o440, True), (0o444, False), (0o460, False)]
)
def test_a_systemd_credential_may_carry_the_group_bits_of_its_access_list(
    tmp_path: Path, mode: int, fits: bool
) -> None:
    path = tmp_path / "bifrost_secret_key"
    path.write_text("k" * 40)
    path.chmod(mode)
    source = KeySource(FROM_SYSTEMD, path=path)
    if fits:
        assert len(load_master_keys(source)) == 1
    else:
        with pytest.raises(MasterKeyRefusedError, match="open to others"):
            load_master_keys(source)
