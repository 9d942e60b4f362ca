"""What PostgreSQL says when it cannot, in one line with the remedy."""

from __future__ import annotations

import psycopg

from dirsync.errors import RunError
from dirsync.model.names import escaped

_NOTHING_RECORDED = "nothing was recorded"
_LOST = f"the connection is gone, and {_NOTHING_RECORDED}; run again when the server is back"
_BUSY = "another run records in it; this one will succeed when that is over"

# By SQLSTATE, or by its first two characters, which name a class of them.
# Source: "PostgreSQL Error Codes", appendix A of its manual.
_ADVICE = {
    "08": _LOST,
    "22021": "the database's encoding does not know a character; make one with ENCODING 'UTF8'",
    "22P05": "the database's encoding does not know a character; make one with ENCODING 'UTF8'",
    "25006": "it may only be read; take the primary server, or set 'default_transaction_read_only' off",
    "25P03": _LOST,
    "25P04": _LOST,
    "3F000": "its tables are gone; put a copy back, or begin anew with 'dirsync catalog init'",
    "40": _BUSY,
    "42501": "grant the user what it lacks, or have the catalog's owner record",
    "42703": "its tables are not as this program made them; put a copy back",
    "42P01": "its tables are gone; put a copy back, or begin anew with 'dirsync catalog init'",
    "53100": "the server's disk is full; nothing was recorded, so make room and run again",
    "53200": f"the server is short of memory; {_NOTHING_RECORDED}, so run again later",
    "53300": "the server takes no more connections; raise 'max_connections', or run fewer at once",
    "53400": f"a limit of the server is reached; {_NOTHING_RECORDED}",
    "55P03": _BUSY,
    "57014": "the statement was ended by somebody, or by 'statement_timeout'; "
    f"{_NOTHING_RECORDED}, so run again, with a longer limit for this user",
    "57P": _LOST,
    "58": f"the server's disk does not answer; {_NOTHING_RECORDED}",
    "XX001": "the database is corrupt; put a copy back",
    "XX002": "an index of the database is corrupt; mend it with 'REINDEX SCHEMA dirsync'",
}


def told(error: psycopg.Error, *, shown: str, is_lost: bool) -> RunError:
    """Say what went wrong with an open catalog; `is_lost`: its connection is gone."""
    advice = _LOST if is_lost else advice_on(error.sqlstate or "")
    return RunError(f"{shown} cannot be used ({said(error)}): {advice}")


def advice_on(state: str) -> str:
    """Say what to do about an SQLSTATE."""
    for known in (state, state[:3], state[:2]):
        if known in _ADVICE:
            return _ADVICE[known]
    return _NOTHING_RECORDED


def said(error: psycopg.Error) -> str:
    """Give the server's own words in one line."""
    text = error.diag.message_primary or str(error) or type(error).__name__
    return escaped("; ".join(line.strip() for line in text.splitlines() if line.strip()))
