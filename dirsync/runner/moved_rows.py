"""Rows of the state database that tell of what is beneath a directory, when that has moved."""

from __future__ import annotations

from dirsync.runner.database import Database

_ROWS_A_TRANSACTION = 20_000  # other jobs wait for the database meanwhile: some 0.1 s


def move_rows(database: Database, table: str, *, job: str, old: bytes, new: bytes) -> None:
    """Give a job's rows beneath one directory their paths beneath another; a row that is there stays.

    May be cut off between two transactions, and is true at each. Raises `RunError`.
    """
    while paths := _beneath(database, table, job=job, path=old):
        with database.transaction() as connection:
            connection.executemany(
                f"UPDATE OR IGNORE {table} SET path = ? WHERE job = ? AND path = ?",
                [(new + path[len(old) :], job, path) for path in paths],
            )
            connection.executemany(
                f"DELETE FROM {table} WHERE job = ? AND path = ?", [(job, path) for path in paths]
            )


def _beneath(database: Database, table: str, *, job: str, path: bytes) -> list[bytes]:
    with database.translated():
        rows = database.connection.execute(
            f"SELECT path FROM {table} WHERE job = ? AND path > ? AND path < ? LIMIT ?",
            (job, *bounds_beneath(path), _ROWS_A_TRANSACTION),
        ).fetchall()
    return [bytes(path) for (path,) in rows]


def bounds_beneath(path: bytes) -> tuple[bytes, bytes]:
    """Give the bounds, themselves left out, between which all paths beneath one are."""
    return path + b"/", path + b"0"  # "0" follows "/" in ASCII
