"""How people are told things: the command line's own words, which a message borrows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, Protocol

from dirsync.model.change import Change
from dirsync.model.job import JobType
from dirsync.model.names import escaped

Mask = Callable[[str], str]

_MENTION = re.compile(r"[<@](?=\S)")


class ChangeWords(NamedTuple):
    """One change in words, for a column each."""

    verb: str  # `deleted`
    name: str  # `photos/a.jpg`, escaped; `old → new` of a move
    reasons: str  # `size 10→12, mtime +3 s`; may be empty


class Words(Protocol):
    """The words for changes and figures."""

    def change(self, change: Change, *, job_type: JobType) -> ChangeWords:
        """Say what happened to a path in a run of such a job, and why it counts."""
        ...

    def byte_count(self, count: int) -> str:
        """Write a number of bytes: `3.4 MB`."""
        ...

    def seconds(self, seconds: float) -> str:
        """Write a duration: `3 d 4 h`."""
        ...


def printable(text: str) -> str:
    """Write a text on one line: what is not printable is escaped; backslashes, escapes already, stay."""
    return text if text.isprintable() else "".join(c if c.isprintable() else escaped(c) for c in text)


def calling_nobody(text: str) -> str:
    """Write a text so that a chat service takes nothing in it for a mention or a link.

    A file named `<!channel>` or `@everyone` would call all who are there. A space of no width after the
    sign keeps the text as it looks.
    """
    return _MENTION.sub("\\g<0>\u200b", text)


def counted(count: int, one: str, many: str) -> str:
    """Write a number and its noun."""
    return f"{count:,} {one if count == 1 else many}"
