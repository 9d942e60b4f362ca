"""Tell what happened to a path, by which run."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import heapq
import itertools
import os
from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple

from dirsync.cli.exit_codes import Exit
from dirsync.cli.moments import past_moment
from dirsync.cli.output.lines import Lines, error_line
from dirsync.cli.output.machine import Fields, moment, path_fields
from dirsync.cli.output.recorded import recorded_fields, recorded_line
from dirsync.cli.output.tones import Tone, toned
from dirsync.cli.output.units import human_seconds
from dirsync.cli.parsing import (
    Options,
    Parser,
    add_common,
    add_json,
    config_file,
    count_of,
    one_of,
    usage_error,
)
from dirsync.cli.paths import path_below
from dirsync.cli.selection import selected_jobs
from dirsync.config import Configuration, load
from dirsync.errors import ConfigError, RunError
from dirsync.model.change import ChangeKind
from dirsync.model.entry import Kind
from dirsync.model.job import Job, JobType, TrackJob
from dirsync.model.names import escaped, shown
from dirsync.model.place import LocalPlace
from dirsync.model.recorded import RecordedRun
from dirsync.runner.ledger import open_ledger
from dirsync.runner.recorded_jobs import Records, records
from dirsync.runner.tracing import Event, Trace

_LONG_AGO = datetime.datetime.min.replace(tzinfo=datetime.UTC)
_AT_ONCE = 500  # lines that are printed at once


class HistoryOptions(Options):
    """What `history` can be told."""

    path: str
    job: list[str]
    since: str | None
    kind: list[str]
    limit: int | None


class _Told(NamedTuple):
    """One path of one job, and its past."""

    job: Job
    path: bytes
    trace: Trace


def parser() -> Parser:
    """Make the parser of `history`."""
    made = Parser(
        usage="dirsync history PATH [--job NAME]… [--since TIME] [--kind KIND]… [--limit N] [--json]",
        description="Tell what happened at and beneath PATH, newest first, in all jobs whose source holds\n"
        "it. With --job, a PATH that leads elsewhere is relative to the job's source. Moves are followed.",
    )
    made.add_argument("path", metavar="PATH")
    made.add_argument("--job", action="append", default=[], metavar="NAME", help="only this job; repeatable")
    made.add_argument("--since", metavar="TIME", help="not before: 7d ago, or 2026-11-21")
    made.add_argument(
        "--kind",
        action="append",
        default=[],
        type=one_of(*(kind.value for kind in ChangeKind)),
        metavar="KIND",
        help="only created, modified, metadata, moved or deleted; repeatable",
    )
    made.add_argument("--limit", type=_count, metavar="N", help="the newest N changes")
    add_json(made)
    add_common(made)
    return made


def main(arguments: Sequence[str]) -> int:
    """Tell the past of one path."""
    options = parser().parse_args(arguments, namespace=HistoryOptions())
    configuration = load(config_file(options))
    wanted = _jobs_that_hold(configuration, options)
    lines = Lines(mask=configuration.mask)
    with contextlib.ExitStack() as stack:
        ledger = stack.enter_context(open_ledger(configuration.state))
        told, code = _traces(wanted, stack.enter_context(records(ledger)), options, lines=lines)
        streams = [stack.enter_context(contextlib.closing(_dated(each))) for each in told]
        events = heapq.merge(*streams, key=_when, reverse=True)
        seen = _tell(itertools.islice(events, options.limit), options, lines=lines)
        if not (options.limit and sum(seen.values()) >= options.limit):
            for each in told:
                _tell_beginning(each, options, lines=lines, has_changes=each.job.name in seen)
    return code


def _count(text: str) -> int:
    count = count_of(text)
    if not count:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of changes; write one as 20")
    return count


# Which jobs


def _jobs_that_hold(configuration: Configuration, options: HistoryOptions) -> list[tuple[Job, bytes]]:
    """List the jobs whose source holds the path, each with the path below it.

    Raises:
        ConfigError: there is none.
    """
    if options.job:
        jobs = selected_jobs(configuration.jobs, options.job)
        return [(job, _path_of(job, options.path)) for job in jobs]
    for text in _spellings(options.path):
        held = [(job, path) for job in configuration.jobs if (path := _below(job, text)) is not None]
        if held:
            return held
    sources = ", ".join(sorted({f"'{escaped(str(job.source))}'" for job in configuration.jobs}))
    raise usage_error(
        f"'{escaped(options.path)}' is in the source of no job; the sources are {sources}, "
        "and with --job PATH may be relative to one"
    )


def _path_of(job: Job, text: str) -> bytes:
    """Give the path of a job that is meant: as without `--job`, else relative to the job's source.

    Raises:
        ConfigError: it lies outside the source either way.
    """
    held = (_below(job, spelling) for spelling in _spellings(text))
    path = next((path for path in held if path is not None), None)
    return path_below(job, text) if path is None else path


def _spellings(text: str) -> tuple[str, str]:
    """Give the absolute paths that a path may stand for, the likeliest first."""
    return os.path.abspath(text), os.path.realpath(text)


def _below(job: Job, text: str) -> bytes | None:
    """Give a path of this machine relative to a job's source; None: it lies outside, or the source is far."""
    if not isinstance(job.source, LocalPlace):
        return None
    try:
        return path_below(job, text)
    except ConfigError:
        return None


def _traces(
    wanted: list[tuple[Job, bytes]], found: Records, options: HistoryOptions, *, lines: Lines
) -> tuple[list[_Told], Exit]:
    """Find the past of each; where a catalog cannot be used, say so and go on."""
    now = datetime.datetime.now(datetime.UTC)
    since = None if options.since is None else past_moment(options.since, now=now)
    kinds = [ChangeKind(kind) for kind in options.kind]
    told, code = [], Exit.DONE
    for job, path in wanted:
        try:
            record = found.of(job)
        except RunError as error:
            error_line(lines.mask(f"dirsync: {error}"))
            code = Exit.FAILED
            continue
        if record is not None:
            told.append(_Told(job, path, Trace(record, path, since=since, kinds=kinds)))
        elif not options.json and (len(wanted) == 1 or isinstance(job, TrackJob)):
            lines.line(f"{job.name}  nothing is recorded yet; the first run begins the record")
    return told, code


# What happened


def _dated(told: _Told) -> Generator[tuple[_Told, Event], None, None]:
    for event in told.trace.events():
        yield told, event


def _when(item: tuple[_Told, Event]) -> datetime.datetime:
    run = item[1].run
    return _LONG_AGO if run is None else run.started_at


def _tell(events: Iterator[tuple[_Told, Event]], options: HistoryOptions, *, lines: Lines) -> dict[str, int]:
    """Print the changes, run by run; give how many there were of each job."""
    seen: dict[str, int] = {}
    batch: list[str] = []
    records: list[Fields] = []
    group: tuple[str, int] | None = None
    for told, event in events:
        name = told.job.name
        seen[name] = seen.get(name, 0) + 1
        if options.json:
            records.append(recorded_fields(event.change, event.run, job=name))
        else:
            if group != (name, event.change.run_id):
                group = (name, event.change.run_id)
                batch.append(_run_line(name, event.change.run_id, event.run))
            batch.append(f"  {recorded_line(event.change, verbose=options.verbosity > 0)}")
        if max(len(batch), len(records)) >= _AT_ONCE:
            _write(batch, records, lines=lines)
    _write(batch, records, lines=lines)
    return seen


def _write(batch: list[str], records: list[Fields], *, lines: Lines) -> None:
    """Write what was gathered, which is of one of the two kinds, and gather anew."""
    if batch:
        lines.line("\n".join(batch))
        batch.clear()
    if records:
        lines.records(records)
        records.clear()


def _run_line(job: str, run_id: int, run: RecordedRun | None) -> str:
    if run is None:
        return f"{job}  run {run_id}"
    ago = human_seconds(max(0.0, (datetime.datetime.now(datetime.UTC) - run.started_at).total_seconds()))
    verify = "  verify" if run.type is JobType.CHECK else ""
    return f"{job}  run {run_id}{verify}  {_local(run)}{toned(f'  ({ago} ago)', Tone.FAINT)}"


def _local(run: RecordedRun) -> str:
    return f"{run.started_at.astimezone():%Y-%m-%d %H:%M:%S}"


# How it began


def _tell_beginning(told: _Told, options: HistoryOptions, *, lines: Lines, has_changes: bool) -> None:
    """Say what is known of a path besides its changes: that it is from before the first run, or unknown."""
    is_filtered = options.since is not None or bool(options.kind)
    if is_filtered and has_changes:
        return
    baseline, entry = told.trace.baseline(), told.trace.entry()
    if options.json:
        if not has_changes:
            lines.record(_standing(told, baseline, is_there=entry is not None))
        return
    name = shown(told.path) + (
        "/" if entry is not None and entry.kind is Kind.DIRECTORY and told.path else ""
    )
    if is_filtered:
        lines.line(f"{told.job.name}  {name}: no such change is recorded")
    elif not isinstance(told.job, TrackJob):
        if not has_changes:
            lines.line(f"{told.job.name}  {name}: no change of it is recorded")
    elif has_changes:
        if baseline is not None:
            lines.line(
                f"{told.job.name}  run {baseline.run_id}  {_local(baseline)}  the first run recorded it"
            )
    elif entry is None and told.path:
        lines.line(f"{told.job.name}  {name}: not in the catalog; no run has seen it")
    elif baseline is not None:
        lines.line(
            f"{told.job.name}  {name}: recorded by the first run "
            f"(run {baseline.run_id}, {_local(baseline)}); unchanged since"
        )
    else:
        lines.line(f"{told.job.name}  {name}: in the catalog; no change of it is on record any more")
    _tell_pruned(told, lines=lines)


def _tell_pruned(told: _Told, *, lines: Lines) -> None:
    pruned = told.trace.pruned()
    if pruned is not None:
        made_at = f"{pruned.made_at.astimezone():%Y-%m-%d}"
        lines.line(
            f"{told.job.name}  what runs did up to run {pruned.run_id} was pruned on {made_at}, "
            "as 'keep' asks"
        )


def _standing(told: _Told, baseline: RecordedRun | None, *, is_there: bool) -> Fields:
    return {
        "event": "standing",
        "job": told.job.name,
        **path_fields("path", told.path),
        "in_catalog": is_there,
        "first_run_id": None if baseline is None else baseline.run_id,
        "first_run_at": None if baseline is None else moment(baseline.started_at),
    }
