"""Every error that users see, in one tree.

A message says what happened, to which scope and key, and what to do; never a value.

    BifrostError
    ├── SettingsError                a variable or a settings file that cannot be used
    ├── TerminalError                no terminal that the screens can be drawn on
    ├── MasterKeyError
    │   ├── MasterKeyMissingError    no source holds a master key
    │   ├── MasterKeyRefusedError    empty, too short, or open to others
    │   └── WrongMasterKeyError      it does not fit the database
    ├── DatabaseError
    │   ├── DatabaseMissingError     nothing there yet: set it up
    │   ├── DatabaseNotOursError     another program's database
    │   ├── DatabaseNewerError       written by a newer Bifrost TUI
    │   ├── DatabaseCorruptError     damaged, or no database at all
    │   ├── DatabaseBusyError        another process holds it
    │   ├── DatabaseReadOnlyError    it cannot be written
    │   ├── DatabaseFullError        no room on the disk
    │   ├── DatabaseUnreachableError its server, or the disk of its file, is away
    │   │   └── DatabaseUncertainError  it went while a change was being saved
    │   └── DatabaseInterruptedError a read was cancelled by a newer one
    ├── AccessDeniedError            also a PermissionError
    ├── NotFoundError
    │   ├── OrganizationNotFoundError
    │   ├── ConfigNotFoundError      also a KeyError
    │   └── MemberNotFoundError
    ├── AlreadyExistsError
    ├── InvalidInputError            a field with what is wrong with it
    ├── ConflictError                another operator's change came between
    ├── TransferError                a file that cannot be imported or exported as it stands
    │   └── WrongPassphraseError     the passphrase does not open it
    ├── SecretUnreadableError        a secret that no key at hand opens
    ├── SecretNeedsValueError        a secret that has no value yet
    ├── CommandError                 a command that cannot be run
    │   └── HandoverError            it did not take a new value; nothing was saved
    ├── UnsavedHandoverError         it took a new value that could not be saved
    └── WorkflowError                a workflow that cannot be run as it stands
        └── ParameterError           its parameters do not fit
"""

from __future__ import annotations

from datetime import datetime


class BifrostError(Exception):
    """The base of every error that is meant to be read by a user."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class SettingsError(BifrostError):
    """A variable or a settings file cannot be used as it stands."""


class TerminalError(BifrostError):
    """There is no terminal that the screens can be drawn on."""


class MasterKeyError(BifrostError):
    """The base of what can be wrong with the master key."""


class MasterKeyMissingError(MasterKeyError):
    """No source holds a master key."""


class MasterKeyRefusedError(MasterKeyError):
    """A master key was found and cannot be accepted."""


class WrongMasterKeyError(MasterKeyError):
    """The master key does not fit the database."""


class DatabaseError(BifrostError):
    """The base of what can be wrong with the database."""


class DatabaseMissingError(DatabaseError):
    """There is no database yet."""


class DatabaseNotOursError(DatabaseError):
    """The database belongs to another program."""


class DatabaseNewerError(DatabaseError):
    """A newer Bifrost TUI wrote the database."""


class DatabaseCorruptError(DatabaseError):
    """The file is damaged, or is no database."""


class DatabaseBusyError(DatabaseError):
    """Another process holds the database for longer than we wait."""


class DatabaseReadOnlyError(DatabaseError):
    """The database cannot be written."""


class DatabaseFullError(DatabaseError):
    """There is no room left for the change."""


class DatabaseUnreachableError(DatabaseError):
    """The server, or the disk of the file, cannot be reached, or let go of what was open."""


class DatabaseUncertainError(DatabaseUnreachableError):
    """The connection was lost while a change was being saved: whether it was, is not known."""


class DatabaseInterruptedError(DatabaseError):
    """A read was cancelled because its answer is no longer wanted."""


class AccessDeniedError(BifrostError, PermissionError):
    """The actor may not do this."""


class NotFoundError(BifrostError):
    """The base of what does not exist, or does not exist for this actor."""


class OrganizationNotFoundError(NotFoundError):
    """No organization of that name, or none for this actor: the two read the same.

    ``refused`` says that the actor sees some organizations only, so that this counts as an attempt.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class ConfigNotFoundError(NotFoundError, KeyError):
    """No config of that key in that scope."""


class MemberNotFoundError(NotFoundError):
    """No membership of that actor in that scope."""


class AlreadyExistsError(BifrostError):
    """A name or a key is taken.

    ``field`` is the form field that has to change.
    """

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class InvalidInputError(BifrostError):
    """What was given breaks a rule.

    ``field`` is the form field at fault; ``line`` and ``column`` count from 1 and are set where
    a place in the text can be named.
    """

    def __init__(
        self, message: str, *, field: str, line: int | None = None, column: int | None = None
    ) -> None:
        super().__init__(message)
        self.field = field
        self.line = line
        self.column = column


class ReferencedError(InvalidInputError):
    """References stand for a secret, and the change has to say what becomes of them.

    ``references`` names them.
    """

    def __init__(self, message: str, *, field: str, references: str) -> None:
        super().__init__(message, field=field)
        self.references = references


class ConflictError(BifrostError):
    """Another operator's change was saved between reading and saving.

    ``by`` and ``at`` name that change; ``deleted`` says that the config is gone.
    """

    def __init__(self, message: str, *, by: str, at: datetime | None, deleted: bool) -> None:
        super().__init__(message)
        self.by = by
        self.at = at
        self.deleted = deleted


class TransferError(BifrostError):
    """A file cannot be imported or exported as it stands; nothing was changed.

    ``problems`` are all that was found, a sentence each; the message says the first of them.
    """

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class WrongPassphraseError(TransferError):
    """A file is encrypted under another passphrase."""


class DanglingReferenceError(BifrostError):
    """A reference stands for a secret that is not there, or that is no secret."""


class SecretUnreadableError(BifrostError):
    """A secret is there and no master key at hand opens it."""


class SecretNeedsValueError(BifrostError):
    """A secret is there and has no value yet."""


class CommandError(BifrostError):
    """A command cannot be run, or not given what it is to be given."""


class HandoverError(CommandError):
    """A command was to take a new value of a secret and failed; nothing was saved.

    ``code`` is its exit code, or minus the signal that ended it; ``None`` where it was stopped, or
    never ran.
    """

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class UnsavedHandoverError(BifrostError):
    """A command has taken a new value of a secret, and the value could not be saved."""


class WorkflowError(BifrostError):
    """A workflow cannot be run as it stands, or what it returned cannot be kept."""


class ParameterError(WorkflowError):
    """The parameters given do not fit those that the workflow takes."""
