"""Bring back what was deleted or overwritten."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence

from dirsync.cli.exit_codes import Exit, exit_code_of_signal
from dirsync.cli.moments import moment_named
from dirsync.cli.output.human import HumanObserver, Layout
from dirsync.cli.output.lines import Lines
from dirsync.cli.output.machine import MachineObserver, counts_fields
from dirsync.cli.output.units import human_bytes, plural
from dirsync.cli.parsing import Options, Parser, add_common, add_json, add_progress, config_file
from dirsync.cli.paths import path_below
from dirsync.cli.selection import mirror_job_named
from dirsync.cli.signals import stopping_on_signals
from dirsync.cli.watching import Show, progress_for
from dirsync.config import load
from dirsync.errors import Cancelled, RunError, Skipped
from dirsync.model.job import MirrorJob
from dirsync.model.names import local_text
from dirsync.model.result import Counts
from dirsync.model.stop import Deadline
from dirsync.runner.restoring import Request, Restore


class RestoreOptions(Options):
    """What `restore` can be told."""

    job: str
    path: str
    at: str | None
    to: str | None
    overwrite: bool


def parser() -> Parser:
    """Make the parser of `restore`."""
    made = Parser(
        usage="dirsync restore JOB PATH [--at TIME] [--to DIR] [--overwrite] [-c FILE] [--json]",
        description="Bring PATH back, with all beneath it, from the destination of JOB and its versions.\n"
        "PATH is relative to the job's source ('.' is all of it), or absolute and beneath it.",
    )
    made.add_argument("job", metavar="JOB")
    made.add_argument("path", metavar="PATH")
    made.add_argument(
        "--at", metavar="TIME", help="as it was then: '2026-11-21 12:30', or 2d ago; else as it last was"
    )
    made.add_argument("--to", metavar="DIR", help="put it below this directory, not below the source")
    made.add_argument("--overwrite", action="store_true", help="let it replace files that are there now")
    add_json(made)
    add_progress(made)
    add_common(made)
    made.set_defaults(dry_run=False)
    return made


def main(arguments: Sequence[str]) -> int:
    """Restore one path."""
    options = parser().parse_args(arguments, namespace=RestoreOptions())
    configuration = load(config_file(options))
    job = mirror_job_named(configuration.jobs, options.job, to="restore from")
    request = _request(job, options)
    with stopping_on_signals() as stop:
        lines = Lines(mask=configuration.mask, stop=stop)
        observer = _observer(job, options, lines=lines)
        restore = Restore(
            job, request, observer=observer, deadline=Deadline(stop, timeout_seconds=job.timeout_seconds)
        )
        error: RunError | None = None
        try:
            restore.run(state=configuration.state)
        except RunError as caught:
            error = caught
        _tell(job, request, restore.counts, error, options=options, lines=lines, observer=observer)
    lines.check()
    return _code(restore.counts, error)


def _request(job: MirrorJob, options: RestoreOptions) -> Request:
    now = datetime.datetime.now(datetime.UTC)
    return Request(
        path=path_below(job, options.path),
        at=None if options.at is None else moment_named(options.at, now=now),
        to=None if options.to is None else os.fsencode(os.path.abspath(options.to)),
        overwrite=options.overwrite,
    )


def _observer(job: MirrorJob, options: RestoreOptions, *, lines: Lines) -> HumanObserver | MachineObserver:
    if options.json:
        return MachineObserver(job, lines=lines, quiet=options.quiet)
    layout = Layout(lists_changes=options.verbosity > 0)
    progress = progress_for(job, Show.of(options), side_by_side=False)
    return HumanObserver(job, lines=lines, progress=progress, layout=layout)


def _tell(
    job: MirrorJob,
    request: Request,
    counts: Counts,
    error: RunError | None,
    *,
    options: RestoreOptions,
    lines: Lines,
    observer: HumanObserver | MachineObserver,
) -> None:
    if options.json:
        lines.record(
            {
                "event": "result",
                "job": job.name,
                "type": "restore",
                "counts": counts_fields(counts),
                "error": None if error is None else str(error),
            }
        )
        return
    assert isinstance(observer, HumanObserver)
    observer.ended(None if error is None else str(error))
    if error is None and not options.quiet:
        lines.line(f"{job.name}  {_summary(counts, local_text(request.to or job.source.name))}")


def _summary(counts: Counts, target: str) -> str:
    restored = counts.created + counts.modified
    if not restored:
        return "nothing to restore: it is all there" if not counts.failed else "nothing restored"
    size = f", {human_bytes(counts.bytes_copied)}" if counts.bytes_copied else ""
    return f"restored {plural(restored, 'entry', 'entries')}{size}, in {target}"


def _code(counts: Counts, error: RunError | None) -> int:
    match error:
        case None:
            return Exit.PARTIAL if counts.failed else Exit.DONE
        case Cancelled() if error.signal_number is not None:
            return exit_code_of_signal(error.signal_number)
        case Skipped():
            return Exit.SKIPPED
        case _:
            return Exit.FAILED
