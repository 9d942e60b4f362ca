"""What an audit finds: a row that is not as this program left it."""

from __future__ import annotations

import enum
from typing import NamedTuple


class FlawKind(enum.Enum):
    """What is wrong."""

    ALTERED = "altered"  # a row is not as it was sealed
    FOREIGN = "foreign"  # a row holds what no release of this program writes
    MISSING = "missing"
    EXTRA = "extra"
    END = "end"  # the catalog does not end where its last run left it
    KEY = "key"  # the rows are sealed with another key
    DAMAGED = "damaged"  # the database itself finds something wrong


class Flaw(NamedTuple):
    """One thing that is wrong, and where."""

    kind: FlawKind
    text: str  # in words; names are escaped in it
    job: str = ""  # empty: of the catalog as a whole
    path: bytes | None = None  # None: it is not about a path
    run_id: int | None = None
    change_id: int | None = None
