"""A connection to the database of a catalog, and why there is none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.numeric import NumericBinaryLoader

from dirsync.catalog.postgres.failing import said, told
from dirsync.catalog.postgres.statements import SCHEMA
from dirsync.errors import RunError
from dirsync.model.names import escaped

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"

_OLDEST = 120_000  # versions as the server counts them
_PORT = "5432"
_ENCODINGS = ("UTF8", "SQL_ASCII")  # the latter takes any bytes as they are
_CONNECT_SECONDS = 10
# A host that vanished is noticed by both ends in a minute and a half, and its lock goes with it.
_KEEPALIVES = {"keepalives_idle": 60, "keepalives_interval": 10, "keepalives_count": 3}
_SESSION = {
    "search_path": f"{SCHEMA}, pg_temp",
    "jit": "off",  # compiling takes longer than what these statements do
    "max_parallel_workers_per_gather": "0",  # to start them does, too
    "cursor_tuple_fraction": "1",  # whoever asks for rows takes all of them
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
_IDLE_SINCE = 140_000  # the version that may end idle sessions; a long scan is not idle

# What a server's refusal says, and what to do. Only English servers are understood; others' words are shown.
_REFUSALS = (
    ("password authentication failed", "check the user and the password in the URL, or ~/.pgpass"),
    ("no password supplied", "put the password into the URL by a secret, or into ~/.pgpass"),
    ("no pg_hba.conf entry", "have the server's pg_hba.conf let this host and user in"),
    ("too many clients", "the server takes no more connections; raise 'max_connections', or run fewer"),
    ("remaining connection slots", "the server takes no more connections; raise 'max_connections'"),
    ("starting up", "the server is about to start; run again in a moment"),
    ("role", "make the user with 'createuser', or name another one in the URL"),
)
_UNREACHABLE = "check that the server runs, and that host and port are right; nothing was recorded"


class _IntegralLoader(NumericBinaryLoader):
    """Loads what `sum` of whole numbers gives as such a number, as SQLite does."""

    def load(self, data: Any) -> Any:
        value = super().load(data)
        return int(value) if value == value.to_integral_value() else float(value)


@contextlib.contextmanager
def connected(url: str) -> Iterator[tuple[Connection, str]]:
    """Give a connection, every statement its own transaction, and its name for messages.

    Raises:
        RunError: there is none to be had; it says why and what to do, never the password.
    """
    parameters = _parameters(url)
    shown = shown_as(parameters)
    connection = _connection(parameters, shown)
    try:
        _check(connection, shown)
        try:
            _set_up(connection)
        except psycopg.Error as error:
            raise told(error, shown=shown, is_lost=connection.closed) from error
        yield connection, shown
    finally:
        connection.close()


def _parameters(url: str) -> dict[str, Any]:
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error as error:  # its words may quote a piece of the password
        raise RunError(
            "the catalog's URL is none that PostgreSQL understands; write "
            "'postgresql://user@host:port/database', with odd characters in it as '%40'"
        ) from error
    defaults = {"connect_timeout": _CONNECT_SECONDS, "application_name": "dirsync", **_KEEPALIVES}
    return {**defaults, **given, "client_encoding": "UTF8"}


def shown_as(parameters: dict[str, Any]) -> str:
    """Name a catalog by database, host and port."""
    database = parameters.get("dbname") or parameters.get("user") or parameters.get("service") or "default"
    host = parameters.get("host") or parameters.get("hostaddr") or "localhost"
    port = parameters.get("port") or _PORT
    return f"catalog '{escaped(str(database))}' on '{escaped(f'{host}:{port}')}'"


def _connection(parameters: dict[str, Any], shown: str) -> Connection:
    try:
        connection = psycopg.connect(**parameters, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        raise RunError(f"{shown} cannot be reached ({said(error)}): {_refused(error, parameters)}") from error
    connection.adapters.register_loader("numeric", _IntegralLoader)
    return connection


def _refused(error: psycopg.Error, parameters: dict[str, Any]) -> str:
    text = str(error)
    if 'database "' in text and "does not exist" in text:
        database = str(parameters.get("dbname") or parameters.get("user"))
        return f"make it with 'createdb {escaped(database)}', or name another one in the URL"
    for words, advice in _REFUSALS:
        if words in text:
            return advice
    return _UNREACHABLE


def _check(connection: Connection, shown: str) -> None:
    """Check that the server is one to work with."""
    problem = problem_of(connection.info.server_version)
    if problem is not None:
        raise RunError(f"{shown} {problem}")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in _ENCODINGS:
        raise RunError(f"{shown} has the encoding {encoding}; make a database with ENCODING 'UTF8'")


def problem_of(server_version: int) -> str | None:
    """Say what is wrong with a server's version; None: nothing."""
    if server_version >= _OLDEST:
        return None
    return (
        f"is on PostgreSQL {server_version // 10_000}; "
        f"it takes version {_OLDEST // 10_000} or later, so use a newer server"
    )


def _set_up(connection: Connection) -> None:
    settings = dict(_SESSION)
    if connection.info.server_version >= _IDLE_SINCE:
        settings["idle_session_timeout"] = "0"
    for name, value in settings.items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    # What was committed has to be there tomorrow; whether on a standby, too, is the server's own choice.
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') = 'off'"
    )


def holder_of(connection: Connection, *, lock_class: int, number: int) -> str:
    """Say who holds an advisory lock, as far as it is known."""
    found = connection.execute(
        "SELECT host(a.client_addr), a.client_hostname, a.pid, "
        "to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS') "
        "FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a USING (pid) "
        "WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid = %s AND l.objsubid = 2 "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        (lock_class, number),
    ).fetchone()
    if found is None or found[2] is None:
        return ""
    address, name, process, since = found
    where = name or address or "the server's own host"
    return f" (from {escaped(where)}, since {since}, server process {process})"
