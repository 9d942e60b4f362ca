"""What people were told of a job, and when: in the ledger, so that a restart tells nothing twice."""

from __future__ import annotations

import datetime
import enum
import hashlib
import json
import re
from typing import Protocol

from msgspec import Struct

from dirsync.model.result import Outcome
from dirsync.notify.happening import EndedRun, Staleness

_FIGURES = re.compile(r"\d[\d.,]*")
AGAIN_AFTER = datetime.timedelta(hours=22)  # a job that runs once a day says it each day, whatever its jitter


class Memory(Protocol):
    """What keeps small facts about jobs: the ledger."""

    def recall(self, job: str, key: str) -> str | None:
        """Give back what `remember` was told, or None if it never was."""
        ...

    def remember(self, job: str, key: str, value: str) -> None:
        """Keep one small fact about a job."""
        ...

    def forget(self, job: str, key: str) -> None:
        """Drop what `remember` was told."""
        ...


class ShortMemory:
    """What stands in for a ledger that cannot be used: it lasts as long as the program."""

    def __init__(self) -> None:
        self._facts: dict[tuple[str, str], str] = {}

    def recall(self, job: str, key: str) -> str | None:
        """Give back what `remember` was told, or None if it never was."""
        return self._facts.get((job, key))

    def remember(self, job: str, key: str, value: str) -> None:
        """Keep one small fact about a job."""
        self._facts[job, key] = value

    def forget(self, job: str, key: str) -> None:
        """Drop what `remember` was told."""
        self._facts.pop((job, key), None)


class Trouble(enum.Enum):
    """What people were told of, each on its own."""

    RUN = "run"
    STALE = "stale"


class Told(Struct, frozen=True, kw_only=True):
    """One trouble that a notifier was told of."""

    signature: str  # equal: the same trouble
    at: datetime.datetime  # aware


def signature_of(trouble: EndedRun | Staleness) -> str:
    """Name a trouble: the same outcome, error and set of paths given up are the same trouble.

    A plan that is held is the same whatever its figures: they are others with each run.
    """
    match trouble:
        case EndedRun():
            result, kept = trouble.result, trouble.kept
            held = result.outcome is Outcome.HELD
            error = _FIGURES.sub("#", result.error or "") if held else result.error
            facts = [result.outcome.value, error, kept.failure_count, kept.failed_paths]
        case Staleness():
            facts = [None if trouble.last_success_at is None else trouble.last_success_at.isoformat()]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def told(memory: Memory, job: str, *, notifier: str, trouble: Trouble) -> Told | None:
    """Find what a notifier was told last of a job; None: nothing, or it is over.

    Raises:
        RunError: the ledger cannot be read.
    """
    text = memory.recall(job, _key(notifier, trouble))
    try:
        signature, at = json.loads(text or "null")
        return Told(signature=str(signature), at=datetime.datetime.fromisoformat(at).astimezone(datetime.UTC))
    except (ValueError, TypeError, OverflowError):
        return None  # nothing was told, or no release ever wrote that; what comes next puts it right


def note_told(memory: Memory, job: str, *, notifier: str, trouble: Trouble, signature: str) -> None:
    """Note that a notifier was told of a trouble just now.

    Raises:
        RunError: the ledger cannot be written.
    """
    at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    memory.remember(job, _key(notifier, trouble), json.dumps([signature, at]))


def forget_told(memory: Memory, job: str, *, notifier: str) -> None:
    """Note that a notifier knows of no trouble of a job any more.

    Raises:
        RunError: the ledger cannot be written.
    """
    for trouble in Trouble:
        memory.forget(job, _key(notifier, trouble))


def is_news(signature: str, known: Told | None, *, now: datetime.datetime) -> bool:
    """Whether a trouble is worth a message: it is another one, or the last message is from yesterday."""
    if known is None or known.signature != signature:
        return True
    return not datetime.timedelta() <= now - known.at < AGAIN_AFTER  # a message from the future: say it


def _key(notifier: str, trouble: Trouble) -> str:
    return f"told/{trouble.value}/{notifier}"
