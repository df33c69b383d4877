"""The repository: the one door to the database for screens, commands and the SDK.

Every call takes the actor's access and checks it. No call returns a secret's value or its token.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Self, cast

from sqlalchemy import func, select

from bifrost_tui.clock import Clock
from bifrost_tui.store.config_changes import ConfigChanges
from bifrost_tui.store.context import StoreContext
from bifrost_tui.store.everywhere import Everywhere
from bifrost_tui.store.live import INTERVAL, SqliteWatch, Watch
from bifrost_tui.store.organizations import Organizations
from bifrost_tui.store.presence import Presence
from bifrost_tui.store.removal import Members
from bifrost_tui.store.schema import key_check

if TYPE_CHECKING:
    from bifrost_tui.store.audit_lists import AuditLog
    from bifrost_tui.store.backup import Backups
    from bifrost_tui.store.exporting import Exports
    from bifrost_tui.store.importing import Imports
    from bifrost_tui.store.rekeying import MasterKeys

_ANYTHING = select(func.count()).select_from(key_check)


class Repository:
    """Organizations, configs, members and the audit log of one open database."""

    def __init__(self, context: StoreContext, *, notices: tuple[str, ...] = ()) -> None:
        self._context = context
        self.organizations = Organizations(context)
        self.configs = ConfigChanges(context)
        self.everywhere = Everywhere(context)
        self.members = Members(context)
        self.presence = Presence(context)
        self._watches: list[Watch] = []
        self.notices = notices
        """What opening the database did that its users should know (a migration, a backup)."""

    @cached_property
    def log(self) -> AuditLog:
        """The audit log; imported when somebody looks at it."""
        from bifrost_tui.store.audit_lists import AuditLog

        return AuditLog(self._context)

    @cached_property
    def imports(self) -> Imports:
        """What files bring in; imported when somebody brings one."""
        from bifrost_tui.store.importing import Imports

        return Imports(self._context)

    @cached_property
    def exports(self) -> Exports:
        """What leaves in files; imported when somebody asks for one."""
        from bifrost_tui.store.exporting import Exports

        return Exports(self._context)

    @cached_property
    def backups(self) -> Backups:
        """Copies of the whole database; imported when somebody makes one."""
        from bifrost_tui.store.backup import Backups

        return Backups(self._context)

    @cached_property
    def master_keys(self) -> MasterKeys:
        """The master keys, and the change of them; imported when somebody asks for it."""
        from bifrost_tui.store.rekeying import MasterKeys

        return MasterKeys(self._context)

    @property
    def clock(self) -> Clock:
        """The clock that ages are counted by."""
        return self._context.clock

    @property
    def key_id(self) -> str:
        """The id of the master key that writes."""
        return self._context.keyring.newest.key_id

    @property
    def database_name(self) -> str:
        """The database as people may read it: without a password."""
        return self._context.database.shown

    def check(self) -> None:
        """Make sure that the database can be used, as every call does anyway.

        Raises:
            DatabaseError: it cannot, and this is why.

        """
        self._context.database.read(lambda _connection: None)

    def is_waiting(self, seconds: float) -> bool:
        """Tell whether a change has waited for as long, for others to let go of the database."""
        return self._context.database.is_waiting(seconds)

    def warm_up(self) -> None:
        """Import what the first change needs, so that it does not wait for it."""
        import bifrost_tui.store.tables  # noqa: F401

    def reach(self) -> None:
        """Read next to nothing, to see whether the database can be read.

        Raises:
            DatabaseError: it cannot, and this is why.

        """
        self._context.database.read(lambda connection: connection.scalar(_ANYTHING))

    def watch(self, interval: float = INTERVAL) -> Watch:
        """Watch for changes, from now on; it ends when it or the repository is closed.

        ``interval`` is how often an engine is looked at that does not tell by itself.
        """
        database = self._context.database
        watch: Watch
        if database.dialect == "postgresql":
            from bifrost_tui.store.listening import PostgresWatch
            from bifrost_tui.store.postgres import PostgresDatabase

            watch = PostgresWatch(cast("PostgresDatabase", database))
        else:
            watch = SqliteWatch(database, interval)
        self._watches.append(watch)
        return watch

    def close(self) -> None:
        """Close every connection."""
        for watch in self._watches:
            watch.close()
        self._context.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
