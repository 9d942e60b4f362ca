"""The lines of a message as a table that spreadsheets open, and that tells them nothing to do."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from dirsync.notify.message import Line

_LARGEST_BYTES = 5_000_000  # mail servers refuse what is much larger
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
_COLUMNS = ("what", "path", "details")


def csv_of(lines: Iterable[Line]) -> bytes:
    """Write lines as CSV in UTF-8, with the mark that spreadsheets know it by; a table too large is cut.

    Source: OWASP, CSV Injection: a cell that begins as a formula does is prefixed by an apostrophe.
    """
    table = io.StringIO(newline="")
    writer = csv.writer(table, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for line in lines:
        if table.tell() > _LARGEST_BYTES:
            writer.writerow(("cut", "this table is too large; see 'dirsync history', or the log", ""))
            break
        writer.writerow(map(_defused, (line.verb, line.name, line.reasons)))
    return table.getvalue().encode("utf-8-sig")


def _defused(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
