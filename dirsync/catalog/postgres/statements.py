"""Statements as the shared code writes them, as PostgreSQL and psycopg take them."""

from __future__ import annotations

import functools
import re

SCHEMA = "dirsync"
PREFIX_BYTES = 1000  # of a path in an index: a key of a btree may have some 2,700 bytes, a path any number

_QUOTED_OR_PLACE = re.compile(r"'(?:[^']|'')*'|\?|%")
_CREATED = re.compile(r"\s*CREATE\s+(?:UNIQUE\s+)?(?:TABLE|INDEX)\s+(\w+)")
_TYPES = ((r"\bBLOB\b", "BYTEA"), (r"\bTEXT\b", 'TEXT COLLATE "C"'), (r"\bCLUSTERED\b", ""))


@functools.lru_cache(maxsize=512)
def placed(statement: str) -> bytes:
    """Write `?` as `%s`, but not in a quoted text, and `%` as `%%`."""
    return _QUOTED_OR_PLACE.sub(_as_placed, statement).encode()


def _as_placed(found: re.Match[str]) -> str:
    text = found[0]
    return "%s" if text == "?" else text.replace("%", "%%")


def prefix_of(column: str) -> str:
    """Give the expression that is indexed for ranges of a column of paths."""
    return f"substring({column} from 1 for {PREFIX_BYTES})"


def definitions(statement: str, *, has_ltree: bool) -> list[str]:
    """Give what makes a table or an index of the shared schema.

    Text is compared byte by byte, as SQLite does it, whatever the database's language is.
    """
    created = _CREATED.match(statement)
    name = created[1] if created is not None else ""
    instead = _instead(has_ltree=has_ltree)
    if name in instead:
        return instead[name]
    for shared, own in _TYPES:
        statement = re.sub(shared, own, statement)
    if name == "hashed":
        statement = _without_key(statement)
    return [statement, *_BESIDES.get(name, ())]


def _without_key(statement: str) -> str:
    return re.sub(r",\s*PRIMARY KEY \([^)]*\)", "", statement)


def _instead(*, has_ltree: bool) -> dict[str, list[str]]:
    """Give what takes the place of indexes that hold whole paths.

    Directories that swap paths meet in a unique index half way through the statement that
    swaps them. A constraint that is deferrable is checked when the statement is over; it
    takes columns only, so the path's hash is one.
    """
    by_path = [
        "ALTER TABLE directories ADD COLUMN path_hash BYTEA GENERATED ALWAYS AS (sha256(path)) STORED",
        "ALTER TABLE directories ADD CONSTRAINT directories_by_path "
        "UNIQUE (job_id, path_hash) DEFERRABLE INITIALLY IMMEDIATE",
    ]
    if has_ltree:
        by_path += [
            "ALTER TABLE directories ADD COLUMN tree ltree NOT NULL",
            "CREATE INDEX directories_by_tree ON directories USING gist (tree)",
        ]
    else:
        by_path.append(f"CREATE INDEX directories_by_prefix ON directories (job_id, ({prefix_of('path')}))")
    return {
        "directories_by_path": by_path,
        "changes_by_path": [
            f"CREATE INDEX changes_by_path ON changes (job_id, ({prefix_of('path')}), change_id)"
        ],
        "changes_by_old_path": [
            f"CREATE INDEX changes_by_old_path ON changes (job_id, ({prefix_of('old_path')}), change_id) "
            "WHERE old_path IS NOT NULL"
        ],
    }


# An index of hashes takes paths of any length, and serves `path = …` and `path IN (…)` as they stand.
_BESIDES = {
    "hashed": (
        "CREATE INDEX hashed_by_path ON hashed USING hash (path)",
        "CREATE INDEX hashed_by_job ON hashed (job_id)",
    ),
    "changes": ("CREATE INDEX changes_rotted ON changes USING hash (path) WHERE rotted = 1",),
}
