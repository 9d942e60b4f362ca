"""Mark changes that a track job recorded as reviewed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from dirsync.catalog.accepting import Accepted
from dirsync.cli.exit_codes import Exit
from dirsync.cli.output.lines import Lines, error_line
from dirsync.cli.output.machine import Fields, moment, path_fields
from dirsync.cli.output.units import human_count, plural
from dirsync.cli.parsing import Options, Parser, add_common, add_json, config_file, count_of, usage_error
from dirsync.cli.paths import path_below
from dirsync.cli.selection import job_named
from dirsync.config import load
from dirsync.errors import Skipped
from dirsync.model.job import Job, Severity, TrackJob
from dirsync.model.names import shown
from dirsync.runner.accepting import accept_changes


class AcceptOptions(Options):
    """What `accept` can be told."""

    job: str
    path: str
    up_to: int | None


def parser() -> Parser:
    """Make the parser of `accept`."""
    made = Parser(
        usage="dirsync accept JOB [PATH] [--up-to RUN] [-c FILE] [--json] [-q]",
        description="Mark the open changes at and beneath PATH (else all) of a track job as reviewed:\n"
        "they leave the report. Of a file that rotted, its content as it is now becomes the one on record.",
    )
    made.add_argument("job", metavar="JOB")
    made.add_argument("path", metavar="PATH", nargs="?", default=".")
    made.add_argument(
        "--up-to", type=_run, metavar="RUN", help="only changes of this run and those before it"
    )
    add_json(made)
    add_common(made)
    return made


def main(arguments: Sequence[str]) -> int:
    """Accept the open changes of one path, or all."""
    options = parser().parse_intermixed_args(arguments, namespace=AcceptOptions())  # PATH may come last
    configuration = load(config_file(options))
    job = track_job_named(configuration.jobs, options.job)
    path = path_below(job, options.path)
    lines = Lines(mask=configuration.mask)
    try:
        accepted = accept_changes(job, path, state=configuration.state, last_run=options.up_to)
    except Skipped as busy:
        error_line(f"dirsync: {busy}")
        return Exit.SKIPPED
    if options.json:
        lines.record(_fields(job, path, accepted))
    elif not options.quiet:
        lines.line("\n".join(_words(job, path, accepted)))
    return Exit.DONE


def track_job_named(jobs: Sequence[Job], name: str) -> TrackJob:
    """Give one track job.

    Raises:
        ConfigError: there is no such job, or it is another type's.
    """
    job = job_named(jobs, name)
    if not isinstance(job, TrackJob):
        raise usage_error(f"'{name}' is a {job.type.value} job, whose changes are nobody's to accept")
    return job


def _words(job: TrackJob, path: bytes, accepted: Accepted | None) -> list[str]:
    where = f" at {shown(path)}" if path else ""
    if accepted is None:
        return [f"{job.name}  nothing to accept{where}: no change there is open"]
    by_severity = ", ".join(f"{human_count(count)} {severity.value}" for severity, count in _ranked(accepted))
    changes = plural(sum(accepted.counts.values()), "change", "changes")
    words = [f"{job.name}  accepted {changes}{where}: {by_severity}"]
    if accepted.rot:
        files = plural(accepted.rot, "rotted file is", "rotted files are")
        words.append(f"{job.name}  {files} on record now with the content found")
    return words


def _ranked(accepted: Accepted) -> list[tuple[Severity, int]]:
    """Give what was accepted, the gravest first."""
    return [
        (severity, accepted.counts[severity])
        for severity in reversed(Severity)
        if severity in accepted.counts
    ]


def _fields(job: TrackJob, path: bytes, accepted: Accepted | None) -> Fields:
    made = None if accepted is None else accepted.acceptance
    counts = {} if accepted is None else accepted.counts
    return {
        "event": "acceptance",
        "job": job.name,
        "acceptance_id": None if made is None else made.acceptance_id,
        "accepted_at": None if made is None else moment(made.accepted_at),
        "who": None if made is None else made.who,
        **path_fields("path", path),
        "counts": {severity.value: counts.get(severity, 0) for severity in reversed(Severity)},
        "rotted": 0 if accepted is None else accepted.rot,
    }


def _run(text: str) -> int:
    run = count_of(text)
    if run is None:
        raise argparse.ArgumentTypeError(f"'{text}' is no run; write its number, as 'history' shows it")
    return run
