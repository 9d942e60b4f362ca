"""A report as plain text, for a terminal or a mail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dirsync.model.names import escaped, local_text, shown
from dirsync.model.result import Outcome
from dirsync.report.report import Fold, Folds, JobReport, Report, Size
from dirsync.report.verdict import Judged, by_gravity, headline
from dirsync.report.words import Words, fold_words, minute, pruned_words

_BARS = "▁▂▃▄▅▆▇█"
_VERB_WIDTH = 8


def text_of(report: Report, *, words: Words) -> str:
    """Write a report as text, ended by a newline."""
    return "\n".join(_lines(report, words)) + "\n"


def _lines(report: Report, words: Words) -> Iterator[str]:
    span = words.seconds((report.made_at - report.since).total_seconds())
    yield f"dirsync report of {escaped(report.host)}: {headline(report)}"
    yield f"{minute(report.since)} to {minute(report.made_at)} ({span})"
    yield ""
    jobs = by_gravity(report)
    width = max((len(job.name) for job, _ in jobs), default=0)
    for job, verdict in jobs:
        yield f"{verdict.verdict.value:<9}  {job.name:<{width}}  {verdict.reasons[0]}"
    for job, verdict in jobs:
        yield ""
        yield from _of_job(job, verdict, words)


def _of_job(job: JobReport, verdict: Judged, words: Words) -> Iterator[str]:
    head = f"{job.name}: {verdict.verdict.value}"
    yield head
    yield "-" * len(head)
    yield f"{job.type.value} job, source {local_text(job.source)}; {_runs(job)}"
    for reason in verdict.reasons:
        yield f"  * {reason}"
    if job.kept_since is not None:
        yield f"  {pruned_words(job)}"
    yield from _figures(job, words)
    yield from _section("bit rot", job.rot, words)
    if job.bad_runs:
        yield "  runs that did not do all"
        for run in job.bad_runs:
            reason = f": {run.reason}" if run.reason else ""
            yield f"    {minute(run.started_at)}  run {run.run_id} {run.outcome.value}{reason}"
    yield from _section("deleted", job.deletions, words)
    yield from _section("moved", job.moves, words)
    for open_ in job.open:
        yield from _section(f"to review: {open_.severity.value}", open_.folds, words)
    yield from _where(job, words)
    if job.largest:
        yield "  largest files that came, went or changed"
        for fold in job.largest:
            yield f"    {_fold_line(fold, words)}"


def _runs(job: JobReport) -> str:
    if job.last is None:
        return "never run"
    ended = "still going on" if job.last.outcome is None else job.last.outcome.value
    runs = "1 run" if job.runs.total == 1 else f"{job.runs.total:,} runs"
    others = [
        f"{count:,} {outcome.value}"
        for outcome, count in job.runs.outcomes.items()
        if outcome is not Outcome.SUCCEEDED
    ]
    told = f" ({', '.join(others)})" if others else ""
    return f"{runs}{told}, last {minute(job.last.started_at)}: {ended}"


def _figures(job: JobReport, words: Words) -> Iterator[str]:
    if job.size is not None:
        before = job.size_before or job.first_recorded
        yield f"  {_size(job.size, words)}{_grown(job.size, before, words)}"
    if job.counts.changes:
        changes = job.counts.changes
        deeds = ", ".join(words.deeds(job.counts))
        yield f"  {changes:,} {'change' if changes == 1 else 'changes'}: {deeds}"
    if job.looked_at is not None:
        yield f"  what follows is from the newest {job.looked_at:,} of them"
    if job.size is not None and (job.bytes_added or job.bytes_modified or job.bytes_deleted):
        added, modified, deleted = map(
            words.byte_count, (job.bytes_added, job.bytes_modified, job.bytes_deleted)
        )
        yield f"  {added} added, {modified} written anew, {deleted} deleted"
    if any(span.changes for span in job.spans):
        yield f"  changes over time  {_spark([span.changes for span in job.spans])}"
    totals = [span.bytes_total for span in job.spans if span.bytes_total is not None]
    if job.size is not None and len(totals) > 1:
        yield f"  size over time     {_spark([total - min(totals) for total in totals])}"


def _size(size: Size, words: Words) -> str:
    entries = "1 entry" if size.entries == 1 else f"{size.entries:,} entries"
    return f"{entries}, {words.byte_count(size.byte_count)}"


def _grown(size: Size, before: Size | None, words: Words) -> str:
    if before is None or before == size:
        return ""
    entries, byte_count = size.entries - before.entries, size.byte_count - before.byte_count
    sign = "-" if byte_count < 0 else "+"
    return f" ({entries:+,} entries, {sign}{words.byte_count(abs(byte_count))})"


def _section(title: str, folds: Folds, words: Words) -> Iterator[str]:
    if not folds.count:
        return
    yield f"  {title} ({folds.count:,})"
    for fold in folds.shown:
        yield f"    {_fold_line(fold, words)}"
    if folds.more > 0:
        yield f"    … and {folds.more:,} more"


def _fold_line(fold: Fold, words: Words) -> str:
    verb, name, reasons = fold_words(fold, words)
    at = "" if fold.at is None else f"{minute(fold.at)}  "
    return f"{at}{verb:<{_VERB_WIDTH}}  {name}" + (f"  ({reasons})" if reasons else "")


def _where(job: JobReport, words: Words) -> Iterator[str]:
    if not job.subtrees:
        return
    yield "  where"
    for each in job.subtrees:
        grown = _signed(each.bytes_grown, words)
        name = f"{shown(each.path)}/" if each.path else "./"
        yield f"    {each.counts.changes:>8,}  {name}  ({', '.join([*words.deeds(each.counts), *grown])})"
    if job.other_subtrees:
        others = (
            "1 other directory" if job.other_subtrees == 1 else f"{job.other_subtrees:,} other directories"
        )
        yield f"    … and in {others}"


def _signed(byte_count: int, words: Words) -> list[str]:
    if not byte_count:
        return []
    return [f"{'-' if byte_count < 0 else '+'}{words.byte_count(abs(byte_count))}"]


def _spark(figures: Iterable[int]) -> str:
    """Draw figures as bars of one line."""
    values = list(figures)
    top = max(values, default=0) or 1
    return "".join(_BARS[-(-value * (len(_BARS) - 1) // top)] if value else _BARS[0] for value in values)
