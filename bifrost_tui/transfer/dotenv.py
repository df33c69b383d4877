"""Reading .env files: lines, quoting and escapes as python-dotenv has them, nothing expanded.

What python-dotenv takes the last of (a key given twice) or leaves out (a line that is none) is
refused here: a value that is silently another one is worse than none. No message repeats a line,
as a line that went wrong may be the rest of a private key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from io import StringIO

from dotenv.parser import Error, Reader, parse_binding

from bifrost_tui.display import counted, visible
from bifrost_tui.errors import InvalidInputError, TransferError
from bifrost_tui.store.entered import EnteredSecret
from bifrost_tui.store.incoming import IncomingConfig, IncomingScope, Untold
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import KEY_RULE, ConfigType, checked_key

LINES = 1_000_000
"""The most lines of a file: half a minute's work for the parser."""
BLANKS = 500
"""The most blanks in a row in a value without quotes: the parser's time grows with their square."""
PROBLEMS = 100
"""How many things are told of one file; then it is given up."""

_OTHERS = (".json", ".yaml", ".yml", ".age")
_STEP = 1000
_UNTOLD = frozenset(Untold)
_NAMES = tuple(
    (name, re.compile(translate(name)))
    for name in (
        *("*TOKEN*", "*SECRET*", "*PASSWORD*", "*PASSWD*", "*PASSPHRASE*", "*CREDENTIAL*"),
        *("*PRIVATE*", "*KEY", "*KEYS", "*KEY_*", "*_PWD", "*_PASS", "*_AUTH", "*_SALT"),
    )
)
_PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
_LOOKED_AT = 8192
"""How much of a value is looked at for signs of a secret."""
_HARMLESS = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_BEFORE = re.compile(r"\s*")
_BLANKS = re.compile(r"\s+")

# The parser's own expressions for quoted values take 130 bytes of memory a character; these find
# the same and take none. Unknown ones are used as they are.
_SAME = {
    r"'((?:\\.|[^'\\])*)'": re.compile(r"'((?:[^'\\]++|\\.)*+)'", re.DOTALL),
    r'"((?:\\.|[^"\\])*)"': re.compile(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL),
}
_UNQUOTED = r"([^\r\n]*)"


class _LongBlanksError(Exception):
    """A run of blanks on which the parser would spend its time."""


class _Reader(Reader):
    """python-dotenv's reader, in bounded memory and time."""

    def read_regex(self, regex: re.Pattern[str]) -> Sequence[str]:
        match = _SAME.get(regex.pattern, regex).match(self.string, self.position.chars)
        if match is None:
            raise Error
        # Line breaks are all of one kind here.
        self.position.line += self.string.count("\n", match.start(), match.end())
        self.position.chars = match.end()
        if regex.pattern == _UNQUOTED and len(match[1]) > BLANKS:
            runs = _BLANKS.finditer(match[1])
            if any(run.end() - run.start() > BLANKS for run in runs):
                raise _LongBlanksError
        return match.groups()


def is_dotenv_name(path: str) -> bool:
    """Tell whether a file is a .env file by its name: ``.env``, ``.env.local``, ``shop.env``."""
    name = path.rpartition("/")[2].lower()
    return name.endswith(".env") or (name.startswith(".env.") and not name.endswith(_OTHERS))


def read_dotenv(
    data: bytes,
    organization: str | None,
    *,
    secrets: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> list[IncomingScope]:
    """Return what a .env file holds, for one organization or (``None``) for global.

    A key becomes a secret where one of the patterns ``secrets`` fits it, regardless of case, and a
    string otherwise. A secret without a value is one that needs a value.

    Raises:
        TransferError: the file cannot be read as it stands, a pattern fits no key; all reasons.

    """
    text = _text(data)
    patterns = [(pattern, re.compile(translate(pattern.lower()))) for pattern in secrets]
    fitting: set[str] = set()
    lines: dict[str, list[int]] = {}
    configs: list[IncomingConfig] = []
    problems: list[str] = []
    for line, key, value, problem in _entries(text, progress):
        if value is None:
            problems.append(f"Line {line} {problem}.")
            if len(problems) >= PROBLEMS:
                raise _refused([*problems, "Nothing was read beyond that."])
            continue
        lines.setdefault(key, []).append(line)
        fits = [pattern for pattern, form in patterns if form.match(key.lower())]
        fitting.update(fits)
        configs.append(_config(key, value, line, is_secret=bool(fits)))
    problems += _given_twice(lines)
    # Told last: a line that went wrong may have been the key that was meant.
    problems = problems or [
        f"No key fits --secret {visible(pattern)}: what it is for would be readable."
        for pattern in secrets
        if pattern not in fitting
    ]
    if problems:
        raise _refused(problems)
    return [IncomingScope(organization, configs)]


def _entries(
    text: str, progress: Callable[[int, int], None] | None
) -> Iterator[tuple[int, str, str | None, str]]:
    """Yield line, key and value of each entry; without a value, what is wrong with the line."""
    reader = _Reader(StringIO(text))
    number = 0
    while reader.has_next():
        begun = reader.position.chars
        line = reader.position.line
        try:
            binding = parse_binding(reader)
        except _LongBlanksError:
            binding = None
        blank = _BEFORE.match(reader.string, begun)
        line += reader.string.count("\n", begun, blank.end()) if blank else 0
        number += 1
        if progress is not None and not number % _STEP:
            progress(reader.position.chars, len(reader.string))
        if binding is None:
            yield line, "", None, f"has more than {BLANKS} blanks in a row without quotes"
        elif binding.error:
            yield line, "", None, "is no KEY=value"
        elif binding.key is not None:
            yield line, binding.key, binding.value, "has a key and no ="


def _config(key: str, value: str, line: int, *, is_secret: bool) -> IncomingConfig:
    kind = ConfigType.SECRET if is_secret else ConfigType.STRING
    place = f"line {line}"
    shown, secret, problem = key, None, ""
    try:
        checked_key(key)
        if is_secret and value:
            secret = EnteredSecret(value)
    except InvalidInputError as error:
        problem = error.message
        if error.field == "key" and not _HARMLESS.fullmatch(key):
            # Not even the character at fault: the line may be the rest of a private key.
            shown, problem = f"({place})", f"What stands before the = is no key. {KEY_RULE}"
    plain = None if is_secret or problem else value
    draft = ConfigDraft(shown, kind, plain, secret)
    return IncomingConfig(draft, place, problem, _UNTOLD)


def _given_twice(lines: dict[str, list[int]]) -> list[str]:
    repeated = [(key, numbers) for key, numbers in lines.items() if len(numbers) > 1]
    told = [
        f"{key if _HARMLESS.fullmatch(key) else 'A key'} is given in the lines"
        f" {', '.join(map(str, numbers[:10]))}{' and more' * (len(numbers) > 10)}. Keep one."
        for key, numbers in repeated[:PROBLEMS]
    ]
    if len(repeated) > PROBLEMS:
        told.append(f"So are {counted(len(repeated) - PROBLEMS, 'other key')}.")
    return told


def _text(data: bytes) -> str:
    """Return the text of a file, its line breaks of one kind, as python-dotenv opens it."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise TransferError("This .env file is UTF-16. Save it as UTF-8.")
    wrong = -1
    text = ""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        wrong = error.start
    # Raised outside the handler: the decoder's error holds the file.
    if wrong >= 0:
        line = data.count(b"\n", 0, wrong) + 1
        raise TransferError(f"This .env file is not UTF-8 text: line {line}. Save it as UTF-8.")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.count("\n") > LINES:
        raise TransferError(f"This .env file has more than {LINES:,} lines.")
    return text


def _refused(problems: list[str]) -> TransferError:
    return TransferError(f"This .env file cannot be imported. {problems[0]}", tuple(problems))


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Which of the strings that were read look like secrets, by their names or their form."""

    keys: tuple[str, ...]
    patterns: tuple[str, ...]
    """What to give ``--secret`` to have all of them as secrets."""

    def __bool__(self) -> bool:
        return bool(self.keys)


def suspected(scopes: Sequence[IncomingScope]) -> Suspicion:
    """Return which strings look like secrets: imported like that, everybody there can read them."""
    keys: list[str] = []
    patterns: dict[str, None] = {}
    for draft in (config.draft for scope in scopes for config in scope.configs):
        if draft.type is not ConfigType.STRING or not draft.value:
            continue
        name = next((name for name, form in _NAMES if form.match(draft.key.upper())), None)
        if name is None and _looks_secret(draft.value[:_LOOKED_AT]):
            name = draft.key
        if name is not None:
            keys.append(draft.key)
            patterns[name] = None
    return Suspicion(tuple(keys), tuple(patterns))


def _looks_secret(value: str) -> bool:
    return "PRIVATE KEY" in value or _PASSWORD_IN_URL.search(value) is not None
