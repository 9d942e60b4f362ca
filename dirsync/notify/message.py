"""What is said: the verdict in the subject, then failures and deletions, then the rest."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Iterator, Sequence

from msgspec import Struct

from dirsync.model.change import Change
from dirsync.model.job import JobType
from dirsync.model.names import shown
from dirsync.model.result import Counts, Outcome, RunResult
from dirsync.notify.happening import EndedRun, Recovery, Staleness
from dirsync.notify.words import Mask, Words, counted, printable

LISTED = 25  # lines of one part; what is more is in the table
_LONGEST_SUBJECT = 160  # characters
_LONGEST_REASON = 2_000
_MOST_NOTES = 20
TABLE = "changes.csv"


class Tone(enum.Enum):
    """Whether somebody has to look at it."""

    FINE = "fine"
    REVIEW = "to review"
    ALARM = "alarm"


_TONES = {
    Outcome.SUCCEEDED: Tone.FINE,
    Outcome.PARTIAL: Tone.REVIEW,
    Outcome.HELD: Tone.REVIEW,
    Outcome.FAILED: Tone.ALARM,
    Outcome.CRASHED: Tone.ALARM,
    Outcome.SKIPPED: Tone.REVIEW,
    Outcome.CANCELLED: Tone.REVIEW,
}
_OUTCOMES = {
    Outcome.SUCCEEDED: "done",
    Outcome.PARTIAL: "partly done",
    Outcome.HELD: "held: nothing was changed",
    Outcome.CANCELLED: "stopped early",
}


class Line(Struct, frozen=True, kw_only=True):
    """One path in a list, in words; every text is printable."""

    verb: str
    name: str
    reasons: str
    kind: str  # `failed`, or the kind of the change: what a style may go by


class Part(Struct, frozen=True, kw_only=True):
    """One list: its first lines, and how many there are in all."""

    title: str
    lines: Sequence[Line]
    count: int
    more: str  # what is said of the rest; empty: there is none


class Message(Struct, frozen=True, kw_only=True):
    """One message, with every text printable and masked."""

    event: str  # `run`, `stale`, `recovery` or `test`
    job: str  # empty: of no job
    host: str
    tone: Tone
    headline: str  # the verdict: `3 failed, 1,204 copied`, `held`
    reasons: Sequence[str] = ()  # why, a line each; the first is in the subject
    facts: Sequence[tuple[str, str]] = ()
    parts: Sequence[Part] = ()
    notes: Sequence[str] = ()
    table: Sequence[Line] = ()  # everything that was kept, where a list is cut
    run: EndedRun | None = None  # for machines; None: no run is told of

    @property
    def title(self) -> str:
        """The verdict and what it is on."""
        return f"{self.job}: {self.headline}" if self.job else self.headline

    @property
    def subject(self) -> str:
        """The whole verdict on one line."""
        whole = f"{self.title}: {self.reasons[0]}" if self.reasons and self.job else self.title
        return whole if len(whole) <= _LONGEST_SUBJECT else f"{whole[: _LONGEST_SUBJECT - 1]}…"


def run_message(run: EndedRun, *, host: str, words: Words, mask: Mask, is_well_again: bool) -> Message:
    """Say how a run ended; `is_well_again`: the failure of one before it was told."""
    result, kept = run.result, run.kept
    speech = _Speech(result.type, words, mask)
    whole = _error_of(result, mask)
    failures = [speech.failure(path, reason) for path, reason in kept.failures]
    deletions = [speech.change(change) for change in kept.deletions]
    others = [speech.change(change) for change in kept.others]
    is_cut = any(count > LISTED for count in (kept.failure_count, kept.deletion_count, kept.other_count))
    titles = _TITLES[result.type]
    parts = (
        _part("Failed", failures, kept.failure_count),
        _part(titles[0], deletions, kept.deletion_count),
        _part(titles[1], others, kept.other_count),
    )
    return Message(
        event="run",
        job=printable(mask(result.job)),
        host=printable(host),
        tone=_tone(result),
        headline="well again" if is_well_again else _verdict(result),
        reasons=whole,
        facts=tuple(_facts(result, words)),
        parts=tuple(part for part in parts if part.count),
        notes=tuple(printable(mask(note)) for note in kept.notices[:_MOST_NOTES]),
        table=(*failures, *deletions, *others) if is_cut else (),
        run=run,
    )


def staleness_message(stale: Staleness, *, host: str, words: Words, mask: Mask) -> Message:
    """Say that a job has not succeeded for too long."""
    last = stale.last_success_at
    if last is None:
        headline = "stale: it has never succeeded"
    else:
        headline = f"stale: no success for {words.seconds((stale.now - last).total_seconds())}"
    return Message(
        event="stale",
        job=printable(mask(stale.job)),
        host=printable(host),
        tone=Tone.ALARM,
        headline=headline,
        facts=(
            ("Last success", "never" if last is None else minute(last)),
            ("Expected every", words.seconds(stale.stale_after_seconds)),
        ),
    )


def recovery_message(recovery: Recovery, *, host: str, mask: Mask) -> Message:
    """Say that a job is well again."""
    last = recovery.last_success_at
    return Message(
        event="recovery",
        job=printable(mask(recovery.job)),
        host=printable(host),
        tone=Tone.FINE,
        headline="well again",
        facts=() if last is None else (("Last success", minute(last)),),
    )


def trial_message(notifier: str, *, host: str) -> Message:
    """Say that a notifier works."""
    return Message(
        event="test",
        job="",
        host=printable(host),
        tone=Tone.FINE,
        headline=f"dirsync can reach '{printable(notifier)}'",
        reasons=("This is a test, asked for with 'notify test'. Nothing else happened.",),
        facts=(("Host", printable(host)),),
    )


def minute(at: datetime.datetime) -> str:
    """Write a moment in local time."""
    return f"{at.astimezone():%Y-%m-%d %H:%M %Z}"


class _Speech:
    """Puts the paths of one run into words."""

    def __init__(self, type_: JobType, words: Words, mask: Mask) -> None:
        self._type = JobType.CHECK if type_ is JobType.CHECK else JobType.TRACK  # what was done, in the past
        self._words = words
        self._mask = mask

    def failure(self, path: bytes, reason: str) -> Line:
        told = printable(self._mask(reason))[:_LONGEST_REASON]
        return Line(verb="failed", name=self._mask(shown(path)), reasons=told, kind="failed")

    def change(self, change: Change) -> Line:
        verb, name, reasons = self._words.change(change, job_type=self._type)
        return Line(verb=verb, name=self._mask(name), reasons=self._mask(reasons), kind=change.kind.value)


_TITLES = {
    JobType.SYNC: ("Deleted", "Changed"),
    JobType.TRACK: ("Deleted", "Changed"),
    JobType.CHECK: ("Only at the destination", "Differs"),
}


def _part(title: str, lines: Sequence[Line], count: int) -> Part:
    return Part(title=title, lines=lines[:LISTED], count=count, more=_more(len(lines), count))


def _more(kept: int, count: int) -> str:
    rest = count - min(kept, LISTED)
    if not rest:
        return ""
    where = "all are" if kept == count else f"the first {kept:,} are"
    return f"and {rest:,} more; {where} in {TABLE}"


def _error_of(result: RunResult, mask: Mask) -> tuple[str, ...]:
    """Give the lines of the error that ended a run, without the job's name."""
    whole = (result.error or "").removeprefix(f"'{result.job}': ")
    return tuple(printable(mask(line))[:_LONGEST_REASON] for line in whole.splitlines() if line.strip())


def _tone(result: RunResult) -> Tone:
    if result.outcome is Outcome.SUCCEEDED and result.type is JobType.CHECK and result.counts.changes:
        return Tone.REVIEW
    return _TONES[result.outcome]


def _verdict(result: RunResult) -> str:
    if result.outcome not in (Outcome.SUCCEEDED, Outcome.PARTIAL):
        return "held" if result.outcome is Outcome.HELD else "failed"
    told = ", ".join(_deeds(result))
    if told:
        return told
    return "no differences" if result.type is JobType.CHECK else "nothing changed"


def _deeds(result: RunResult) -> Iterator[str]:
    """Say what was done and what was not: failures first, then deletions."""
    if result.counts.failed:
        yield f"{result.counts.failed:,} failed"
    for count, form in _FORMS[result.type](result.counts):
        if count:
            yield form.format(f"{count:,}")


def _of_a_sync(counts: Counts) -> list[tuple[int, str]]:
    return [
        (counts.deleted, "{} deleted"),
        (counts.created + counts.modified, "{} copied"),
        (counts.moved, "{} moved"),
        (counts.metadata, "metadata of {} changed"),
    ]


def _of_a_track(counts: Counts) -> list[tuple[int, str]]:
    return [
        (counts.deleted, "{} deleted"),
        (counts.created, "{} created"),
        (counts.modified, "{} modified"),
        (counts.moved, "{} moved"),
        (counts.metadata, "metadata of {} changed"),
    ]


def _of_a_check(counts: Counts) -> list[tuple[int, str]]:
    return [
        (counts.deleted, "{} only at the destination"),
        (counts.created, "{} missing there"),
        (counts.modified, "{} different"),
        (counts.moved, "{} moved"),
        (counts.metadata, "{} different in metadata"),
    ]


_FORMS = {JobType.SYNC: _of_a_sync, JobType.TRACK: _of_a_track, JobType.CHECK: _of_a_check}


def _facts(result: RunResult, words: Words) -> Iterator[tuple[str, str]]:
    counts = result.counts
    yield "Outcome", _OUTCOMES.get(result.outcome, result.outcome.value)
    deeds = ", ".join(_deeds(result))
    if deeds:
        yield ("Found" if result.type is JobType.CHECK else "Did"), deeds
    if counts.bytes_copied and result.type is JobType.SYNC:
        yield "Copied", words.byte_count(counts.bytes_copied)
    if counts.scanned:
        yield "Looked at", counted(counts.scanned, "entry", "entries")
    yield "Began", minute(result.started_at)
    yield "Took", words.seconds(max(0.0, (result.finished_at - result.started_at).total_seconds()))
    yield "Run", f"{result.run_id}, a {result.type.value} job"
