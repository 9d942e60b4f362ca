"""The tables of a catalog in PostgreSQL: made, and brought up to date, once, whoever else starts now."""

from __future__ import annotations

import uuid

import psycopg

from dirsync.catalog.postgres.statements import SCHEMA, definitions
from dirsync.catalog.postgres.store import LOCKS, PostgresStore
from dirsync.catalog.schema import STEPS
from dirsync.catalog.store import Missing
from dirsync.errors import RunError

_NO_JOB = 0  # the lock of the tables themselves; jobs are numbered from 1
_PATIENCE = "30s"
_NO_LTREE = (
    "PostgreSQL has no extension 'ltree' for this catalog (it comes with postgresql-contrib): "
    "what lies beneath a directory is found by an index of prefixes"
)


def prepare(store: PostgresStore, *, may_create: bool) -> None:
    """Have the tables as this program knows them, made where there are none and that is allowed.

    Raises:
        RunError: there are none, they are of a later version, or may not be made.
    """
    version = _version(store)
    if version is None and not may_create:
        raise Missing(
            f"{store.shown} is not there any more: the database holds none; "
            "put a copy back, or begin anew with 'dirsync catalog init'"
        )
    _check(store, version)
    if version is None or version < len(STEPS):
        _upgrade(store)
    _find_tree(store)


def _version(store: PostgresStore) -> int | None:
    """Give the version of the tables; None: there are none."""
    # From the table: what `to_regclass` says may be from before another host's transaction.
    if not store.few_rows("SELECT 1 FROM pg_tables WHERE schemaname = ? AND tablename = 'meta'", (SCHEMA,)):
        return None
    for (version,) in store.few_rows(f"SELECT value FROM {SCHEMA}.meta WHERE name = 'version'"):
        if isinstance(version, str) and version.isdecimal():
            return int(version)
    raise RunError(
        f"{store.shown}: its schema '{SCHEMA}' is none of this program's; take another database, "
        "or rename that schema"
    )


def _check(store: PostgresStore, version: int | None) -> None:
    if version is not None and version > len(STEPS):
        raise RunError(
            f"{store.shown} is of version {version}, this program knows up to {len(STEPS)}; "
            "use the newer program"
        )


def _upgrade(store: PostgresStore) -> None:
    with store.transaction():
        store.run("SELECT set_config('lock_timeout', ?, true)", (_PATIENCE,))
        store.run("SELECT pg_advisory_xact_lock(?, ?)", (LOCKS, _NO_JOB))
        version = _version(store)  # another host may have been first
        _check(store, version)
        if version is None:
            _make_schema(store)
            version = 0
        for statements in STEPS[version:]:
            for statement in statements:
                for definition in definitions(statement, has_ltree=_sees_ltree(store)):
                    store.run(definition)
        for name, value in (("id", str(uuid.uuid4())), ("version", str(version))):
            store.run("INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (name, value))
        store.run("UPDATE meta SET value = ? WHERE name = 'version'", (str(len(STEPS)),))


def _make_schema(store: PostgresStore) -> None:
    """Have the schema, with ltree in it if that can be had."""
    if not store.few_rows("SELECT 1 FROM pg_namespace WHERE nspname = ?", (SCHEMA,)):
        store.run(f"CREATE SCHEMA {SCHEMA}")
    if not _has_extension(store) and store.few_rows(
        "SELECT 1 FROM pg_available_extensions WHERE name = 'ltree'"
    ):
        store.run("SAVEPOINT extension")
        try:
            store.connection.execute(f"CREATE EXTENSION ltree SCHEMA {SCHEMA}")
        except psycopg.errors.InsufficientPrivilege:  # the index of prefixes will do
            store.run("ROLLBACK TO SAVEPOINT extension")
        store.run("RELEASE SAVEPOINT extension")
    _search_extension(store)


def _has_extension(store: PostgresStore) -> bool:
    return bool(store.few_rows("SELECT 1 FROM pg_extension WHERE extname = 'ltree'"))


def _search_extension(store: PostgresStore) -> None:
    """Have the types of ltree found, wherever it was put."""
    store.run(
        "SELECT set_config('search_path', concat_ws(', ', ?::text, quote_ident(nspname), 'pg_temp'), false) "
        "FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace "
        "WHERE extname = 'ltree'",
        (SCHEMA,),
    )


def _sees_ltree(store: PostgresStore) -> bool:
    return store.few_rows("SELECT to_regtype('ltree') IS NOT NULL") == [(True,)]


def _find_tree(store: PostgresStore) -> None:
    """Find out whether directories have a tree; a catalog keeps what it was made with."""
    _search_extension(store)
    store.has_tree = bool(
        store.few_rows(
            "SELECT 1 FROM pg_attribute WHERE attrelid = 'directories'::regclass "
            "AND attname = 'tree' AND NOT attisdropped"
        )
    )
    if not store.has_tree:
        store.notices.append(_NO_LTREE)
