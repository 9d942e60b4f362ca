"""The closing summary of a run, as a person likes to read it.

photos  done: 3 created, 1 deleted, 3.4 MB copied (2.1 s)
photos  unchanged: 12,345 entries agree (0.3 s)
photos  partly done: 3 created, 2 paths failed (2.1 s)
"""

from __future__ import annotations

from msgspec import Struct, field

from dirsync.cli.output.tones import Tone, toned
from dirsync.cli.output.units import human_bytes, human_count, human_seconds, plural
from dirsync.model.change import Failure
from dirsync.model.job import JobType
from dirsync.model.names import shown
from dirsync.model.result import Counts, Outcome, RunResult

_FAILURES_SHOWN = 20

_HEADS = {
    Outcome.SUCCEEDED: ("done", Tone.GOOD),
    Outcome.PARTIAL: ("partly done", Tone.WARNING),
    Outcome.HELD: ("held: nothing was changed", Tone.WARNING),
    Outcome.FAILED: ("failed", Tone.BAD),
    Outcome.SKIPPED: ("skipped", Tone.WARNING),
    Outcome.CANCELLED: ("stopped early", Tone.WARNING),
    Outcome.CRASHED: ("crashed", Tone.BAD),
}


class Failures(Struct):
    """The first failures of a run, and how many there were in all."""

    first: list[Failure] = field(default_factory=list)
    count: int = 0

    def add(self, failure: Failure) -> None:
        """Keep a failure, or only count it."""
        self.count += 1
        if len(self.first) < _FAILURES_SHOWN:
            self.first.append(failure)


def summary_line(result: RunResult) -> str:
    """Say in one line what came of a run."""
    head, tone = _head(result)
    facts = ", ".join(_facts(result))
    seconds = (result.finished_at - result.started_at).total_seconds()
    tail = toned(f" ({human_seconds(max(0.0, seconds))})", Tone.FAINT)
    return f"{result.job}  {toned(head, tone)}{': ' if facts else ''}{facts}{tail}"


def error_lines(job: str, error: str | None, failures: Failures) -> list[str]:
    """Say what went wrong: the run as a whole, then path by path, the first twenty."""
    whole = (error or "").removeprefix(f"'{job}': ")  # the job stands there already
    lines = [f"{job}: {line}" for line in whole.splitlines()]
    lines += [f"{job}: {shown(path)}: {reason}" for path, reason in failures.first]
    if failures.count > len(failures.first):
        lines.append(f"{job}: … and {human_count(failures.count - len(failures.first))} more")
    return lines


def _head(result: RunResult) -> tuple[str, Tone]:
    if result.outcome is not Outcome.SUCCEEDED:
        return _HEADS[result.outcome]
    if result.type is JobType.CHECK:
        return ("differs", Tone.WARNING) if result.counts.changes else ("no differences", Tone.GOOD)
    if not result.counts.changes:
        return "unchanged", Tone.GOOD
    if result.type is JobType.TRACK and not result.dry_run:
        return "recorded", Tone.GOOD
    return ("dry run", Tone.GOOD) if result.dry_run else _HEADS[Outcome.SUCCEEDED]


def _facts(result: RunResult) -> list[str]:
    counts = result.counts
    if result.outcome in (Outcome.HELD, Outcome.SKIPPED):
        return []
    facts = _found(result) if result.type is not JobType.SYNC else deeds(counts, dry_run=result.dry_run)
    if counts.failed:
        facts.append(f"{plural(counts.failed, 'path', 'paths')} failed")
    if not facts and result.outcome is Outcome.SUCCEEDED:
        return [_agreement(result)]
    return facts


def deeds(counts: Counts, *, dry_run: bool) -> list[str]:
    """Say what was done; with `dry_run`, what would be."""
    named = (
        (counts.created, "create {}", "{} created"),
        (counts.modified, "update {}", "{} updated"),
        (counts.metadata, "change metadata of {}", "metadata of {} changed"),
        (counts.moved, "move {}", "{} moved"),
        (counts.deleted, "delete {}", "{} deleted"),
    )
    words = [(would if dry_run else done).format(human_count(count)) for count, would, done in named if count]
    if dry_run:
        words[:1] = [f"would {word}" for word in words[:1]]
    if counts.bytes_copied:
        words.append(f"{human_bytes(counts.bytes_copied)} {'to copy' if dry_run else 'copied'}")
    return words


_OF_CHECKS = (
    *("missing at the destination", "differ", "differ in metadata"),
    *("moved", "only at the destination"),
)
_OF_TRACKS = ("created", "modified", "changed in metadata", "moved", "deleted")


def recorded_counts(counts: Counts) -> list[tuple[int, str]]:
    """Give the changes of each kind that there are any of, with the word for it."""
    figures = (counts.created, counts.modified, counts.metadata, counts.moved, counts.deleted)
    return [(count, word) for count, word in zip(figures, _OF_TRACKS, strict=True) if count]


def _found(result: RunResult) -> list[str]:
    """Say what a job found that changes nothing itself."""
    counts = result.counts
    figures = (counts.created, counts.modified, counts.metadata, counts.moved, counts.deleted)
    words = zip(figures, _OF_TRACKS if result.type is JobType.TRACK else _OF_CHECKS, strict=True)
    return [f"{human_count(count)} {word}" for count, word in words if count]


def _agreement(result: RunResult) -> str:
    counts = result.counts
    if result.type is JobType.TRACK:
        return plural(counts.scanned, "entry", "entries")
    if counts.scanned == 1:
        return "1 entry agrees"
    return f"{human_count(counts.scanned)} entries agree"
