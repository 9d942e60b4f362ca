"""`catalog init`, `verify` and `key`: beginning a catalog, auditing it, sealing it with a key."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from dirsync.catalog.audit import Audited
from dirsync.catalog.flaws import Flaw
from dirsync.cli.exit_codes import Exit
from dirsync.cli.output.lines import Lines, error_line
from dirsync.cli.output.machine import Fields, path_fields
from dirsync.cli.output.units import human_count, human_seconds, plural
from dirsync.cli.parsing import Options, Parser, add_common, add_json, config_file, one_of, usage_error
from dirsync.cli.selection import job_named
from dirsync.config import Configuration, load
from dirsync.errors import RunError, Skipped
from dirsync.model.job import Job
from dirsync.model.place import CatalogPlace
from dirsync.runner.tracking.auditing import verify_catalog
from dirsync.runner.tracking.beginning import begin_anew, go_on_with_copy, make_catalog
from dirsync.runner.tracking.keying import seal_with_key

_LISTED = 100  # flaws that are shown to people; the rest are counted


class CatalogOptions(Options):
    """What `catalog` can be told."""

    action: str
    job: str | None  # None: the catalog as a whole
    yes: bool
    as_is: bool


def parser() -> Parser:
    """Make the parser of `catalog`."""
    made = Parser(
        usage="dirsync catalog init [JOB] [--yes | --as-is] [-c FILE]\n"
        "       dirsync catalog verify [JOB] [-c FILE] [--json] [-q]\n"
        "       dirsync catalog key [-c FILE]",
        description="init    make the catalog; with JOB, begin that job anew in it\n"
        "verify  check that nobody has altered what is recorded, of JOB or of all\n"
        "key     make the key that seals what is recorded, and seal with it what is there",
    )
    made.add_argument("action", metavar="ACTION", type=one_of("init", "verify", "key"))
    made.add_argument("job", metavar="JOB", nargs="?")
    made.add_argument("--yes", action="store_true", help="init JOB: remove the history that it has")
    made.add_argument(
        "--as-is",
        action="store_true",
        help="init JOB: go on with the catalog as it is, a copy that was put back",
    )
    add_json(made)
    add_common(made)
    return made


def main(arguments: Sequence[str]) -> int:
    """Do one of the three."""
    options = parser().parse_intermixed_args(arguments, namespace=CatalogOptions())
    _check(options)
    configuration = load(config_file(options))
    lines = Lines(mask=configuration.mask)
    try:
        return _ACTIONS[options.action](options, configuration, lines)
    except Skipped as error:
        error_line(configuration.mask(f"dirsync: {error}"))
        return Exit.SKIPPED
    except RunError as error:
        raise RunError(configuration.mask(str(error))) from error


def _check(options: CatalogOptions) -> None:
    """Check that the options go together.

    Raises:
        ConfigError: they do not.
    """
    if (options.yes or options.as_is) and (options.action != "init" or options.job is None):
        raise usage_error("--yes and --as-is go with 'catalog init JOB'")
    if options.yes and options.as_is:
        raise usage_error("--yes removes the history and --as-is keeps it; choose one")
    if options.action == "key" and options.job is not None:
        raise usage_error("'catalog key' takes no job: the key is that of the whole catalog")
    if options.json and options.action != "verify":
        raise usage_error("--json goes with 'catalog verify'")


def _init(options: CatalogOptions, configuration: Configuration, lines: Lines) -> int:
    said = _said(options, lines)
    jobs = [job for job in configuration.jobs if job.catalog is not None]
    if options.job is None:
        place = _place(configuration)
        make_catalog(place, jobs, state=configuration.state, said=said)
        said("the catalog is there, and can be used")
        return Exit.DONE
    job = job_named(configuration.jobs, options.job)
    if options.as_is:
        go_on_with_copy(job, state=configuration.state, said=said)
    else:
        begin_anew(job, jobs, state=configuration.state, is_confirmed=options.yes, said=said)
    return Exit.DONE


def _key(options: CatalogOptions, configuration: Configuration, lines: Lines) -> int:
    names = [job.name for job in configuration.jobs]
    seal_with_key(_place(configuration), names, state=configuration.state, said=_said(options, lines))
    return Exit.DONE


def _verify(options: CatalogOptions, configuration: Configuration, lines: Lines) -> int:
    job = None if options.job is None else job_named(configuration.jobs, options.job)
    listing = _Listing(options, lines)
    started = time.monotonic()
    try:
        audited = verify_catalog(
            _place(configuration) if job is None else _place_of(job),
            state=configuration.state,
            job=options.job,
            found=listing.found,
            noticed=listing.noticed,
        )
    except RunError as error:
        if options.json:
            lines.record(_result(Audited(), flaws=listing.count, error=str(error)))
        raise
    if options.json:
        lines.record(_result(audited, flaws=listing.count, error=None))
    elif not options.quiet:
        lines.line(_summary(audited, flaws=listing.count, seconds=time.monotonic() - started))
    return Exit.DIFFERENCES if listing.count else Exit.DONE


_ACTIONS: dict[str, Callable[[CatalogOptions, Configuration, Lines], int]] = {
    "init": _init,
    "verify": _verify,
    "key": _key,
}


class _Listing:
    """Writes flaws as they are found."""

    def __init__(self, options: CatalogOptions, lines: Lines) -> None:
        self._json = options.json
        self._quiet = options.quiet
        self._lines = lines
        self.count = 0

    def found(self, flaw: Flaw) -> None:
        """Write one; for people, the first hundred."""
        self.count += 1
        if self._json:
            self._lines.record(_fields(flaw))
        elif self.count <= _LISTED:
            self._lines.line(f"{flaw.job}: {flaw.text}" if flaw.job else flaw.text)

    def noticed(self, text: str) -> None:
        """Write what is to be known besides."""
        if not self._quiet:
            error_line(self._lines.mask(text))


def _said(options: CatalogOptions, lines: Lines) -> Callable[[str], None]:
    return (lambda text: None) if options.quiet else lines.line


def _place(configuration: Configuration) -> CatalogPlace:
    assert configuration.catalog is not None  # only a file with problems has none, and it is not loaded
    return configuration.catalog


def _place_of(job: Job) -> CatalogPlace:
    if job.catalog is None:
        raise usage_error(f"'{job.name}' has no catalog")
    return job.catalog


def _summary(audited: Audited, *, flaws: int, seconds: float) -> str:
    what = ", ".join(
        (
            plural(audited.jobs, "job", "jobs"),
            plural(audited.runs, "run", "runs"),
            plural(audited.changes, "change", "changes"),
            plural(audited.directories, "directory", "directories"),
            plural(audited.entries, "entry", "entries"),
        )
    )
    more = f"; the first {_LISTED} are listed" if flaws > _LISTED else ""
    verdict = (
        f"not sound: {human_count(flaws)} {'flaw' if flaws == 1 else 'flaws'}{more}" if flaws else "sound"
    )
    return f"the catalog is {verdict}; {what} verified ({human_seconds(seconds)})"


def _fields(flaw: Flaw) -> Fields:
    return {
        "event": "flaw",
        "job": flaw.job or None,
        "kind": flaw.kind.value,
        "path": None,
        **({} if flaw.path is None else path_fields("path", flaw.path)),
        "run_id": flaw.run_id,
        "change_id": flaw.change_id,
        "text": flaw.text,
    }


def _result(audited: Audited, *, flaws: int, error: str | None) -> Fields:
    return {
        "event": "result",
        "type": "catalog",
        "sound": not flaws and error is None,
        "flaws": flaws,
        "verified": {
            "jobs": audited.jobs,
            "runs": audited.runs,
            "changes": audited.changes,
            "directories": audited.directories,
            "entries": audited.entries,
        },
        "error": error,
    }
