"""What people and machines see of a scrub.

rot       a  (the source is not as on record, its replica is)
differs   b  (content)
photos  not sound: 1 rotted, 1 differs; 12,345 files verified, 3.4 GB (2.1 s)
"""

from __future__ import annotations

from msgspec.structs import replace

from dirsync.cli.output.human import HumanObserver, Layout, QuietObserver
from dirsync.cli.output.lines import Lines, error_line
from dirsync.cli.output.machine import MachineObserver, path_fields, result_fields
from dirsync.cli.output.progress import Progress
from dirsync.cli.output.summary import summary_line
from dirsync.cli.output.tones import Tone, toned
from dirsync.cli.output.units import human_bytes, human_count, human_seconds, plural
from dirsync.model.content import Soundness
from dirsync.model.job import Job, JobType
from dirsync.model.names import shown
from dirsync.model.result import Outcome, RunResult
from dirsync.runner.scrub import Tally

_EVIDENCE = {
    Soundness.SOURCE_ROTTED: "the source is not as on record, its replica is",
    Soundness.REPLICA_ROTTED: "the replica is not as on record, its source is",
    Soundness.ROTTED: "its content is not as on record, its size and times are",
    Soundness.BOTH_ROTTED: "neither the source nor the replica is as on record",
}
_SIDES = {
    Soundness.SOURCE_ROTTED: "source",
    Soundness.REPLICA_ROTTED: "replica",
    Soundness.ROTTED: "source",
    Soundness.BOTH_ROTTED: "both",
}


def rot_line(path: bytes, soundness: Soundness) -> str:
    """Write one rot on one line: what has rotted, and how that is known."""
    return f"{'rot':<8}  {shown(path)}  ({_EVIDENCE[soundness]})"


def scrub_line(result: RunResult, tally: Tally) -> str:
    """Say in one line what came of a scrub."""
    if result.outcome not in (Outcome.SUCCEEDED, Outcome.PARTIAL):
        return summary_line(result)
    wrong = _what_is_wrong(result, tally)
    head = toned("not sound", Tone.BAD) if wrong else toned("sound", Tone.GOOD)
    facts = [plural(tally.files, "file verified", "files verified"), human_bytes(tally.bytes_read)]
    if tally.left:
        facts.append(f"{human_count(tally.left)} left for later")
    seconds = (result.finished_at - result.started_at).total_seconds()
    tail = toned(f" ({human_seconds(max(0.0, seconds))})", Tone.FAINT)
    return f"{result.job}  {head}: {wrong}{', '.join(facts)}{tail}"


def _what_is_wrong(result: RunResult, tally: Tally) -> str:
    different = result.counts.changes - tally.rotted
    wrong = [
        text
        for count, text in (
            (tally.rotted, f"{human_count(tally.rotted)} rotted"),
            (different, plural(different, "differs", "differ")),
            (result.counts.failed, f"{plural(result.counts.failed, 'path', 'paths')} failed"),
        )
        if count
    ]
    return f"{', '.join(wrong)}; " if wrong else ""


class HumanScrub(HumanObserver):
    """Shows a scrub to a person."""

    def __init__(self, job: Job, *, lines: Lines, progress: Progress) -> None:
        told_as = replace(job, type=JobType.CHECK)
        super().__init__(told_as, lines=lines, progress=progress, layout=Layout(lists_changes=True))

    def rotted(self, path: bytes, soundness: Soundness) -> None:
        self._batch.append(rot_line(path, soundness))
        self._refresh()

    def scrubbed(self, result: RunResult, tally: Tally) -> None:
        self._conclude(result, scrub_line(result, tally))


class QuietScrub(QuietObserver):
    """Shows only what went wrong: rot, and paths that could not be read."""

    def rotted(self, path: bytes, soundness: Soundness) -> None:
        error_line(self._mask(rot_line(path, soundness)))

    def scrubbed(self, result: RunResult, tally: Tally) -> None:
        self.finished(result)


class MachineScrub(MachineObserver):
    """Writes a scrub as JSON lines."""

    def rotted(self, path: bytes, soundness: Soundness) -> None:
        fields = {
            "event": "rot",
            "job": self._job,
            **path_fields("path", path),
            "side": _SIDES[soundness],
            "evidence": _EVIDENCE[soundness],
        }
        self._lines.record(fields)

    def scrubbed(self, result: RunResult, tally: Tally) -> None:
        fields = result_fields(result)
        fields["verified"] = {
            "files": tally.files,
            "bytes": tally.bytes_read,
            "rotted": tally.rotted,
            "left": tally.left,
        }
        self._lines.record(fields)
