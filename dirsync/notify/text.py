"""A message as plain text: the verdict, why, what failed and what is gone, then the rest."""

from __future__ import annotations

from collections.abc import Iterator

from dirsync.notify.message import Line, Message, Part


def text_of(message: Message) -> str:
    """Write a message as text, ended by a newline."""
    return "\n".join(_lines(message)) + "\n"


def _lines(message: Message) -> Iterator[str]:
    yield message.title
    yield ""
    yield from message.reasons
    if message.reasons:
        yield ""
    for part in message.parts:
        yield from _of_part(part)
        yield ""
    for note in message.notes:
        yield f"note: {note}"
    if message.notes:
        yield ""
    width = max((len(label) for label, _ in message.facts), default=0)
    for label, value in message.facts:
        yield f"{label:<{width}}  {value}"
    yield ""
    yield "-- "  # what follows is a signature (RFC 3676, 4.3)
    yield f"dirsync on {message.host}"


def _of_part(part: Part) -> Iterator[str]:
    yield f"{part.title} ({part.count:,})"
    for line in part.lines:
        yield f"  {_told(line)}"
    if part.more:
        yield f"  … {part.more}"


def _told(line: Line) -> str:
    if line.kind == "failed":
        return f"{line.name}: {line.reasons}"
    return f"{line.verb:<8}  {line.name}" + (f"  ({line.reasons})" if line.reasons else "")
