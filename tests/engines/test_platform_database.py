"""A Bifrost platform's database: every form of row comes in exactly, and nothing is written there.

One database for the module, made by the owner and read by a user who may write as well.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bifrost_tui.errors import TransferError
from bifrost_tui.store.incoming import IncomingConfig, IncomingScope
from bifrost_tui.store.repository import Repository
from bifrost_tui.store.values import ConfigType
from bifrost_tui.store.views import GLOBAL_SCOPE
from bifrost_tui.transfer import platform_database
from bifrost_tui.transfer.platform_database import URL_VARIABLE, read_platform_database
from bifrost_tui.transfer.platform_key import KEY_VARIABLE, PlatformKey
from tests.postgres import Server
from tests.support import (
    ALICE,
    assert_nowhere,
    assert_silent,
    by_hand,
    forms,
    listed,
    opened,
    planted,
)
from tests.unit.cli_support import Cli, make_cli

SECRET_KEY = "the-secret-key-of-the-platform-that-it-comes-from"
KEY = PlatformKey(SECRET_KEY)
OTHER = PlatformKey("the-secret-key-of-another-platform-altogether")
PASSWORD = "zQ9-password-nobody-else-writes"
ACME, BRIGHT, GONE, EMPTY = (f"{number}aaaaaaa-0000-4000-8000-000000000000" for number in range(4))
STRIPE, SLACK, OLD = (f"{number}bbbbbbb-0000-4000-8000-000000000000" for number in range(3))

SCHEMA = f"""
CREATE TYPE config_type AS ENUM ('string', 'int', 'bool', 'json', 'secret');
CREATE TABLE organizations (
    id uuid PRIMARY KEY,
    name varchar(255) NOT NULL,
    domain varchar(255),
    is_active boolean NOT NULL DEFAULT true,
    is_provider boolean NOT NULL DEFAULT false,
    settings jsonb NOT NULL DEFAULT '{{}}'
);
CREATE TABLE integrations (
    id uuid PRIMARY KEY,
    name varchar(255) NOT NULL,
    is_deleted boolean NOT NULL DEFAULT false
);
CREATE TABLE configs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    key varchar(255) NOT NULL,
    value jsonb NOT NULL,
    config_type config_type NOT NULL DEFAULT 'string',
    description text,
    organization_id uuid REFERENCES organizations,
    integration_id uuid REFERENCES integrations,
    config_schema_id uuid,
    created_at timestamp NOT NULL DEFAULT now(),
    updated_at timestamp NOT NULL DEFAULT now(),
    updated_by varchar(255) NOT NULL DEFAULT 'a@example.org'
);
CREATE UNIQUE INDEX ix_configs_integration_org_key ON configs (
    COALESCE(integration_id, '00000000-0000-0000-0000-000000000000'::uuid),
    COALESCE(organization_id, '00000000-0000-0000-0000-000000000000'::uuid),
    key
);
INSERT INTO organizations (id, name, is_active, is_provider) VALUES
    ('{ACME}', 'Acme', true, false), ('{BRIGHT}', 'Bright ünited', true, true),
    ('{GONE}', 'Gone', false, false), ('{EMPTY}', 'Empty', true, false);
INSERT INTO integrations VALUES
    ('{STRIPE}', 'Stripe', false), ('{SLACK}', 'Slack', false), ('{OLD}', 'Old', true);
"""

BIG = 123456789012345678901234567890
LIMITS = {"a": [1, 2.5, None], "value": 1}

# scope, key, value as JSON, type, integration: what it is here (None: a secret without a value)
ROWS: tuple[tuple[str | None, str, str, str, str | None, Any], ...] = (
    (None, "region", '{"value": "eu"}', "string", None, "eu"),
    (None, "bare", '"as it is"', "string", None, "as it is"),
    (None, "blank", '{"value": ""}', "string", None, ""),
    (None, "seats", '{"value": "5"}', "int", None, 5),
    (ACME, "seats", '{"value": 7}', "int", None, 7),
    (
        ACME,
        "big",
        '{"value": 123456789012345678901234567890}',
        "int",
        None,
        123456789012345678901234567890,
    ),
    (ACME, "bare_int", "-3", "int", None, -3),
    (ACME, "on", '{"value": "true"}', "bool", None, True),
    (ACME, "On", '{"value": "False"}', "bool", None, False),
    (ACME, "native", '{"value": true}', "bool", None, True),
    (
        ACME,
        "limits",
        '{"value": {"a": [1, 2.5, null], "value": 1}}',
        "json",
        None,
        {"a": [1, 2.5, None], "value": 1},
    ),
    (ACME, "limits_text", '{"value": "{\\"a\\": \\"ü\\"}"}', "json", None, {"a": "ü"}),
    (ACME, "inner", '{"value": {"value": 5}}', "json", None, {"value": 5}),
    (ACME, "bare_json", '{"a": 1}', "json", None, {"a": 1}),
    (ACME, "bare_list", "[1]", "json", None, [1]),
    (ACME, "null_json", '{"value": null}', "json", None, None),
    (
        BRIGHT,
        "text",
        '{"value": "[not markup]\\u001b[31m"}',
        "string",
        None,
        "[not markup]\x1b[31m",
    ),
    (BRIGHT, "api_url", '{"value": "https://a"}', "string", STRIPE, "https://a"),
    (None, "default_url", '{"value": "https://b"}', "string", SLACK, "https://b"),
)


def insert(connection: Any, *rows: tuple[Any, ...]) -> None:
    """Put configs into a platform's database."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO configs (organization_id, key, value, config_type, integration_id)"
            " VALUES (%s, %s, %s, %s, %s)",
            [row[:5] for row in rows],
        )


def stored(value: str) -> str:
    return json.dumps({"value": KEY.sealed(value.encode())})


SECRETS = tuple(
    (scope, f"secret_{number}", value, integration)
    for number, (value, scope, integration) in enumerate(
        zip(planted(), (None, ACME, BRIGHT, BRIGHT), (None, None, STRIPE, None), strict=True)
    )
)


@pytest.fixture(scope="module")
def platform(postgres: Server) -> Iterator[str]:
    """The name of a platform's database with a row in every form."""
    name = postgres.new_database(SCHEMA)
    with postgres.connect(name) as connection:
        insert(connection, *ROWS)
        for scope, key, value, integration in SECRETS:
            insert(connection, (scope, key, stored(value), "secret", integration))
        insert(
            connection,
            (ACME, "unfilled", '{"value": null}', "secret", None),
            (ACME, "emptied", '{"value": ""}', "secret", None),
            (GONE, "inactive", stored("zQ8-of-an-inactive-one"), "secret", None),
            (ACME, "of_old", '{"value": "x"}', "string", OLD),
        )
        connection.execute("UPDATE configs SET description = 'Where it runs' WHERE key = 'region'")
        connection.execute(f"CREATE ROLE keeper LOGIN PASSWORD '{PASSWORD}'")
        connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO keeper")
    yield name
    with postgres.connect() as connection:
        postgres.drop(name)
        connection.execute("DROP ROLE keeper")


@pytest.fixture(scope="module")
def spoiled(postgres: Server) -> Iterator[str]:
    """The name of a database that tests may spoil."""
    name = postgres.new_database()
    yield name
    postgres.drop(name)


@pytest.fixture
def scratch(postgres: Server, spoiled: str) -> Iterator[Any]:
    """A connection to a platform's database without a config, made anew."""
    with postgres.connect(spoiled) as connection:
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
        connection.execute(SCHEMA.encode())
        yield connection


def url(postgres: Server, database: str, user: str = "postgres") -> str:
    return postgres.url(database, user, scheme="bifrost+postgresql")


def at(scopes: list[IncomingScope]) -> dict[tuple[str | None, str], IncomingConfig]:
    return {(s.organization, each.draft.key): each for s in scopes for each in s.configs}


NAMES = {None: None, ACME: "Acme", BRIGHT: "Bright ünited"}


# Every form


def test_rows_in_every_form_come_in_exactly(
    postgres: Server, platform: str, repository: Repository
) -> None:
    said: list[str] = []
    done: list[tuple[int, int]] = []
    scopes = read_platform_database(
        url(postgres, platform), KEY, tell=said.append, progress=lambda *step: done.append(step)
    )
    assert said == [
        "1 inactive organization left out: Gone.",
        "1 config of integrations that are deleted left out.",
    ]
    assert done[-1] == (len(ROWS) + len(SECRETS) + 4,) * 2
    plan = repository.imports.plan(ALICE, scopes, create_organizations=True, form="platform")
    assert plan.possible, list(plan.reasons())
    assert plan.new_organizations == ("Acme", "Bright ünited", "Empty")
    repository.imports.apply(ALICE, plan)
    found = {}
    for scope in (
        GLOBAL_SCOPE,
        *(repository.organizations.find(ALICE, name) for name in plan.new_organizations),
    ):
        for view in listed(repository, ALICE, scope):
            if view.scope.id == scope.id:
                found[scope.organization, view.key] = view
    for identity, key, _, kind, integration, value in ROWS:
        view = found.pop((NAMES[identity], key))
        assert view.type == kind
        assert view.integration == {STRIPE: "Stripe", SLACK: "Slack", None: None}[integration]
        assert plain_value(repository, view.id) == value
        assert view.description == ("Where it runs" if key == "region" else "")
    for identity, key, value, integration in SECRETS:
        view = found.pop((NAMES[identity], key))
        assert view.type is ConfigType.SECRET
        assert opened(repository, view) == value.encode()
        assert view.integration == ("Stripe" if integration else None)
    assert {name: view.state.value for name, view in found.items()} == {
        ("Acme", "unfilled"): "needs_value",
        ("Acme", "emptied"): "needs_value",
    }
    path = repository._context.database.path
    assert path is not None
    assert_nowhere(planted(), [path.parent])
    assert not any(
        form in line.encode()
        for line in postgres.said
        for value in planted()
        for form in forms(value).values()
    )
    # Once more changes nothing.
    again = repository.imports.plan(
        ALICE, read_platform_database(url(postgres, platform), KEY), form="platform"
    )
    assert again.changes_nothing


def plain_value(repository: Repository, config_id: str) -> Any:
    [(value,)] = by_hand(repository, "SELECT value FROM config WHERE id = ?", config_id)
    return json.loads(value)


def test_it_is_read_over_the_network_with_a_password_from_a_variable_or_a_file(
    postgres: Server, platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = postgres.tcp_url(platform, "keeper", "bifrost+postgresql")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert read_platform_database(where, KEY)
    monkeypatch.delenv("PGPASSWORD")
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"127.0.0.1:{postgres.port}:*:keeper:{PASSWORD}\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    assert read_platform_database(where, KEY)
    monkeypatch.delenv("PGPASSFILE")
    whole = where.removeprefix("bifrost+").replace("keeper@", f"keeper:{PASSWORD}@")
    assert read_platform_database("bifrost+postgresql:", KEY, environ={URL_VARIABLE: whole})


# Nothing is written


def test_nothing_can_be_changed_there(
    postgres: Server, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    failed: list[str | None] = []

    def meddle(connection: Any, columns: Any) -> Any:
        for statement in (
            "UPDATE configs SET key = 'changed'",
            "CREATE TABLE more (a int)",
            "SET TRANSACTION READ WRITE",
        ):
            with pytest.raises(psycopg.Error) as caught, connection.transaction():
                connection.execute(statement)
            failed.append(caught.value.sqlstate)
        return {}, {}

    monkeypatch.setattr(platform_database, "_organizations", meddle)
    read_platform_database(url(postgres, platform, "keeper"), KEY)
    assert failed == ["25006", "25006", "25001"]


def test_it_is_one_transaction_of_one_state(
    postgres: Server, scratch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert(scratch, (None, "first", '{"value": "a"}', "string", None))
    real = platform_database._rows

    def meanwhile(*args: Any) -> Any:
        insert(scratch, (None, "second", '{"value": "b"}', "string", None))
        return real(*args)

    monkeypatch.setattr(platform_database, "_rows", meanwhile)
    scopes = read_platform_database(url(postgres, scratch.info.dbname), KEY)
    assert [key for _, key in at(scopes)] == ["first"]


# Refused


def test_a_wrong_key_and_every_other_reason_are_told_at_once(
    postgres: Server, scratch: Any, repository: Repository
) -> None:
    insert(
        scratch,
        (None, "stripe", stored("zQ6-secret"), "secret", None),
        (ACME, "clear", '{"value": "in the clear"}', "secret", None),
        (ACME, "seats", '{"value": "zQ6-no-number"}', "int", None),
        (ACME, "maybe", '{"value": "maybe"}', "bool", None),
        (ACME, "api_key", '{"value": "1"}', "string", STRIPE),
        (ACME, "api_key", '{"value": "2"}', "string", SLACK),
        (BRIGHT, "no-key", '{"value": "x"}', "string", None),
        (BRIGHT, "deep", "[" * 200 + "]" * 200, "json", None),
        (BRIGHT, "exact", '{"value": 0.1234567890123456789012345}', "json", None),
    )
    said: list[str] = []
    scopes = read_platform_database(url(postgres, scratch.info.dbname), OTHER, tell=said.append)
    assert "The key does not open 1 of 1 secrets: it is not the key" in said[-1]
    plan = repository.imports.plan(ALICE, scopes, form="platform")
    assert plan.refused == len(plan.lines) == 9
    assert len(plan.problems) == 3  # the three organizations that are not here
    told = "\n".join(plan.reasons()) + "".join(line.why for line in plan.lines)
    for reason in (
        "does not open this secret",
        "is not encrypted as a platform",
        "no whole number",
        "neither true nor false",
        "for Slack and Stripe",
        "There is no organization 'Acme'",
    ):
        assert reason in told
    assert "zQ6" not in told
    with pytest.raises(TransferError):
        repository.imports.apply(ALICE, plan)


def test_without_a_key_nothing_is_taken(postgres: Server, platform: str) -> None:
    with pytest.raises(TransferError, match="4 secrets cannot be opened without the key"):
        read_platform_database(url(postgres, platform))


def test_namesakes_on_the_platform_stay_apart(postgres: Server, scratch: Any) -> None:
    scratch.execute(f"UPDATE organizations SET name = 'Acme' WHERE id = '{BRIGHT}'")
    insert(
        scratch,
        (ACME, "a", '{"value": "1"}', "string", None),
        (BRIGHT, "b", '{"value": "2"}', "string", None),
    )
    scopes = read_platform_database(url(postgres, scratch.info.dbname), KEY)
    assert [s.organization for s in scopes if s.configs] == ["Acme", "Acme"]
    assert all("several organizations" in c.problem for s in scopes for c in s.configs)


def test_older_tables_without_some_columns_are_read(postgres: Server, scratch: Any) -> None:
    scratch.execute("ALTER TABLE configs DROP COLUMN integration_id, DROP COLUMN description")
    scratch.execute("ALTER TABLE organizations DROP COLUMN is_active")
    scratch.execute("DROP TABLE integrations")
    scratch.execute("INSERT INTO configs (key, value) VALUES ('a', '{\"value\": \"b\"}')")
    scopes = read_platform_database(url(postgres, scratch.info.dbname))
    assert at(scopes)[None, "a"].draft.value == "b"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DROP TABLE configs", "it has no table configs"),
        ("DROP TABLE configs, organizations", "no table organizations, no table configs"),
        ("ALTER TABLE configs DROP COLUMN value CASCADE", "no column configs.value"),
    ],
)
def test_another_database_is_said_to_be_none(
    postgres: Server, scratch: Any, statement: str, said: str
) -> None:
    scratch.execute(statement)
    with pytest.raises(TransferError, match=said):
        read_platform_database(url(postgres, scratch.info.dbname), KEY)


def test_rows_that_are_hidden_are_no_silent_loss(
    postgres: Server, platform: str, scratch: Any
) -> None:
    database = scratch.info.dbname
    with pytest.raises(TransferError, match="Grant SELECT"):
        read_platform_database(url(postgres, database, "keeper"), KEY)
    scratch.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO keeper")
    assert read_platform_database(url(postgres, database, "keeper"), KEY)
    scratch.execute("ALTER TABLE configs ENABLE ROW LEVEL SECURITY")
    with pytest.raises(TransferError, match="without row policies"):
        read_platform_database(url(postgres, database, "keeper"), KEY)
    scratch.execute("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM keeper")
    scratch.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    with pytest.raises(TransferError, match="or none that this user may see"):
        read_platform_database(url(postgres, database, "keeper"), KEY)


def test_values_of_any_size_are_bounded(
    postgres: Server, scratch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch.execute(
        "INSERT INTO configs (key, value) SELECT 'big', jsonb_build_object('value',"
        " repeat('x', 9000000))"
    )
    scopes = read_platform_database(url(postgres, scratch.info.dbname))
    assert "It is over 1 MiB" in at(scopes)[None, "big"].problem
    monkeypatch.setattr(platform_database, "_LARGEST", 1000)
    with pytest.raises(TransferError, match="too much for one import"):
        read_platform_database(url(postgres, scratch.info.dbname))


def test_text_that_is_none_is_said(postgres: Server) -> None:
    database = postgres.new_database(SCHEMA.replace("ü", "u"), encoding="SQL_ASCII")
    with postgres.connect(database) as connection:
        connection.execute(b"UPDATE organizations SET name = 'zQ5\xff' WHERE name = 'Acme'")
    with pytest.raises(TransferError, match="text that is not UTF-8") as caught:
        read_platform_database(url(postgres, database), KEY)
    assert_silent(caught.value, ["zQ5"])
    postgres.drop(database)


# The password


@pytest.mark.parametrize(
    "given",
    [
        "bifrost+postgresql://keeper:{}@127.0.0.1:1/db",
        "bifrost+postgresql://keeper@127.0.0.1:1/db?password={}",
        "bifrost+postgresql://keeper@127.0.0.1:1/db?sslpassword={}",
        "bifrost+postgresql://keeper:{}@127.0.0.1:1/db?frob={}",
        "bifrost+postgresql://keeper:{}@[127.0.0.1/db",
        "BIFROST+POSTGRESQL://keeper:{}@127.0.0.1/db",
    ],
)
def test_a_password_in_an_argument_is_refused_and_said_nowhere(given: str) -> None:
    with pytest.raises(TransferError, match=r"holds a password|That is no URL") as caught:
        read_platform_database(given.format(PASSWORD, PASSWORD), KEY)
    assert_silent(caught.value, [PASSWORD])


def test_a_connection_that_fails_says_why_without_the_password(
    postgres: Server, platform: str
) -> None:
    wrong = f"postgresql://keeper:{PASSWORD}x@127.0.0.1:{postgres.port}/{platform}"
    nobody = f"postgresql://{PASSWORD}:{PASSWORD}@127.0.0.1:{postgres.port}/{platform}"
    closed = f"postgresql://keeper:{PASSWORD}@127.0.0.1:1/db"
    nowhere = f"postgresql://keeper:{PASSWORD}@127.0.0.1:{postgres.port}/none"
    for given, said in (
        (wrong, "password authentication failed"),
        (nobody, "password authentication failed"),
        (closed, "refused"),
        (nowhere, '"none" does not exist'),
    ):
        with pytest.raises(TransferError) as caught:
            read_platform_database("bifrost+postgresql:", KEY, environ={URL_VARIABLE: given})
        assert "cannot be reached" in caught.value.message
        assert said in caught.value.message
        assert_silent(caught.value, [PASSWORD])


@pytest.mark.parametrize("given", ["mysql://u@h/db", "", "u@h/db", f"x:{PASSWORD}"])
def test_the_variable_has_to_hold_a_url_of_postgresql(given: str) -> None:
    with pytest.raises(TransferError, match=f"{URL_VARIABLE} is no URL") as caught:
        read_platform_database("bifrost+postgresql:", KEY, environ={URL_VARIABLE: given})
    assert_silent(caught.value, [PASSWORD])
    with pytest.raises(TransferError, match="Give the database as"):
        read_platform_database("bifrost+postgresql://", KEY, environ={})


def test_without_the_driver_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setitem(sys.modules, "psycopg.conninfo", None)
    with pytest.raises(TransferError, match=r"pip install 'bifrost-tui\[postgres\]'"):
        read_platform_database("bifrost+postgresql://u@h/db", KEY)


# The command


@pytest.fixture
def cli(home: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The commands over a new database; no secret of the platform may turn up in what they say."""
    made = make_cli(home, monkeypatch)
    made.secrets += [*planted(), SECRET_KEY, PASSWORD]
    return made


def test_the_command_previews_and_imports_a_database(
    postgres: Server, platform: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = postgres.tcp_url(platform, "keeper", "bifrost+postgresql")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    refused = cli("import", where, "--dry-run", code=1)
    assert "4 secrets cannot be opened without the key" in refused.err
    monkeypatch.setenv(KEY_VARIABLE, SECRET_KEY)
    refused = cli("import", where, "--dry-run", code=1)
    assert "There is no organization 'Acme' for you" in refused.out
    preview = cli("import", where, "--dry-run", "--create-orgs")
    assert "1 inactive organization left out: Gone." in preview.err
    assert "3 new organizations: Acme, Bright" in preview.err
    done = cli("import", where, "--create-orgs", "--yes")
    assert f"{len(ROWS) + len(SECRETS) + 2} configs added" in done.err
    again = cli("import", where, "--yes")
    assert "Everything is here already." in again.err


def test_the_command_refuses_a_password_and_a_confined_session(
    postgres: Server, platform: str, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = postgres.url(platform, scheme="bifrost+postgresql")
    with_password = where.replace("postgres@", f"postgres:{PASSWORD}@")
    assert "Put it into PGPASSWORD" in cli("import", with_password, "--yes", code=1).err
