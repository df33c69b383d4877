"""Values that nobody enters: random characters of an alphabet, enough of them to be unguessable."""

from __future__ import annotations

from string import ascii_letters, digits

from bifrost_tui.errors import InvalidInputError
from bifrost_tui.store.entered import EnteredSecret

SHORTEST = 8
LONGEST = 1024
USUAL_LENGTH = 32

FEWEST_BITS = 64
"""As many yes-or-no guesses a value has to take at least."""

_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
ALPHABETS = {
    "alphanumeric": ascii_letters + digits,
    "hex": digits + "abcdef",
    "url-safe": ascii_letters + digits + "-_",
    "printable": _PRINTABLE,
}
"""The alphabets that have a name; printable is all of ASCII that can be seen."""
USUAL_ALPHABET = "alphanumeric"


def generated(length: int = USUAL_LENGTH, alphabet: str = USUAL_ALPHABET) -> EnteredSecret:
    """Make a random value.

    ``alphabet`` is a name of :data:`ALPHABETS`, or the characters themselves.

    Raises:
        InvalidInputError: it would be too short, too long or too easy to guess, or the characters
            cannot be used; the field is ``length`` or ``alphabet``.

    """
    characters = checked_alphabet(alphabet)
    if not SHORTEST <= length <= LONGEST:
        raise InvalidInputError(
            f"A generated value has {SHORTEST} to {LONGEST} characters.", field="length"
        )
    needed = fewest(len(characters))
    if length < needed:
        raise InvalidInputError(
            f"{length} characters out of {len(characters)} could be guessed. Of this alphabet it"
            f" takes {needed} or more.",
            field="length",
        )
    import secrets

    return EnteredSecret("".join(secrets.choice(characters) for _ in range(length)))


def checked_alphabet(alphabet: str) -> str:
    """Return the characters that an alphabet has, each once.

    Raises:
        InvalidInputError: they cannot be used, and this is why.

    """
    if (named := ALPHABETS.get(alphabet)) is not None:
        return named
    characters = "".join(sorted({*alphabet}))
    names = ", ".join(ALPHABETS)
    if any(character not in _PRINTABLE for character in characters):
        raise InvalidInputError(
            "An alphabet has letters, digits and signs of ASCII, and no blank. Give such"
            f" characters, or one of: {names}.",
            field="alphabet",
        )
    if len(characters) < 2:
        raise InvalidInputError(
            f"An alphabet has two different characters or more. Give them, or one of: {names}.",
            field="alphabet",
        )
    return characters


def fewest(size: int) -> int:
    """Return how many characters it takes at least, of an alphabet of ``size``."""
    # In whole numbers: logarithms are rounded.
    needed = 1
    while size**needed < 1 << FEWEST_BITS:
        needed += 1
    return max(needed, SHORTEST)
