"""Conditions for what lies at and beneath a path.

Each names an index first, and then the paths themselves: what an index holds of a path
may be shortened, and then also stands for paths that are none of those asked for.
"""

from __future__ import annotations

import functools
import hashlib
import re
from typing import TypeAlias

from dirsync.catalog.postgres.statements import PREFIX_BYTES, prefix_of
from dirsync.catalog.store import Value

Conditions: TypeAlias = "list[tuple[str, list[Value]]]"  # each with its values; no row meets two of them

_LABEL_CHARACTERS = 60  # of PostgreSQL's 255
_TREE_BYTES = 1500  # two of them have to fit in a page of the index
_LABEL_HEAD_BYTES = 10  # that PostgreSQL adds to each label, at most
_MOST_LABELS = _TREE_BYTES // _LABEL_HEAD_BYTES  # more are not looked at, for they do not fit
_PLAIN = re.compile(rb"[A-Za-z0-9]+")
_ODD = re.compile(rb"[^A-Za-z0-9]")
_HASH_CHARACTERS = 24


def beneath_prefix(column: str, path: bytes) -> Conditions:
    """Give two conditions, at a path and beneath it, that the index of prefixes of a column serves."""
    first, end, prefix = path + b"/", path + b"0", prefix_of(column)
    there = "" if column == "path" else f"{column} IS NOT NULL AND "  # the index holds no others
    return [
        (f"{there}{prefix} = ? AND {column} = ?", [path[:PREFIX_BYTES], path]),
        (
            f"{there}{prefix} >= ? AND {prefix} <= ? AND {column} > ? AND {column} < ?",
            [first[:PREFIX_BYTES], end[:PREFIX_BYTES], first, end],
        ),
    ]


def beneath_tree(job_id: int, path: bytes) -> tuple[str, list[Value]]:
    """Give a condition on directories, at a path and beneath it, that the index of `tree` serves."""
    return "tree <@ ?::text::ltree AND (path = ? OR (path > ? AND path < ?))", [
        tree_of(job_id, path),
        *(path, path + b"/", path + b"0"),
    ]


def tree_of(job_id: int, path: bytes) -> str:
    """Write a path as an ltree: a label for the job, then one a name, as many as an index holds.

    The tree of a path begins with that of every path above it.
    """
    labels = [str(job_id)]
    free = _TREE_BYTES
    for name in path.split(b"/", _MOST_LABELS) if path else ():
        label = label_of(name)
        free -= len(label) + _LABEL_HEAD_BYTES
        if free < 0:
            break
        labels.append(label)
    return ".".join(labels)


@functools.lru_cache(maxsize=4096)
def label_of(name: bytes) -> str:
    """Write a name with letters, digits and `_`; a long one is cut, and told apart by its hash."""
    text = name if _PLAIN.fullmatch(name) else _ODD.sub(_as_escaped, name)
    if len(text) > _LABEL_CHARACTERS:
        hash_ = hashlib.sha256(name).hexdigest()[:_HASH_CHARACTERS]
        text = text[: _LABEL_CHARACTERS - _HASH_CHARACTERS] + hash_.encode()
    return text.decode("ascii")


def _as_escaped(odd: re.Match[bytes]) -> bytes:
    return b"_%02x" % ord(odd[0])
