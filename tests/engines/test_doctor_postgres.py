"""The doctor on a PostgreSQL server: what it finds there, and what of it it mends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bifrost_tui.settings import load_settings
from bifrost_tui.store import postgres_checks
from bifrost_tui.store.engine import connect
from bifrost_tui.store.postgres import PostgresDatabase
from bifrost_tui.store.requests import ConfigDraft
from bifrost_tui.store.values import ConfigType
from tests.postgres import Server
from tests.support import ALICE, planted, secret
from tests.unit.cli_support import Cli, opened
from tests.unit.doctor_support import fixed, found, make_well
from tests.unit.test_cli_doctor_fix import COLUMNS, DAMAGES

WANTED, LOGGED = postgres_checks._WANTED, postgres_checks._LOGGED


@pytest.fixture
def role(postgres: Server) -> Iterator[str]:
    """A user of the server who is nobody special."""
    name = f"keeper_{os.getpid()}"
    with postgres.connect() as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'zQ7-of-the-keeper'".encode())
    yield name
    with postgres.connect() as connection:
        connection.execute(f"DROP ROLE {name}".encode())


@pytest.fixture
def database(postgres: Server, role: str) -> Iterator[str]:
    """A database that belongs to that user."""
    name = postgres.new_database()
    with postgres.connect() as connection:
        connection.execute(f"ALTER DATABASE {name} OWNER TO {role}".encode())
    yield name
    postgres.drop(name)


@pytest.fixture
def well(
    home: Path, monkeypatch: pytest.MonkeyPatch, postgres: Server, database: str, role: str
) -> Iterator[Cli]:
    """A user whose database is on a server, and nothing wrong; the server's speed is not it."""
    monkeypatch.setattr(postgres_checks, "_WANTED", {})
    monkeypatch.setattr(postgres_checks, "_LOGGED", {})
    monkeypatch.setenv("BIFROST_DATABASE_URL", postgres.url(database, role))
    cli = make_well(home, monkeypatch)
    with opened() as repository:
        acme = repository.organizations.find(ALICE, "Acme")
        other = repository.organizations.add(ALICE, "Globex")
        repository.configs.add(ALICE, other, secret("SAME", planted()[0], rotate_every_days=90))
        repository.configs.add(ALICE, acme, ConfigDraft("REF", ConfigType.SECRET_REF, value="KEY"))
    yield cli
    cli.search(cli("audit", "verify"))


def there(statement: str) -> list[tuple[Any, ...]]:
    """Run SQL past the program, as the user that the program connects as."""
    found = connect(load_settings().database_url)
    assert isinstance(found, PostgresDatabase)
    with closing(found.open()) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def kept() -> list[object]:
    return [
        there(f"SELECT {columns} FROM {table} ORDER BY 1") for table, columns in COLUMNS.items()
    ]


def fixes() -> int:
    told = there("SELECT count(*) FROM audit_event WHERE action = 'database.fix'")
    return int(told[0][0])


def test_nothing_is_found_where_all_is_well(well: Cli) -> None:
    assert well("doctor", "--json").json == []
    assert fixed(well) == []
    assert well("doctor").err.startswith("All is well")


@pytest.mark.parametrize("check", DAMAGES)
def test_what_follows_from_the_configs_is_put_right(well: Cli, check: str) -> None:
    before = kept()
    there(DAMAGES[check].replace("rowid", "'9'"))
    damaged = kept()
    assert damaged != before
    assert check in {finding["check"] for finding in well("doctor", "--json", code=3).json}
    assert kept() == damaged
    assert (check, True) in fixed(well)
    assert kept() == before
    assert fixes()
    assert fixed(well) == []


def test_settings_that_lose_what_was_saved(well: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    # The server of the tests is made to be fast.
    monkeypatch.setattr(postgres_checks, "_WANTED", WANTED)
    monkeypatch.setattr(postgres_checks, "_LOGGED", LOGGED)
    told = well("doctor", "--json", code=3).json
    assert [(each["level"], each["what"].split(":")[0]) for each in told[:4]] == [
        ("error", "The server has fsync off"),
        ("error", "The server has full_page_writes off"),
        ("warning", "The server has synchronous_commit off"),
        ("warning", "The server has autovacuum off"),
    ]
    assert "into its log (log_statement)" in told[-1]["what"]
    assert not any(each["fixable"] for each in told)


def test_lost_and_unfinished_indexes_are_made(well: Cli, postgres: Server, database: str) -> None:
    [(before,)] = there("SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_config_due_at'")
    there("DROP INDEX ix_config_due_at")
    with postgres.connect(database) as connection:
        connection.execute(
            "UPDATE pg_index SET indisvalid = FALSE"
            " WHERE indexrelid = 'uq_config_scope_id_key'::regclass"
        )
    told = [each["what"] for each in well("doctor", "--json", code=3).json]
    assert "1 index is not valid" in told[0]
    assert "lacks 1 index: ix_config_due_at" in told[1]
    assert fixed(well) == [("schema", True), ("schema", True)]
    after = there("SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_config_due_at'")
    assert after == [(before,)]
    assert there("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]
    assert fixes() == 2
    assert fixed(well) == []


def test_code_policies_and_rules_that_are_off(well: Cli, postgres: Server, database: str) -> None:
    there("CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    there("CREATE TRIGGER spy BEFORE UPDATE ON config FOR EACH ROW EXECUTE FUNCTION spy()")
    assert "trigger spy of config" in found(well)["schema"]["what"]
    assert fixed(well, code=3) == [("schema", False)]
    there("DROP TRIGGER spy ON config")
    there("CREATE RULE quiet AS ON DELETE TO audit_event DO INSTEAD NOTHING")
    assert "rule quiet of audit_event" in found(well)["schema"]["what"]
    there("DROP RULE quiet ON audit_event")
    there("ALTER TABLE member ENABLE ROW LEVEL SECURITY")
    assert "hides rows of member" in found(well)["schema"]["what"]
    there("ALTER TABLE member DISABLE ROW LEVEL SECURITY")
    with postgres.connect(database) as connection:
        connection.execute("ALTER TABLE config DISABLE TRIGGER ALL")
    assert "switched off" in found(well)["schema"]["what"]
    with postgres.connect(database) as connection:
        connection.execute("ALTER TABLE config ENABLE TRIGGER ALL")
    there("ALTER TABLE config ADD CONSTRAINT late CHECK (version > 0) NOT VALID")
    assert "never checked" in found(well)["schema"]["what"]
    there("ALTER TABLE config VALIDATE CONSTRAINT late")
    assert well("doctor", "--json").json == []


def test_rights(
    well: Cli, postgres: Server, database: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there("GRANT SELECT ON config TO PUBLIC")
    assert "past Bifrost TUI and its log: PUBLIC" in found(well)["engine"]["what"]
    there("REVOKE SELECT ON config FROM PUBLIC")
    with postgres.connect(database) as connection:
        connection.execute("ALTER TABLE config OWNER TO postgres")
        connection.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON config TO {role}".encode())
    (finding,) = well("doctor", "--json").json
    assert (finding["level"], finding["check"]) == ("note", "engine")
    assert "belong to another user" in finding["what"]
    with postgres.connect(database) as connection:
        connection.execute(f"REVOKE UPDATE ON config FROM {role}".encode())
    assert "may not read or change config" in found(well)["engine"]["what"]
    with postgres.connect(database) as connection:
        connection.execute(f"ALTER TABLE config OWNER TO {role}".encode())
    monkeypatch.setenv("BIFROST_DATABASE_URL", postgres.url(database))
    assert "superuser" in found(well)["engine"]["what"]
    monkeypatch.setenv("BIFROST_DATABASE_URL", postgres.url(database, role))


def test_a_line_that_others_can_read(
    well: Cli, postgres: Server, database: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    well.secrets.append("zQ7-of-the-keeper")
    bare = postgres.tcp_url(database, role)
    monkeypatch.setenv("BIFROST_DATABASE_URL", bare.replace(role, f"{role}:zQ7-of-the-keeper"))
    # Within one host nobody is on the way.
    assert "BIFROST_DATABASE_URL" in found(well)["environment"]["what"]
    monkeypatch.setattr(postgres_checks, "_REMOTE", text("SELECT TRUE"))
    assert "not encrypted" in found(well)["engine"]["what"]
    monkeypatch.setattr(postgres_checks, "_SSL", text("SELECT TRUE"))
    assert "nobody checks whose server" in found(well)["engine"]["what"]
    monkeypatch.setenv("BIFROST_DATABASE_URL", postgres.url(database, role))


def test_a_server_that_is_gone_or_a_password_that_is_wrong(
    well: Cli, postgres: Server, database: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    well.secrets.append("zQ7-of-the-other")
    bare = postgres.tcp_url(database, role)
    monkeypatch.setenv("BIFROST_DATABASE_URL", bare.replace(role, f"{role}:zQ7-of-the-other"))
    ran = well("doctor", code=1)
    assert "refused the user or the password" in ran.err
    monkeypatch.setenv("BIFROST_DATABASE_URL", f"postgresql://{role}@127.0.0.1:1/{database}")
    assert "cannot be reached" in well("doctor", "--fix", code=1).err
    monkeypatch.setenv("BIFROST_DATABASE_URL", postgres.url(database, role))


def test_an_empty_database_is_told(
    well: Cli, postgres: Server, database: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = postgres.new_database()
    try:
        monkeypatch.setenv("BIFROST_DATABASE_URL", postgres.url(empty, role))
        assert "setup" in found(well)["database"]["do"]
    finally:
        monkeypatch.setenv("BIFROST_DATABASE_URL", postgres.url(database, role))
        postgres.drop(empty)


def test_indexes_are_walked_through_where_the_server_can(well: Cli) -> None:
    there(
        "CREATE FUNCTION bt_index_check(regclass, boolean) RETURNS void LANGUAGE plpgsql AS $$"
        " BEGIN IF $1::text = 'ix_config_due_at' THEN"
        " RAISE EXCEPTION 'zQ7' USING ERRCODE = 'XX002'; END IF; END $$"
    )
    finding = found(well)["database"]
    assert finding["what"] == "1 index is damaged: ix_config_due_at."
    assert finding["fixable"] is False


def test_an_older_schema_is_told_and_not_changed(well: Cli) -> None:
    there("UPDATE bifrost_schema SET version_num = '0002'")
    finding = found(well)["schema"]
    assert "0003: " in finding["do"]
    assert "copy" not in finding["do"]
    assert there("SELECT version_num FROM bifrost_schema") == [("0002",)]
    there("UPDATE bifrost_schema SET version_num = '0003'")
