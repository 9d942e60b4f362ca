"""From a file's name to a checked configuration, pass by pass.

Each pass does one thing and notes what is wrong; the next goes on with what is right,
so that everything wrong is told at once:

read and expand → gather and check each document → inherit → check and build each
job → check the places of all jobs
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from dirsync.config.building import Surroundings, built, digest
from dirsync.config.catalogs import catalog_place, passwords_in
from dirsync.config.configuration import Configuration, SecretReference
from dirsync.config.far_ends import places_of
from dirsync.config.gathering import Declarations, gathered
from dirsync.config.inheritance import EMPTY, PROGRAM, Effective, Inheritance, laid_over
from dirsync.config.keys import FileKeys, JobKeys
from dirsync.config.mask import Mask
from dirsync.config.nodes import Entry, MappingNode, Origin, ScalarNode, locate, mapping_of
from dirsync.config.notifiers import check_notified, hidden_in, notifiers_in
from dirsync.config.options import command_line, node_of_options
from dirsync.config.overlaps import DeclaredJob, check_places, without_state
from dirsync.config.pings import ping_of, tokens_in
from dirsync.config.problems import Problems
from dirsync.config.rules import (
    check_contradictions,
    check_job,
    check_name,
    check_own_keys,
    check_report,
    check_secret,
)
from dirsync.config.serving import endpoints_of, serving_of
from dirsync.config.sources import Sources, read_sources
from dirsync.config.validation import checked
from dirsync.config.written_files import check_written_files
from dirsync.errors import ConfigError
from dirsync.model.job import JobType, MirrorJob

DEFAULT_STATE = ".dirsync"


def load(file: str) -> Configuration:
    """Read jobs.yaml, check all of it, and give its jobs.

    Reads the files it includes, the secrets it names (to mask them) and the places of
    its jobs (to see whether they overlap); changes nothing.

    Raises:
        ConfigError: with every problem there is.
    """
    problems = Problems()
    sources = read_sources(file, os.environ, problems)
    declarations = gathered(sources, problems)
    _check_file(sources, declarations, problems)
    state = declarations.keys.state or os.path.join(sources.main.origin.file.directory, DEFAULT_STATE)
    state_is_wrong = declarations.keys.state is None and sources.main.get("state") is not None
    catalog = catalog_place(declarations.keys.catalog, sources.main, state=state, problems=problems)
    endpoints = endpoints_of(declarations.keys, sources.main, problems)
    serving = serving_of(declarations.keys, sources.main, problems)
    around = Surroundings(
        sources.main.origin.file.directory,
        catalog,
        frozenset(_secret_variables(declarations.keys)),
        endpoints,
    )
    jobs = tuple(_jobs(declarations, problems, around))
    check_places(jobs, None if state_is_wrong else state, problems)
    notifiers = notifiers_in(sources.main, problems)
    report = digest(declarations.keys.report, job="all")
    check_written_files(jobs, report, catalog, sources.main, problems)
    check_notified(jobs, report, sources.main, problems)
    problems.raise_if_any()
    return Configuration(
        file=file,
        files=sources.files,
        state=state,
        jobs=tuple(each.job for each in jobs),
        mask=Mask.of(
            [
                *problems.secrets.values(),
                *passwords_in(catalog),
                *(token for each in jobs for token in tokens_in(each.job.ping)),
                *hidden_in(notifiers),
            ]
        ),
        endpoints=tuple(endpoints.values()),
        serving=serving,
        secrets=_references(declarations.keys),
        catalog=catalog,
        catalog_secret=declarations.keys.catalog.secret if declarations.keys.catalog else None,
        notifiers=notifiers,
        report=report,
    )


def job_from_options(name: str, options: Mapping[str, object], *, state: str, setting: str) -> MirrorJob:
    """Make a sync job of the command line's options; their names are the keys of a job in jobs.yaml.

    A text is read as the type its key wants; None means not given. `~` is expanded,
    `${VAR}` is not: the shell did. `state` is where runs are recorded, as `setting` says: the
    source is taken without it, and the destination must not hold it.

    Raises:
        ConfigError: with every problem, each beginning `command line: `.
    """
    problems = Problems()
    origin = command_line()
    own = node_of_options(options, origin)
    check_name(ScalarNode(name, origin), "", problems)
    check_contradictions(laid_over(PROGRAM, own), problems, path="")
    effective = Effective(laid_over(PROGRAM, own), complete=True)
    job = _job(name, effective, problems, Surroundings(os.getcwd()), path="", origin=origin)
    if job is not None and not isinstance(job.job, MirrorJob):
        text = "is on another machine; declare the job in jobs.yaml, and run it with --job NAME --now"
        problems.add(origin, "destination", text)
    elif job is not None:
        job = without_state(job, state)
        check_places([job], state, problems, setting=setting)
        check_written_files([job], None, None, own, problems)
    if job is None or len(problems):
        raise ConfigError(problems.lines())
    assert isinstance(job.job, MirrorJob)
    return job.job


def _check_file(sources: Sources, declarations: Declarations, problems: Problems) -> None:
    """Check what the main file must say, whatever its jobs are."""
    first = Origin(sources.main.origin.file, 1)
    if sources.main.get("version") is None:
        problems.add(first, "version", "is missing; write 'version: 1'")
    serves = declarations.keys.serve is not None
    if not serves and not declarations.fragments.keys() & set(declarations.jobs) and not len(problems):
        problems.add(first, "jobs", "no job is declared; write one, with 'source' and 'destination'")
    for name, keys in (declarations.keys.secrets or {}).items():
        spot = locate(sources.main, ("secrets", name), path="", origin=first)
        check_secret(keys, spot.origin, spot.path, problems)
    report = mapping_of(sources.main.get("report"))
    if report is not None:
        entry = Entry(sources.main.entries["report"].key, laid_over(EMPTY, report, section="report"))
        node = MappingNode({"report": entry}, sources.main.origin)
        check_contradictions(node, problems, path="")
        check_report(declarations.keys.report, node, problems, path="")


def _jobs(declarations: Declarations, problems: Problems, around: Surroundings) -> Iterator[DeclaredJob]:
    """Give every job that is right in itself."""
    inheritance = Inheritance(declarations.fragments, declarations.defaults, problems)
    for name in declarations.fragments:
        effective = inheritance.of(name)
        fragment = declarations.fragments[name]
        if name in declarations.jobs:
            origin = fragment.entry.key.origin
            job = _job(name, effective, problems, around, path=fragment.path, origin=origin)
            check_own_keys(fragment.own, effective.node, problems, path=fragment.path)
            if job is not None:
                yield job


def _job(
    name: str,
    effective: Effective,
    problems: Problems,
    around: Surroundings,
    *,
    path: str,
    origin: Origin,
) -> DeclaredJob | None:
    """Check and build one job; None where it has no source or destination to go on with."""
    node = effective.node
    keys = checked(JobKeys, node, problems, path=path)
    check_job(keys, node, problems, path=path, origin=origin, complete=effective.complete)
    if keys.source is None or (keys.destination is None and keys.type is not JobType.TRACK):
        return None
    places = places_of(keys, node, problems, path=path, endpoints=around.endpoints)
    ping = ping_of(keys.ping_url, node, problems, path=path)
    if places is None:
        return None
    return DeclaredJob(built(name, keys, around, places=places, ping=ping), node, path, origin)


def _secret_variables(keys: FileKeys) -> Iterator[str]:
    """Name the variables that hold secrets."""
    for secret in (keys.secrets or {}).values():
        if secret.environment is not None:
            yield secret.environment


def _references(keys: FileKeys) -> tuple[SecretReference, ...]:
    return tuple(
        SecretReference(name=name, environment=secret.environment, file=secret.file)
        for name, secret in (keys.secrets or {}).items()
    )
