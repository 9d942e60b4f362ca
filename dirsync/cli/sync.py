"""Make one directory agree with another, without a configuration file."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence

from dirsync.cli.exit_codes import exit_code, exit_code_of_signal
from dirsync.cli.logs.setup import set_up
from dirsync.cli.output.lines import Lines
from dirsync.cli.parsing import Options, Parser, add_common, add_run_output, usage_error
from dirsync.cli.signals import stopping_on_signals
from dirsync.cli.watching import Show, run_watched
from dirsync.config import job_from_options
from dirsync.model.job import MirrorJob
from dirsync.model.names import local_text
from dirsync.model.stop import Stop

JOB_NAME = "sync"
_SETTING = "XDG_STATE_HOME"


class SyncOptions(Options):
    """What `sync` can be told; None: not told, so the default of jobs.yaml holds."""

    source: str
    destination: str
    include: list[str] | None
    exclude: list[str] | None
    ignore_file: list[str] | None
    compare: str | None
    symlinks: str | None
    delete: str | None
    delete_excluded: bool
    one_file_system: bool
    max_delete: str | None
    durability: str | None
    workers: str | None
    timeout: str | None
    interval: str | None
    log: str | None


def parser() -> Parser:
    """Make the parser of `sync`."""
    made = Parser(
        usage="dirsync sync SRC DST [options]",
        description="Make DST agree with SRC: what SRC holds is copied, what it does not hold is deleted.",
    )
    made.add_argument("source", metavar="SRC", help="the directory to copy from")
    made.add_argument(
        "destination", metavar="DST", help="the directory to copy to; made if its parent exists"
    )
    for name in ("include", "exclude"):
        made.add_argument(f"--{name}", action="append", metavar="P", help="a gitignore line; repeatable")
    made.add_argument(
        "--ignore-file", action="append", metavar="NAME", help="honour files of this name, as .gitignore"
    )
    made.add_argument(
        "--compare",
        metavar="size,mtime,…",
        help="what counts as different; also mode, ownership, hash, xattrs",
    )
    made.add_argument(
        "--symlinks",
        metavar="preserve|follow|skip",
        help="what happens to symlinks of SRC (default: preserve)",
    )
    made.add_argument("--delete", metavar="trash|remove|keep", help="what happens to what SRC no longer has")
    made.add_argument("--delete-excluded", action="store_true", help="delete what is excluded from DST too")
    made.add_argument("--one-file-system", action="store_true", help="stay on the file system of SRC")
    made.add_argument(
        "--max-delete", metavar="N|N%|off", help="refuse to delete more than that (default: 50%%)"
    )
    made.add_argument("--durability", metavar="full|none", help="full: exit 0 means it survives a power cut")
    made.add_argument("--workers", metavar="N", help="how many files are copied at once")
    made.add_argument("--timeout", metavar="TIME", help="the longest a run may take, as 30m")
    made.add_argument(
        "-i", "--interval", metavar="TIME", help="repeat that long after each start, until a signal"
    )
    made.add_argument("-l", "--log", metavar="FILE", help="write a log to this file")
    add_run_output(made)
    add_common(made)
    return made


def main(arguments: Sequence[str]) -> int:
    """Sync once, or again and again."""
    options = parser().parse_args(arguments, namespace=SyncOptions())
    if options.config is not None:
        raise usage_error("sync needs no configuration file; drop -c, or run a job with --job NAME --now")
    job = job_from_options(JOB_NAME, declared(options), state=_states(), setting=f"${_SETTING}")
    show = Show.of(options)
    set_up(show.logging, jobs=[job], base=None)
    with stopping_on_signals() as stop:
        lines = Lines(stop=stop)
        code = _sync(job, state=_made_state(job), show=show, lines=lines, stop=stop)
        lines.check()
    return code


def declared(options: SyncOptions) -> dict[str, object]:
    """Write what was asked for as the keys of a job; what was not asked for is left out."""
    keys: dict[str, object] = {
        "source": options.source,
        "destination": options.destination,
        "include": options.include,
        "exclude": options.exclude,
        "ignore_files": options.ignore_file,
        "compare": options.compare.split(",") if options.compare is not None else None,
        "symlinks": options.symlinks,
        "delete": options.delete,
        "delete_excluded": options.delete_excluded or None,
        "one_file_system": options.one_file_system or None,
        "guard": _guard(options),
        "durability": options.durability,
        "workers": options.workers,
        "timeout": options.timeout,
        "interval": options.interval,
        "log": {"file": os.path.abspath(options.log)} if options.log is not None else None,
    }
    return {key: value for key, value in keys.items() if value is not None}


def _guard(options: SyncOptions) -> dict[str, object]:
    """Hold no plan: `approve` takes the name of a declared job."""
    limit = {} if options.max_delete is None else {"max_delete": options.max_delete}
    return {"on_trip": "fail", **limit}


def state_directory(job: MirrorJob) -> str:
    """Name the directory where runs of this source to this destination are recorded."""
    ends = job.source.name + b"\0" + job.destination.path
    return os.path.join(_states(), f"sync-{hashlib.blake2b(ends, digest_size=8).hexdigest()}")


def _states() -> str:
    """Name the directory that holds those of all pairs."""
    home = os.environ.get(_SETTING) or os.path.expanduser("~/.local/state")
    return os.path.join(home, "dirsync")


def _made_state(job: MirrorJob) -> str:
    state = state_directory(job)
    try:
        os.makedirs(state, mode=0o700, exist_ok=True)
    except OSError as error:
        place = local_text(os.fsencode(state))
        raise usage_error(f"no place to record runs: '{place}': {error.strerror}; set {_SETTING}") from error
    return state


def _sync(job: MirrorJob, *, state: str, show: Show, lines: Lines, stop: Stop) -> int:
    """Sync, and where there is an interval, again until a signal."""
    every_seconds = job.schedule.every_seconds if job.schedule is not None else None
    while True:
        started_at = time.monotonic()
        result = run_watched(
            job, state=state, show=show, lines=lines, stop=stop, repeated=every_seconds is not None
        )
        if every_seconds is None:
            return exit_code([result])
        if stop.wait(max(0.0, every_seconds - (time.monotonic() - started_at))):
            assert stop.signal_number is not None
            return exit_code_of_signal(stop.signal_number)
