"""Age files: written here and opened by the library, and the other way round; and hostile ones."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator

import pyrage
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from bifrost_tui.crypto import age_reading
from bifrost_tui.crypto.age_reading import (
    CHUNK,
    HEAD,
    HIGHEST_WORK_FACTOR,
    LockedBy,
    age_file,
    is_age,
    new_identity,
    open_with_keys,
    open_with_passphrase,
    read_identities,
    read_recipients,
)
from bifrost_tui.crypto.age_writing import WORK_FACTOR, KeyLock, Lock, PassphraseLock
from bifrost_tui.errors import TransferError
from tests.support import assert_silent

PASSPHRASE = "pässphrase-zQ7-nobody-writes".encode()
TEXT = b"planted-zQ8-nobody-writes-this " * 3
QUICK = 4
"""A work factor for tests."""


def sealed(lock: Lock, chunks: Iterable[bytes]) -> bytes:
    found: list[bytes] = []
    lock.seal(chunks, found.append)
    return b"".join(found)


def quick(text: bytes = TEXT, passphrase: bytes = PASSPHRASE) -> bytes:
    return sealed(PassphraseLock(passphrase, work_factor=QUICK), [text])


def refused(data: bytes, passphrase: bytes = PASSPHRASE) -> TransferError:
    with pytest.raises(TransferError) as caught:
        open_with_passphrase(age_file(data), passphrase)
    assert_silent(caught.value, [PASSPHRASE.decode(), TEXT.decode()])
    return caught.value


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7])
def test_what_is_written_opens_whatever_its_size(size: int) -> None:
    text = random.Random(size).randbytes(size)
    parts = [text[:10], b"", text[10:CHUNK], text[CHUNK:]]
    data = sealed(PassphraseLock(PASSPHRASE, work_factor=QUICK), parts)
    assert pyrage.passphrase.decrypt(data, PASSPHRASE.decode()) == text
    assert age_file(data).locked_by is LockedBy.PASSPHRASE
    assert open_with_passphrase(age_file(data), PASSPHRASE) == text
    secret, public = new_identity()
    data = sealed(KeyLock(read_recipients([public])), parts)
    assert age_file(data).locked_by is LockedBy.KEYS
    assert open_with_keys(age_file(data), read_identities(secret.encode())) == text


@settings(deadline=None, max_examples=50)
@given(st.lists(st.binary(max_size=200)), st.text(st.characters(codec="utf-8"), min_size=1))
def test_any_text_under_any_passphrase(parts: list[bytes], passphrase: str) -> None:
    data = sealed(PassphraseLock(passphrase.encode(), work_factor=1), parts)
    assert open_with_passphrase(age_file(data), passphrase.encode()) == b"".join(parts)


def test_the_cost_of_a_guess_is_the_same_on_every_machine() -> None:
    assert WORK_FACTOR == 18 < HIGHEST_WORK_FACTOR
    data = sealed(PassphraseLock(PASSPHRASE), [TEXT])
    assert re.match(rb"age-encryption\.org/v1\n-> scrypt \S{22} 18\n\S{43}\n--- \S{43}\n", data)
    assert open_with_passphrase(age_file(data), PASSPHRASE) == TEXT


def test_a_lock_is_used_once() -> None:
    lock = PassphraseLock(PASSPHRASE, work_factor=QUICK)
    sealed(lock, [TEXT])
    with pytest.raises(ValueError, match="used once"):
        sealed(lock, [TEXT])
    assert repr(lock) == "<PassphraseLock>"


def test_nothing_of_two_files_is_the_same() -> None:
    one, other = quick(), quick()
    assert one.splitlines()[1:] != other.splitlines()[1:]
    assert one[-100:] != other[-100:]


def test_another_passphrase_is_told_from_damage() -> None:
    assert "passphrase does not open" in refused(quick(), b"another passphrase").message
    assert "damaged" in refused(quick()[:-1]).message


def test_no_place_of_a_file_can_be_changed() -> None:
    data = quick()
    for at in range(len(data)):
        refused(data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :])
    secret, public = new_identity()
    data = sealed(KeyLock(read_recipients([public])), [TEXT])
    identities = read_identities(secret.encode())
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(TransferError):
            open_with_keys(age_file(changed), identities)


def test_no_file_is_cut_short_anywhere() -> None:
    data = quick(b"x" * (2 * CHUNK))
    head = data.index(b"\n---") + 100
    for end in (*range(head), *range(head, len(data), 9973), len(data) - 1):
        refused(data[:end])
    refused(data + b"x")


def test_chunks_cannot_be_left_out_or_change_places() -> None:
    data = quick(b"x" * (3 * CHUNK))
    begin = len(data) - 3 * (CHUNK + 16)
    first, second, last = (data[begin + at * (CHUNK + 16) :][: CHUNK + 16] for at in range(3))
    assert open_with_passphrase(age_file(data[:begin] + first + second + last), PASSPHRASE)
    for order in ([first, second], [second, first, last], [first, last], [last]):
        refused(data[:begin] + b"".join(order))


@pytest.mark.parametrize("factor", ["21", "22", "30", "63", "64", "99"])
def test_a_file_cannot_choose_how_long_a_guess_takes(
    factor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyrage.passphrase, "decrypt", None)
    data = quick().replace(b" %d\n" % QUICK, b" %b\n" % factor.encode(), 1)
    assert "rounds of scrypt" in refused(data).message


@pytest.mark.parametrize("factor", ["0", "-1", "018", "1e9", "100", "", "18 18", "x"])
def test_a_work_factor_is_a_number(factor: str) -> None:
    assert (
        "damaged"
        in refused(quick().replace(b" %d\n" % QUICK, b" %b\n" % factor.encode(), 1)).message
    )


def test_a_head_cannot_choose_how_many_keys_are_tried() -> None:
    stanza = b"-> X25519 " + b"A" * 43 + b"\n" + b"A" * 43 + b"\n"
    data = HEAD + stanza * 10_000 + b"--- " + b"A" * 43 + b"\n" + b"x" * 100
    with pytest.raises(TransferError, match="damaged"):
        age_file(data)


def test_a_passphrase_stands_alone() -> None:
    _, public = new_identity()
    other = sealed(KeyLock(read_recipients([public])), [TEXT])
    stanza = other[len(HEAD) : other.index(b"---")]
    data = quick()
    with pytest.raises(TransferError, match="damaged"):
        age_file(HEAD + stanza + data[len(HEAD) :])


def test_armored_files_open_too() -> None:
    data = pyrage.passphrase.encrypt(TEXT, PASSPHRASE.decode(), armored=True)
    assert is_age(data)
    assert is_age(b"\r\n" + data)
    factor = int(age_file(data).data.split(b"\n")[1].split()[-1])
    if factor <= HIGHEST_WORK_FACTOR:
        assert open_with_passphrase(age_file(data.replace(b"\n", b"\r\n")), PASSPHRASE) == TEXT
    lines = data.splitlines(keepends=True)
    for wrong in (lines[:-1], lines[:1], [lines[0], b"!!!!\n", *lines[2:]], [lines[0], lines[-1]]):
        with pytest.raises(TransferError, match="damaged"):
            age_file(b"".join(wrong))


def test_a_busy_machine_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    real, times = pyrage.passphrase.decrypt, 0

    def decrypt(data: bytes, passphrase: str) -> bytes:
        nonlocal times
        times += 1
        if times < 5:
            raise pyrage.DecryptError("Excessive work parameter for passphrase.\nIt would take")
        return bytes(real(data, passphrase))

    monkeypatch.setattr(pyrage.passphrase, "decrypt", decrypt)
    assert open_with_passphrase(age_file(quick()), PASSPHRASE) == TEXT
    times = -1000
    assert "too busy" in refused(quick()).message


# Keys


LOCKED = b"""
-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABBRb2JfrR
fyMf3NErRp3WAjAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIGuM+/cfQMIltAAT
QiFbUOGiiansQ0oDOHBy2u2xha1gAAAAkJsfeAd3lXs0dxjuaTHGtIMoy2f9M9/t1C1KJ1
eh0WdR3sIBm+6bFFu2Njrkusfo+Z3YcpkDTJE5m0AYlLafcdKRLRkKZN/UiyldQs6j+1OW
NQPb6kMfVEnrlO9gOqpDKpkZJMXgRWkOqdA6azpgcsFREeTZFqTklIVqJJsbUWhQWajKr1
i8x2QbHJcGtKncCw==
-----END OPENSSH PRIVATE KEY-----
"""
"""An ed25519 key that was made for these tests, locked by ssh-keygen."""


def ssh_pair(kind: str) -> tuple[bytes, str]:
    key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    if kind == "ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
    elif kind == "rsa":
        key = rsa.generate_private_key(65537, 2048)
    else:
        key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private, public.decode()


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_keys_of_openssh_are_keys(kind: str) -> None:
    private, public = ssh_pair(kind)
    recipients = read_recipients([f"{public} carol@example.org"])
    assert recipients.names[0] in public
    data = sealed(KeyLock(recipients), [TEXT])
    assert open_with_keys(age_file(data), read_identities(private)) == TEXT


def test_any_one_of_several_keys_opens() -> None:
    pairs = [new_identity() for _ in range(3)]
    private, ssh = ssh_pair("ed25519")
    lines = ["# those of the night shift", "", *(public for _, public in pairs), ssh]
    data = sealed(KeyLock(read_recipients(lines)), [TEXT])
    for secret, _ in pairs:
        file = f"# created\n# public key: …\n{secret}\n".encode()
        assert open_with_keys(age_file(data), read_identities(file)) == TEXT
    assert open_with_keys(age_file(data), read_identities(private)) == TEXT
    both = "\n".join([new_identity()[0], pairs[1][0]]).encode()
    assert open_with_keys(age_file(data), read_identities(both)) == TEXT
    with pytest.raises(TransferError, match="other keys"):
        open_with_keys(age_file(data), read_identities(new_identity()[0].encode()))


def wrong_identities() -> Iterator[tuple[str, bytes, str]]:
    secret, public = new_identity()
    yield "nothing", b"", "is none"
    yield "public", public.encode(), "is none"
    yield "words", b"AGE-SECRET-KEY-1 or so", "is none"
    yield "check", secret[:-1].encode() + (b"Q" if secret[-1] != "Q" else b"P"), "Line 1"
    yield "second", f"{secret}\n{secret[:-3]}QQQ".encode(), "Line 2"
    yield "not utf-8", b"\xff\xfe" + secret.encode("utf-16-le"), "is none"
    yield "many", f"{secret}\n".encode() * 101, "is none"
    yield "locked", LOCKED, "locked with a passphrase"
    yield "ecdsa", ssh_pair("ecdsa")[0], "neither"
    private = ssh_pair("ed25519")[0]
    yield "cut", private[:-80], "damaged"
    yield "sealed", quick(), "encrypted itself"
    pem = rsa.generate_private_key(65537, 2048).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    yield "pem", pem, "another form"


@pytest.mark.parametrize("name", [name for name, *_ in wrong_identities()])
def test_what_is_no_identity_is_told_without_it(name: str) -> None:
    [(data, why)] = [(data, why) for each, data, why in wrong_identities() if each == name]
    with pytest.raises(TransferError, match=why) as caught:
        read_identities(data)
    for line in data.decode("latin-1").split():
        if len(line) > 20:
            assert_silent(caught.value, [line])


@pytest.mark.parametrize(
    "line",
    [
        "age1",
        "age1xyz",
        "ssh-ed25519 AAAA",
        "ssh-rsa",
        "ecdsa-sha2-nistp256 AAAA",
        "hello",
        "age1pq1xx",
        "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8q",
    ],
)
def test_what_is_no_recipient_is_refused(line: str) -> None:
    with pytest.raises(TransferError, match="Recipient 1 is no public key"):
        read_recipients([line])


def test_a_secret_key_is_no_recipient() -> None:
    secret, public = new_identity()
    with pytest.raises(TransferError, match="Recipient 2 is a secret key") as caught:
        read_recipients([public, secret])
    assert_silent(caught.value, [secret])
    with pytest.raises(TransferError, match="no recipient"):
        read_recipients(["# nobody", ""])
    with pytest.raises(TransferError, match="more than 100"):
        read_recipients([public] * 101)


def test_an_error_of_what_gives_the_text_comes_through_the_library() -> None:
    class OurError(Exception):
        pass

    def text() -> Iterator[bytes]:
        yield b"x" * 3 * CHUNK
        raise OurError("it is ours")

    def put(data: bytes) -> None:
        raise OurError("it is ours")

    _, public = new_identity()
    for lock in (KeyLock(read_recipients([public])), PassphraseLock(b"x", work_factor=1)):
        with pytest.raises(OurError, match="it is ours"):
            lock.seal(text(), lambda _: None)
    for lock in (KeyLock(read_recipients([public])), PassphraseLock(b"x", work_factor=1)):
        with pytest.raises(OurError, match="it is ours"):
            lock.seal([TEXT], put)


def test_what_holds_keys_shows_none() -> None:
    secret, public = new_identity()
    assert "AGE" not in repr(read_identities(secret.encode()))
    assert secret not in repr(KeyLock(read_recipients([public])))
    assert "object" not in repr(read_recipients([public]))
    assert repr(TEXT) not in repr(age_file(quick()))


def test_the_library_says_what_is_understood_of_it() -> None:
    """The words by which another passphrase is told from damage."""
    assert set(age_reading._NO_KEY_FITS) == {"Decryption failed", "No matching keys found"}
    with pytest.raises(pyrage.DecryptError, match=r"^Decryption failed$"):
        pyrage.passphrase.decrypt(quick(), "another")
    _, public = new_identity()
    data = sealed(KeyLock(read_recipients([public])), [TEXT])
    with pytest.raises(pyrage.DecryptError, match=r"^No matching keys found$"):
        pyrage.decrypt(data, [pyrage.x25519.Identity.generate()])
    costly = quick().replace(b" %d\n" % QUICK, b" 50\n", 1)
    with pytest.raises(pyrage.DecryptError, match=r"^Excessive work"):
        pyrage.passphrase.decrypt(costly, "another")
