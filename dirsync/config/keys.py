"""Every key of jobs.yaml, as models: what may be written, not what comes of it.

A field has the name of the model's attribute it becomes, and the key as its alias where
the two differ. A field that is `exclude`d becomes nothing: it has one value so far, or
is used up before. `later` maps keys of later releases to what to write instead.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dirsync.config import timing_fields as timing
from dirsync.config import tree_fields as tree
from dirsync.config.counted import Counted
from dirsync.config.leaves import choice, only
from dirsync.config.nodes import ScalarNode, is_null
from dirsync.model.job import (
    Compare,
    DeletePolicy,
    Durability,
    HashAlgorithm,
    JobType,
    OnError,
    OnTrip,
    Preserve,
    ReportFormat,
    Severity,
    SymlinkPolicy,
    Verify,
)

_DROP = "remove it"


class Keys(BaseModel):
    """The keys of one mapping."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        arbitrary_types_allowed=True,
        defer_build=True,
    )
    later: ClassVar[dict[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def without_nulls(cls, values: Any) -> Any:
        """Leave out known keys without a value; an unknown key is wrong with or without one."""
        if not isinstance(values, dict):
            return values
        empty = {key for key, value in values.items() if isinstance(value, ScalarNode) and is_null(value)}
        dropped = empty.intersection(names_of(cls)) if empty else empty
        return {key: value for key, value in values.items() if key not in dropped}


class GuardKeys(Keys):
    """What must hold of a plan before its first change."""

    max_delete: tree.Share | None = Field(
        None, description="Entries to delete: a share of those at the destination, a number, or off"
    )
    max_change: tree.Share | None = Field(
        None,
        description="Entries to alter, move or delete: a share of those at the destination, a number, or off",
    )
    min_free: tree.Free | None = Field(
        None, description="What must stay free at the destination: a share, a size, or off"
    )
    source_not_empty: tree.Flag | None = Field(None, description="Refuse a source without entries")
    marker: tree.PathBelow | None = Field(
        None, description="A file that must be there, as a path below the root"
    )
    mountpoint: tree.Flag | None = Field(None, description="The destination must be a mount point")
    on_trip: Annotated[OnTrip, choice(OnTrip)] | None = Field(
        None, description="hold: a tripped guard keeps the plan for `approve`; fail: it does not"
    )


class CompareKeys(Keys):
    """What counts as different."""

    by: frozenset[Annotated[Compare, choice(Compare)]] | None = Field(
        None, description="The attributes compared"
    )
    modify_window_ns: timing.Nanoseconds | None = Field(
        None, alias="modify_window", description="Seconds, or a duration, by which equal mtimes may differ"
    )
    algorithm: Annotated[HashAlgorithm, choice(HashAlgorithm)] | None = Field(
        None, alias="hash", description="The hash of `hash`"
    )


class VersionsKeys(Keys):
    """How long what was deleted or overwritten can be restored."""

    keep_seconds: timing.Timeout | None = Field(
        None, alias="keep", description="For that long, or none: for ever"
    )
    count: tree.VersionCount | None = Field(None, description="The most versions of one path")


class FingerprintKeys(Keys):
    """How content that seems unchanged is read again in time."""

    refresh_seconds: timing.Timeout | None = Field(
        None, alias="refresh", description="Read each file again at least that often; none: only by `verify`"
    )
    budget_bytes: tree.Budget | None = Field(
        None, alias="budget", description="The most that one run reads again, as 500G; none: no limit"
    )


class RuleKeys(Keys):
    """Which attributes count at the paths that a pattern matches, and how much a change there matters."""

    pattern: tree.Pattern | None = Field(None, alias="path", description="A gitignore line")
    attributes: frozenset[Annotated[Counted, choice(Counted)]] | None = Field(
        None, description="What counts there; growing: a file may become longer"
    )
    severity: Annotated[Severity, choice(Severity)] | None = Field(
        None, description="How much a change there matters"
    )


class RetriesKeys(Keys):
    """How often a transient error is tried again."""

    attempts: tree.Attempts | None = Field(None, description="Tries in all")
    wait_seconds: timing.Duration | None = Field(
        None, alias="wait", description="The pause between two tries"
    )


class LogKeys(Keys):
    """Where and how loudly one job logs."""

    level: tree.Level | None = Field(None, description="The lowest level written")
    file: tree.Path | None = Field(None, description="The log file")


class ScheduleKeys(Keys):
    """When a job is due: one of every, at and cron; the rest shapes it."""

    every_seconds: timing.Interval | None = Field(
        None, alias="every", description="Run again that long after the last start"
    )
    at: tuple[timing.Moment, ...] | None = Field(None, description="Times of day")
    on: frozenset[timing.Day] | None = Field(None, description="Days of the week")
    cron: timing.Cron | None = Field(None, description="Five cron fields")
    timezone: timing.Timezone | None = Field(None, description="An IANA name, as Europe/Berlin")
    jitter_seconds: timing.Duration | None = Field(
        None, alias="jitter", description="The most that a start is put off by chance"
    )
    start: timing.FirstRun | None = Field(None, description="The first run")
    run_missed: tree.Flag | None = Field(
        None, description="Run at once what was due while the scheduler was down"
    )
    window: timing.Hours | None = Field(
        None, description="The hours in which a run may start, as 20:00-06:00"
    )


class ReportKeys(Keys):
    """A report of the job that is written on a schedule of its own."""

    schedule: ScheduleKeys | None = Field(None, exclude=True, description="When it is written")
    to: tree.ReportFile | None = Field(
        None, description="The file, as reports/{job}-%Y-%m-%d.html; its directory must be there"
    )
    format: Annotated[ReportFormat, choice(ReportFormat)] | None = Field(
        None, description="What it is written as"
    )
    since_seconds: timing.Interval | None = Field(
        None, alias="since", description="How far it looks back, as 1d or 7d"
    )


class JobKeys(Keys):
    """The keys of a job, a profile or the defaults."""

    later: ClassVar[dict[str, str]] = {
        "stale_after": f"{_DROP}, and watch 'status'",
        "notify": f"{_DROP}, and act on the exit code",
        "hooks": f"{_DROP}, and run dirsync from a script",
    }

    type: Annotated[JobType, choice(JobType)] | None = Field(
        None,
        description="sync: make the destination agree; track: record the source in the catalog; "
        "check: report how the two differ",
    )
    source: tree.Place | None = Field(None, description="The directory to copy from")
    destination: tree.Place | None = Field(None, description="The directory to copy to")
    extends: tree.Text | None = Field(
        None, exclude=True, description="The job or profile whose keys are inherited"
    )
    enabled: tree.Flag | None = Field(None, description="Whether the scheduler and --now run it")
    interval: timing.Interval | None = Field(
        None, exclude=True, description="Run, then again that long after the last start"
    )
    schedule: ScheduleKeys | None = Field(None, exclude=True, description="When it runs, instead of interval")
    watch: Annotated[bool, only("false", later=["true"], instead="write 'interval: 30s'")] | None = Field(
        None, exclude=True, description="Run on file-system events as well"
    )
    include: tuple[tree.Pattern, ...] | None = Field(
        None, description="gitignore lines; one must match what is selected"
    )
    exclude: tuple[tree.Pattern, ...] | None = Field(
        None, description="gitignore lines; none may match what is selected"
    )
    ignore_files: tuple[tree.FileName, ...] | None = Field(None, description="Names of nested ignore files")
    one_file_system: tree.Flag | None = Field(None, description="Do not enter other file systems")
    compare: CompareKeys | None = Field(None, exclude=True, description="What counts as different")
    preserve: frozenset[Annotated[Preserve, choice(Preserve)]] | None = Field(
        None, description="What is carried over besides the data"
    )
    symlinks: Annotated[SymlinkPolicy, choice(SymlinkPolicy)] | None = Field(
        None, description="What happens to symlinks of the source"
    )
    delete: Annotated[DeletePolicy, choice(DeletePolicy)] | None = Field(
        None, description="What happens to what the source no longer has, and to what is overwritten"
    )
    delete_excluded: tree.Flag | None = Field(
        None, description="Delete what is excluded at the destination too"
    )
    versions: VersionsKeys | None = Field(
        None, exclude=True, description="How long what was deleted or overwritten can be restored"
    )
    moves: tree.Flag | None = Field(
        None, description="Rename at the destination what was renamed in the source"
    )
    fingerprint: FingerprintKeys | None = Field(
        None, exclude=True, description="How content that seems unchanged is read again in time"
    )
    rules: tuple[RuleKeys, ...] | None = Field(
        None, exclude=True, description="Which attributes count where; the last that matches a path decides"
    )
    keep_seconds: timing.Timeout | None = Field(
        None, alias="keep", description="How long changes and runs stay in the catalog, or none: for ever"
    )
    guard: GuardKeys | None = Field(None, exclude=True, description="What must hold before the first change")
    durability: Annotated[Durability, choice(Durability)] | None = Field(
        None, description="full: exit 0 means it survives a power cut"
    )
    verify: Annotated[Verify, choice(Verify)] | None = Field(
        None,
        description="What is read again from the disk and compared by hash: nothing, what was written, all",
    )
    on_error: Annotated[OnError, choice(OnError)] | None = Field(
        None, description="Whether the first path that fails ends the run"
    )
    retries: RetriesKeys | None = Field(
        None, exclude=True, description="How often a transient error is tried again"
    )
    timeout_seconds: timing.Timeout | None = Field(
        None, alias="timeout", description="The longest a run may take"
    )
    bandwidth: Annotated[str, only("none", instead="write 'bandwidth: none'")] | None = Field(
        None, exclude=True, description="The most bytes a second"
    )
    workers: tree.Workers | None = Field(None, description="How many files are copied at once")
    engine: Annotated[str, only("local", instead="write 'engine: local'")] | None = Field(
        None, exclude=True, description="Where the work is done"
    )
    log: LogKeys | None = Field(None, exclude=True, description="Where and how loudly the job logs")
    report: ReportKeys | None = Field(
        None, exclude=True, description="A report that is written on a schedule of its own"
    )


class SecretKeys(Keys):
    """Where a secret is kept: one of the two."""

    environment: tree.Text | None = Field(None, description="The variable that holds it")
    file: tree.Path | None = Field(None, description="The file that holds it")


class CatalogKeys(Keys):
    """Where the catalog is."""

    url: tree.Text | None = Field(None, description="sqlite:///absolute/path or postgresql://…")
    secret: tree.Text | None = Field(None, description="The secret that holds the URL")
    key: tree.Path | None = Field(None, description="The file of the key that seals its rows")


class IncludedKeys(Keys):
    """The keys of an included file."""

    version: tree.Version | None = Field(None, description="The version of this format")
    profiles: dict[str, JobKeys] | None = Field(None, description="Fragments of jobs, to extend")
    jobs: dict[str, JobKeys] | None = Field(None, description="The jobs, by name")


class FileKeys(IncludedKeys):
    """The keys of jobs.yaml."""

    later: ClassVar[dict[str, str]] = {
        "endpoints": f"{_DROP}, and write local paths in the jobs",
        "notifiers": f"{_DROP}, and act on the exit code",
    }

    state: tree.Path | None = Field(
        None, description="The directory of the run ledger, the locks and the held plans"
    )
    catalog: CatalogKeys | None = Field(
        None, description="Where track jobs record; <state>/catalog.db unless it says otherwise"
    )
    include: tuple[tree.Text, ...] | None = Field(
        None, description="Files of profiles and jobs; wildcards are allowed"
    )
    secrets: dict[str, SecretKeys] | None = Field(
        None, description="Where secrets are kept; they are never printed"
    )
    defaults: JobKeys | None = Field(None, description="What every job has unless it says otherwise")


SECTIONS: dict[str, type[Keys]] = {
    "guard": GuardKeys,
    "compare": CompareKeys,
    "retries": RetriesKeys,
    "log": LogKeys,
    "versions": VersionsKeys,
    "fingerprint": FingerprintKeys,
    "rules": RuleKeys,
    "schedule": ScheduleKeys,
    "report": ReportKeys,
}
APPENDABLE = {  # by section, a job's own keys under ""
    "": frozenset({"include", "exclude", "ignore_files", "preserve", "compare"}),
    "compare": frozenset({"by"}),
    "schedule": frozenset({"at", "on"}),
}


def names_of(keys: type[Keys]) -> list[str]:
    """List the keys that a mapping may hold."""
    return [field.alias or name for name, field in keys.model_fields.items()]
