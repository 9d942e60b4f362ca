"""The file of a SQLite catalog: opened only if it is one, and made of this version."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import sqlite3
import stat
import uuid
from itertools import chain

from dirsync.catalog.schema import STEPS
from dirsync.catalog.store import Damaged, Missing, Value
from dirsync.errors import RunError
from dirsync.model.names import escaped
from dirsync.sqlite_connection import altering, number, write_ahead

BUSY_SECONDS = 30.0  # how long one waits for another's merge
MADE = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
_APPLICATION_ID = 0x64697263  # in the header of every catalog: "dirc"
_CACHE_KIB = 32_768


def connected(path: str, *, may_create: bool) -> sqlite3.Connection:
    """Connect to the file of a catalog; where there is none, `may_create` makes an empty one.

    Raises:
        Missing: there is none.
        RunError: it cannot be opened, or is no file.
    """
    shown = f"catalog '{escaped(path)}'"
    try:
        if may_create:
            with contextlib.suppress(FileExistsError):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        kind = os.stat(path).st_mode
    except OSError as error:
        if error.errno == errno.ENOENT and os.path.isdir(os.path.dirname(path)):
            raise Missing(f"{shown} is not there") from None
        raise RunError(
            f"{shown} cannot be opened ({error.strerror}): nothing was recorded, "
            "check its directory and the permissions, or set another 'catalog'"
        ) from error
    if not stat.S_ISREG(kind):
        raise RunError(
            f"{shown} is no file, but a directory or a device; move it away, or set another 'catalog'"
        )
    try:
        # `rw`: SQLite makes no file itself, so a catalog that is gone stays gone.
        uri = "file:" + path.replace("%", "%25").replace("?", "%3f").replace("#", "%23") + "?mode=rw"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    except sqlite3.Error as error:
        raise RunError(
            f"{shown} cannot be opened ({error}): check its directory and the permissions"
        ) from error
    connection.text_factory = _text
    return connection


def _text(data: bytes) -> str:
    """Read a text; one that is not UTF-8, which this program never writes, is told by whoever uses it."""
    return data.decode("utf-8", "surrogateescape")


def prepare(connection: sqlite3.Connection, *, shown: str, may_create: bool) -> None:
    """Make a connection durable and its database a catalog of this version, if it is one or empty.

    Raises:
        Damaged: it is empty, and `may_create` does not allow that.
        RunError: it is none, or of a later version.
        sqlite3.Error: it cannot be read or written.
    """
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    if _is_new(connection, shown=shown) and not may_create:
        raise Damaged(f"{shown} is empty; put a copy back, or begin anew with 'dirsync catalog init'")
    version = number(connection, "user_version")
    if version > len(STEPS):
        raise RunError(
            f"{shown} is of version {version}, this program knows up to {len(STEPS)}; use the newer program"
        )
    write_ahead(connection, patience_seconds=BUSY_SECONDS)
    if version < len(STEPS):
        _upgrade(connection)


def _is_new(connection: sqlite3.Connection, *, shown: str) -> bool:
    """Whether a database holds nothing yet.

    Raises:
        RunError: it holds something, and is no catalog.
    """
    if number(connection, "application_id") == _APPLICATION_ID:
        return False
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables:
        raise RunError(f"{shown} is a database of another program; move it away, or set another 'catalog'")
    return True


def _upgrade(connection: sqlite3.Connection) -> None:
    with altering(connection):
        version = number(connection, "user_version")  # again: nobody else can change it now
        for statement in chain.from_iterable(STEPS[version:]):
            connection.execute(_own(statement))
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('id', ?)", (str(uuid.uuid4()),))
        connection.execute(f"PRAGMA user_version = {len(STEPS)}")
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")


def is_full(path: str) -> bool:
    """Whether the disk of a catalog has no room left."""
    try:
        return os.statvfs(os.path.dirname(path)).f_bavail == 0
    except OSError:
        return False


def _own(statement: str) -> str:
    return statement.replace("CLUSTERED", "WITHOUT ROWID")


@functools.cache
def made_by_this_program() -> dict[str, Value]:
    """Give what `MADE` asks for of a new catalog."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        for statement in chain.from_iterable(STEPS):
            connection.execute(_own(statement))
        return dict(connection.execute(MADE))
