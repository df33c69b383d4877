"""Opening a database, and making one: the key fits, the schema is known, or nothing happens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, insert, select

from bifrost_tui.clock import Clock, utc_now
from bifrost_tui.crypto.cipher import Keyring, Sealed
from bifrost_tui.crypto.master_key import generate_master_key, load_master_keys, write_key_file
from bifrost_tui.crypto.verifier import RootSecret
from bifrost_tui.errors import (
    DatabaseError,
    DatabaseMissingError,
    DatabaseUncertainError,
    MasterKeyMissingError,
    WrongMasterKeyError,
)
from bifrost_tui.settings import KEY_FILE_VARIABLE, KEY_VARIABLE, KeySource, Settings
from bifrost_tui.store.access import EVERYWHERE, Role, require_host
from bifrost_tui.store.audit import AuditChain, Event
from bifrost_tui.store.context import StoreContext, new_id
from bifrost_tui.store.engine import Database, connect
from bifrost_tui.store.identity import (
    key_verifiers,
    open_roots,
    read_revision,
    schema_revision,
)
from bifrost_tui.store.part_files import beside
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.requests import Access
from bifrost_tui.store.schema import (
    GLOBAL,
    REVISION,
    key_check,
    member,
)
from bifrost_tui.store.sqlite import create_file, prepare_storage
from bifrost_tui.store.summaries import start_summary

MISSING_KEY = (
    f"There is no master key. Set {KEY_VARIABLE} or {KEY_FILE_VARIABLE}, or let the setup make"
    " a key file."
)


def open_repository(
    settings: Settings,
    access: Access,
    *,
    clock: Clock = utc_now,
    ids: Callable[[], str] = new_id,
) -> Repository:
    """Open the database of the settings with the master key of the settings.

    An older schema is migrated, after a backup copy; what was done stands in ``notices``.

    Raises:
        DatabaseMissingError, MasterKeyMissingError: it has to be set up first.
        MasterKeyError, DatabaseError: it cannot be opened, and this is why.

    """
    path = settings.database_path
    if path is not None and not _exists(path):
        if access.confined:
            raise DatabaseMissingError(
                "There is no database on this host yet. Whoever runs the host sets it up."
            )
        raise DatabaseMissingError(
            f"There is no database at {path} yet. Run `bifrost-tui` or `bifrost-tui setup` to make"
            " one."
        )
    if path is None and settings.key_source is None:
        # Where there is nothing yet, the setup makes both.
        schema_revision(settings)
    keyring = load_keyring(settings)
    database = connect(settings.database_url)
    try:
        return _open(database, keyring, settings, access, clock, ids)
    except BaseException:
        database.close()
        raise


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        problem = f"The database {path} cannot be reached: {error.strerror}."
    raise DatabaseError(problem)


def _open(
    database: Database,
    keyring: Keyring,
    settings: Settings,
    access: Access,
    clock: Clock,
    ids: Callable[[], str],
) -> Repository:
    revision = database.read(lambda connection: read_revision(connection, database))
    verifiers = database.read(key_verifiers)
    root = _fitting_root(keyring, verifiers, settings)
    chain = AuditChain(database, root.keys(), clock)
    notices: tuple[str, ...] = ()
    if revision != REVISION:
        from bifrost_tui.store.migrate import upgrade

        notices = upgrade(database, revision, chain, access, clock, keyring=keyring)
    database.revision = REVISION
    context = StoreContext(database, keyring, root.keys(), chain, clock, ids)
    if keyring.newest.key_id not in {verifier.key_id for verifier in verifiers}:
        _add_verifier(context, access, root)
    return Repository(context, notices=notices)


def load_keyring(settings: Settings) -> Keyring:
    """Read the master keys of the settings.

    Raises:
        MasterKeyMissingError: there is no source of keys.
        MasterKeyRefusedError: what is there cannot be accepted.

    """
    if settings.key_source is None:
        raise MasterKeyMissingError(MISSING_KEY)
    return Keyring(load_master_keys(settings.key_source))


def _fitting_root(keyring: Keyring, verifiers: list[Sealed], settings: Settings) -> RootSecret:
    for root in open_roots(keyring, verifiers):
        return root
    given = ", ".join(keyring.key_ids)
    wanted = ", ".join(verifier.key_id for verifier in verifiers) or "unknown"
    if set(keyring.key_ids) & {verifier.key_id for verifier in verifiers}:
        raise WrongMasterKeyError(
            f"The database's record of master key {wanted} is damaged: the key fits by its id but"
            " does not open it. Nothing was read or written; restore a backup."
        )
    raise WrongMasterKeyError(
        f"The master key does not fit the database: {settings.key_source} holds key {given}, the"
        f" database was written with key {wanted}. Nothing was read or written. Give the key that"
        " it was written with; to change keys, give both, the new one first: new,old."
    )


def _add_verifier(context: StoreContext, access: Access, root: RootSecret) -> None:
    context.database.write_rows(
        lambda connection: add_verifier(connection, context.chain, access, context.keyring, root)
    )


def add_verifier(
    connection: Connection, chain: AuditChain, access: Access, keyring: Keyring, root: RootSecret
) -> None:
    """Let the newest key open the database too, before it writes anything."""
    known = select(key_check.c.key_id).where(key_check.c.key_id == keyring.newest.key_id)
    if connection.execute(known).first():
        return
    sealed = root.seal(keyring)
    now = chain.append(connection, access, Event("key.add", details={"key_id": sealed.key_id}))
    connection.execute(
        insert(key_check).values(key_id=sealed.key_id, token=sealed.token, created_at=now)
    )


def create_repository(
    settings: Settings,
    access: Access,
    *,
    make_key: bool = False,
    clock: Clock = utc_now,
    ids: Callable[[], str] = new_id,
) -> Repository:
    """Make the database of the settings, with the actor as its owner, and open it.

    ``make_key`` makes a key file first, where no source holds a key. What fails leaves neither.

    Raises:
        MasterKeyError, DatabaseError: it could not be made, and this is why.

    """
    require_host(access, "A database is made")
    path = settings.database_path
    if path is not None and _exists(path):
        raise DatabaseError(f"The file {path} exists already. Nothing was changed.")
    made: list[Path] = []
    try:
        if settings.key_source is None and make_key:
            write_key_file(settings.key_file, generate_master_key())
            made.append(settings.key_file)
            keyring = Keyring(load_master_keys(KeySource("key file", path=settings.key_file)))
        else:
            keyring = load_keyring(settings)
        if path is not None:
            create_file(path)
            made += [path, *beside(path)]
        database = connect(settings.database_url)
        try:
            return _create(database, keyring, access, clock, ids)
        except BaseException:
            database.close()
            raise
    except DatabaseUncertainError:
        # It may have been made, and opens with this key alone.
        raise
    except BaseException:
        # The key too: nothing is encrypted under it, and it would stand in the way of a retry.
        for file in made:
            file.unlink(missing_ok=True)
        raise


def _create(
    database: Database,
    keyring: Keyring,
    access: Access,
    clock: Clock,
    ids: Callable[[], str],
) -> Repository:
    from bifrost_tui.store.migrate import run_migrations

    prepare_storage(database)
    root = RootSecret.new()
    sealed = root.seal(keyring)
    chain = AuditChain(database, root.keys(), clock)

    def work(connection: Connection) -> None:
        database.check_place(connection)
        run_migrations(connection)
        now = chain.append(
            connection,
            access,
            Event("database.create", details={"key_id": sealed.key_id, "schema": REVISION}),
        )
        connection.execute(
            insert(key_check).values(key_id=sealed.key_id, token=sealed.token, created_at=now)
        )
        start_summary(connection, GLOBAL)
        connection.execute(
            insert(member).values(
                id=ids(),
                organization_id=None,
                scope_id=EVERYWHERE,
                actor=access.actor,
                role=Role.OWNER.value,
                created_at=now,
                created_by=access.actor,
                updated_at=now,
                updated_by=access.actor,
                version=1,
            )
        )

    database.write_rows(work)
    database.revision = REVISION
    return Repository(StoreContext(database, keyring, root.keys(), chain, clock, ids))
