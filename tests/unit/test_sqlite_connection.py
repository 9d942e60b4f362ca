"""What every SQLite file of the program shares."""

from __future__ import annotations

import sqlite3

import pytest

from dirsync.sqlite_connection import insert_rows


@pytest.mark.parametrize("most", [None, 1, 7, 999])
@pytest.mark.parametrize("count", [0, 1, 2, 1499, 1500, 3001])
def test_rows_go_in_whatever_a_statement_holds(count: int, most: int | None) -> None:
    connection = sqlite3.connect(":memory:")
    if most is not None:
        connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, max(most, 2))
    connection.execute("CREATE TABLE t (a, b)")
    rows = [(number, b"%d" % number) for number in range(count)]
    insert_rows(connection, "INSERT INTO t", iter(rows))

    assert connection.execute("SELECT a, b FROM t ORDER BY a").fetchall() == rows
