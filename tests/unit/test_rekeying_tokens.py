"""Tokens from under one key to under another, beside the cipher that they come from and go to."""

from __future__ import annotations

import json
import marshal
import os
import signal
import subprocess
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from hypothesis import given
from hypothesis import strategies as st

from bifrost_tui.crypto import rekeying, rekeying_worker
from bifrost_tui.crypto.cipher import Keyring, SealContext, Sealed, unseal
from bifrost_tui.crypto.derivation import derive, extracted, row_context
from bifrost_tui.crypto.master_key import MasterKey
from bifrost_tui.crypto.rekeying import Job, Rekeyer, _expander
from bifrost_tui.crypto.rekeying_worker import Worker, WorkerLostError
from bifrost_tui.errors import MasterKeyError
from tests.support import KEY, NEW_KEY, OTHER_KEY, assert_silent, forms, planted

pytestmark = pytest.mark.both_engines

INVALID = json.loads(
    Path(__file__).parent.with_name("data").joinpath("fernet_invalid.json").read_text()
)
OLD, NEW, OTHER = (MasterKey(key.encode()) for key in (KEY, NEW_KEY, OTHER_KEY))
RING = Keyring([NEW, OLD])
REKEYER = Rekeyer.of(RING, "secret")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def job(value: bytes, hint: bytes | None = None, key: MasterKey = OLD, version: int = 1) -> Job:
    ring, place = Keyring([key]), ("scope", "row")
    token = ring.seal(value, SealContext(*place, "secret", version)).token
    mask = None
    if hint is not None:
        mask = ring.seal(hint, SealContext(*place, "hint", version)).token
    return (*place, version, key.key_id, token, mask)


def opened(token: str, field: str = "secret", version: int = 1) -> bytes | None:
    sealed = Sealed(token, NEW.key_id)
    return unseal(Keyring([NEW]), sealed, SealContext("scope", "row", field, version))


@given(st.binary(min_size=32, max_size=80), st.lists(texts, min_size=4, max_size=4))
def test_keys_are_derived_as_everywhere_else(secret: bytes, context: list[str]) -> None:
    expand = _expander(extracted(secret))
    assert expand(row_context(*context)) == derive(secret, "row", *context)


def test_a_library_that_keeps_the_first_key_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing says that a cipher's key may be set; where it may not, no token leaves."""

    class Keeping(Cipher[Any]):
        def __init__(self, algorithm: Any, mode: Any) -> None:
            super().__init__(algorithm, mode)
            self._kept = Cipher(algorithm.__class__(algorithm.key), mode)

        def encryptor(self) -> Any:
            return self._kept.encryptor()

    monkeypatch.setattr(rekeying, "Cipher", Keeping)
    value = planted()[0]
    with pytest.raises(MasterKeyError, match=r"requirements\.lock") as raised:
        REKEYER.run([job(value.encode())])
    assert_silent(raised.value, [value])


@given(st.binary(max_size=200), st.none() | st.binary(min_size=1, max_size=20), st.integers(1, 99))
def test_a_value_opens_under_the_new_key_in_its_place(
    value: bytes, hint: bytes | None, version: int
) -> None:
    [done] = REKEYER.run([job(value, hint, version=version)])
    assert done is not None
    assert opened(done[0], version=version) == value
    assert opened(done[0], version=version + 1) is None
    if hint is None:
        assert done[1] is None
    else:
        assert done[1] is not None
        assert opened(done[1], "hint", version) == hint


def test_the_time_in_a_token_stays_and_its_noise_does_not() -> None:
    before = job(b"zQ7-value")
    one, other = REKEYER.run([before, before])
    assert one is not None
    assert other is not None
    assert one[0] != other[0]
    heads = {urlsafe_b64decode(token)[:9] for token in (before[4], one[0], other[0])}
    assert len(heads) == 1
    assert len(one[0]) == len(before[4])


@given(st.data())
def test_what_does_not_open_is_nothing(data: st.DataObject) -> None:
    scope, row, version, key_id, token, hint = job(b"zQ7-nobody-else-writes-this", b"zQ7-")
    kind = data.draw(
        st.sampled_from(["flip", "cut", "other", "place", "key", "spelling", "blank", "odd"])
    )
    at = data.draw(st.integers(0, len(token) - 1))
    broken: Any = {
        "flip": token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :],
        "cut": token[:at],
        "other": job(b"zQ7-", key=OTHER)[4],
        "spelling": token.replace("-", "+").replace("_", "/") + "\n",
        "blank": token[:at] + " " + token[at:],
        "odd": data.draw(st.sampled_from(["", "é", b"gAAAA", 5, None, "gAAAAA=="])),
    }.get(kind, token)
    if kind == "place":
        row = "other"
    if kind == "key":
        key_id = OTHER.key_id
    given_job: Any = (scope, row, version, key_id, broken, hint)
    good = job(b"good")
    assert unseal(RING, Sealed(str(broken), key_id), SealContext(scope, row, "secret", 1)) is None
    nothing, done = REKEYER.run([given_job, good])
    assert nothing is None
    assert done is not None
    assert opened(done[0]) == b"good"


def test_tokens_of_the_specification_that_are_none_are_none() -> None:
    for invalid in INVALID:
        [done] = REKEYER.run([("scope", "row", 1, OLD.key_id, invalid["token"], None)])
        assert done is None


def test_padding_that_is_none_is_refused() -> None:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES128
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    from bifrost_tui.crypto.rekeying import _mac

    key = OLD.derive("row", "scope", "row", "secret", "1")
    for end in (b"\0", b"\x11", b"\x02"):
        cipher = Cipher(AES128(key[16:]), CBC(bytes(16))).encryptor()
        head = b"\x80" + bytes(24) + cipher.update(b"x" * 15 + end)
        token = urlsafe_b64encode(head + _mac(key, head)).decode()
        assert REKEYER.run([("scope", "row", 1, OLD.key_id, token, None)]) == [None]


def test_a_hint_that_does_not_open_is_emptied_and_the_value_is_kept() -> None:
    whole = job(b"zQ7-value-of-it", b"zQ7-")
    for hint in ("", "damaged", whole[4]):
        [done] = REKEYER.run([(*whole[:5], hint)])
        assert done is not None
        assert (opened(done[0]), done[1]) == (b"zQ7-value-of-it", "")


def test_it_shows_nothing_of_keys() -> None:
    assert repr(REKEYER) == f"<Rekeyer {NEW.key_id}, {OLD.key_id}>"


# In another process


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker(REKEYER)
    try:
        yield made
    finally:
        made.close()
    assert made._process.returncode is not None


def looked_into(pid: int) -> bytes:
    """Return what the system tells of a process: its command line and its environment."""
    folder = Path("/proc") / str(pid)
    found = (folder / "cmdline").read_bytes()
    try:
        return found + (folder / "environ").read_bytes()
    except PermissionError:
        return found


def test_a_worker_does_the_same(worker: Worker) -> None:
    for count in (1, 300):
        jobs = [job(f"value {number}".encode() * 9, b"hint") for number in range(count)]
        jobs[0] = (*jobs[0][:4], "damaged", None)
        worker.give(jobs)
        first, *done = worker.take()
        assert first is None
        values = [found and opened(found[0]) for found in done]
        assert values == [f"value {number}".encode() * 9 for number in range(1, count)]


def test_nothing_of_keys_and_tokens_is_told_of_a_worker(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [job(value.encode()) for value in planted()]
    worker.give(jobs)
    assert len(worker.take()) == len(jobs)
    told = looked_into(worker._process.pid) + repr(worker).encode()
    wanted = [*forms(KEY).values(), *forms(NEW_KEY).values(), *(each[4].encode() for each in jobs)]
    wanted += list(REKEYER.parts()[0].values())
    for value in planted():
        wanted += forms(value).values()
    for data in wanted:
        assert data not in told
    limits = (Path("/proc") / str(worker._process.pid) / "limits").read_text()
    [core] = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert core.split()[4] == "0"


def test_a_worker_that_is_killed_is_lost_and_no_zombie(worker: Worker) -> None:
    worker.give([job(b"value")])
    worker.take()
    worker._process.kill()
    worker._process.wait()
    with pytest.raises(WorkerLostError):
        worker.give([job(b"value" * 300_000)])
    with pytest.raises(WorkerLostError):
        worker.take()
    worker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(worker._process.pid, 0)


def test_a_worker_that_does_not_listen_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rekeying_worker, "_GRACE", 0.05)
    made = Worker(REKEYER)
    os.kill(made._process.pid, signal.SIGSTOP)
    made.close()
    assert made._process.returncode == -signal.SIGKILL


def used_once() -> None:
    made = Worker(REKEYER)
    try:
        made.give([job(b"value")])
        made.take()
    finally:
        made.close()


def test_a_program_that_is_none_is_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    for executable in ("/nonexistent", "", None, "/bin/false"):
        monkeypatch.setattr(sys, "executable", executable)
        with pytest.raises(WorkerLostError):
            used_once()


def test_a_worker_ends_with_who_started_it() -> None:
    code = (
        "import os, sys, time\n"
        "from bifrost_tui.crypto.rekeying_worker import Worker\n"
        "from tests.unit.test_rekeying_tokens import REKEYER, job\n"
        "made = Worker(REKEYER)\n"
        "made.give([job(b'value')])\n"
        "made.take()\n"
        "print(made._process.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        # Readable for as long as there is the process.
        handle = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
        parent.kill()
    if handle is not None:
        import select

        try:
            assert select.select([handle], [], [], 30)[0]
        finally:
            os.close(handle)


def test_half_a_message_is_none(tmp_path: Path) -> None:
    data = marshal.dumps([1])
    for text in (b"", b"\0\0", b"\0\0\0\0", len(data).to_bytes(4, "big") + data[:-1]):
        file = tmp_path / "message"
        file.write_bytes(text)
        with file.open("rb") as pipe:
            assert rekeying_worker._read(pipe) is None
