"""List what was deleted or overwritten and can be restored."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from dirsync.cli.exit_codes import Exit
from dirsync.cli.output.lines import Lines
from dirsync.cli.output.machine import Fields, moment, path_fields
from dirsync.cli.output.table import table
from dirsync.cli.output.units import human_bytes
from dirsync.cli.parsing import Options, Parser, add_common, add_json, config_file
from dirsync.cli.paths import path_below
from dirsync.cli.selection import mirror_job_named
from dirsync.config import load
from dirsync.model.entry import Entry, Kind
from dirsync.model.names import shown
from dirsync.model.version import Version
from dirsync.runner.restoring import versions_of

_HEADER = ("until", "run", "size", "modified", "path")


class VersionsOptions(Options):
    """What `versions` can be told."""

    job: str
    path: str | None


def parser() -> Parser:
    """Make the parser of `versions`."""
    made = Parser(
        usage="dirsync versions JOB [PATH] [-c FILE] [--json]",
        description="List what was deleted or overwritten at or beneath PATH (else anywhere), newest first.\n"
        "'until' is when it went: 'dirsync restore JOB PATH --at' that moment brings it back.",
    )
    made.add_argument("job", metavar="JOB")
    made.add_argument("path", metavar="PATH", nargs="?")
    add_json(made)
    add_common(made)
    return made


def main(arguments: Sequence[str]) -> int:
    """List the versions of one path, or of all."""
    options = parser().parse_intermixed_args(arguments, namespace=VersionsOptions())  # PATH may come last
    configuration = load(config_file(options))
    job = mirror_job_named(configuration.jobs, options.job, to="keep versions at")
    path = None if options.path is None else path_below(job, options.path)
    lines = Lines(mask=configuration.mask)
    found = versions_of(job, path, state=configuration.state)
    if options.json:
        for version in found:
            lines.record(_fields(version, job=job.name))
        return Exit.DONE
    rows = [_row(version) for version in found]
    lines.line(table(_HEADER, rows) if rows else _nothing(path))
    return Exit.DONE


def _nothing(path: bytes | None) -> str:
    return "no versions are kept" + ("" if not path else f" of '{shown(path)}'")


def _row(version: Version) -> tuple[str, ...]:
    until = datetime.datetime.fromisoformat(version.displaced_at).astimezone()
    entry = version.entry
    return (
        f"{until:%Y-%m-%d %H:%M:%S}",
        str(version.run_id),
        human_bytes(entry.size) if entry.kind is Kind.FILE else entry.kind.value,
        _modified(entry),
        shown(version.path) + ("/" if entry.is_directory else ""),
    )


def _modified(entry: Entry) -> str:
    at = _moment_of(entry)
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}" if at is not None else f"{entry.mtime_ns} ns"


def _moment_of(entry: Entry) -> datetime.datetime | None:
    """Give when an entry was modified; None: in no year that a calendar here can tell."""
    try:
        return datetime.datetime.fromtimestamp(entry.mtime_ns / 1e9, datetime.UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _fields(version: Version, *, job: str) -> Fields:
    entry = version.entry
    return {
        "event": "version",
        "job": job,
        **path_fields("path", version.path),
        "kind": entry.kind.value,
        "size": entry.size,
        "mtime_ns": entry.mtime_ns,
        "until": moment(datetime.datetime.fromisoformat(version.displaced_at)),
        "run_id": version.run_id,
    }
