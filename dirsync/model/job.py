"""The question: one job, as declared, with nothing left to look up."""

from __future__ import annotations

import enum
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from dirsync.model.notifier import Notify
from dirsync.model.place import CatalogPlace, FarPlace, LocalPlace, Place
from dirsync.model.timing import Schedule


class JobType(enum.Enum):
    """What a job does with what differs."""

    SYNC = "sync"
    TRACK = "track"
    CHECK = "check"


class Compare(enum.Enum):
    """What two entries are compared by."""

    SIZE = "size"
    MTIME = "mtime"
    MODE = "mode"
    OWNERSHIP = "ownership"
    HASH = "hash"
    XATTRS = "xattrs"


class Preserve(enum.Enum):
    """What a mirror carries over besides the data."""

    MTIME = "mtime"
    MODE = "mode"
    OWNERSHIP = "ownership"
    SYMLINKS = "symlinks"
    HARDLINKS = "hardlinks"
    SPARSE = "sparse"
    XATTRS = "xattrs"
    ACLS = "acls"


PRESERVED = frozenset(Preserve)  # unless a job says otherwise


class HashAlgorithm(enum.Enum):
    """How content is named."""

    BLAKE3 = "blake3"
    SHA256 = "sha256"


class SymlinkPolicy(enum.Enum):
    """What happens to symlinks of the source."""

    PRESERVE = "preserve"
    FOLLOW = "follow"
    SKIP = "skip"


class DeletePolicy(enum.Enum):
    """What happens to what the source no longer has, and to what is overwritten."""

    TRASH = "trash"
    REMOVE = "remove"
    KEEP = "keep"


class Durability(enum.Enum):
    """What exit 0 promises about a power cut."""

    FULL = "full"
    NONE = "none"


class Verify(enum.Enum):
    """What is read again from the disk and compared by hash before a run is done."""

    NONE = "none"
    WRITTEN = "written"
    ALL = "all"


class Severity(enum.Enum):
    """How much a change matters to who reads the report, least first."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class ReportFormat(enum.Enum):
    """What a report is written as."""

    HTML = "html"
    TEXT = "text"
    JSON = "json"


class OnTrip(enum.Enum):
    """What a guard that trips does with the plan."""

    HOLD = "hold"
    FAIL = "fail"


class OnError(enum.Enum):
    """Whether the first path that fails ends the run."""

    CONTINUE = "continue"
    STOP = "stop"


class PatternLine(NamedTuple):
    """One gitignore line, and where it was declared."""

    text: bytes
    file: str  # as the user named it: `jobs.yaml`, `photos/.gitignore`, `--exclude`
    line: int  # 1-based


class Comparison(Struct, frozen=True, kw_only=True):
    """What counts as different."""

    by: frozenset[Compare] = frozenset({Compare.SIZE, Compare.MTIME, Compare.MODE, Compare.OWNERSHIP})
    modify_window_ns: int = 0  # mtimes this close are equal
    algorithm: HashAlgorithm = HashAlgorithm.BLAKE3


class Limit(Struct, frozen=True, kw_only=True):
    """A bound, as a share of a whole or as an absolute figure; exactly one is set."""

    percent: float | None = None
    absolute: int | None = None  # entries, or bytes, as the guard says


class Guard(Struct, frozen=True, kw_only=True):
    """What must hold of a plan before its first change."""

    max_delete: Limit | None = field(default_factory=lambda: Limit(percent=50.0))  # None: off
    max_change: Limit | None = None
    min_free: Limit | None = field(default_factory=lambda: Limit(percent=1.0))
    source_not_empty: bool = True
    marker: bytes | None = None  # a path below the root; None: no marker asked for
    mountpoint: bool = False
    on_trip: OnTrip = OnTrip.HOLD


_DAY_SECONDS = 86_400.0


class Versions(Struct, frozen=True, kw_only=True):
    """How long what was deleted or overwritten can be restored."""

    keep_seconds: float | None = 30 * _DAY_SECONDS  # None: for ever
    count: int | None = None  # versions of one path; None: any number


class Retries(Struct, frozen=True, kw_only=True):
    """How often a transient error is tried again."""

    attempts: int = 3
    wait_seconds: float = 1.0


class JobLog(Struct, frozen=True, kw_only=True):
    """Where and how loudly one job logs."""

    level: str | None = None  # a logging level's name; None: log_conf.yaml decides
    file: str | None = None  # absolute path; None: `logs/<job>.log` through log_conf.yaml


class Rule(Struct, frozen=True, kw_only=True):
    """Which attributes count at the paths that a pattern matches, and how much a change there matters."""

    pattern: PatternLine
    attributes: frozenset[Compare]
    growing: bool = False  # a file may become longer: its size, mtime and content count only if it shrinks
    severity: Severity = Severity.WARNING


class Fingerprint(Struct, frozen=True, kw_only=True):
    """How content that seems unchanged is read again in time."""

    refresh_seconds: float | None = (
        None  # each file at least that often; None: only when `verify` is asked for
    )
    budget_bytes: int | None = None  # the most that one run reads again; None: no limit


class Digest(Struct, frozen=True, kw_only=True):
    """A report that is made on a schedule of its own: a file, a message or both."""

    schedule: Schedule
    files: tuple[str, ...] = ()  # absolute paths; `%Y` and the like stand for the time it is made
    notifiers: tuple[str, ...] = ()  # their names
    format: ReportFormat = ReportFormat.HTML
    since_seconds: float = 7 * _DAY_SECONDS  # how far it looks back


Command = tuple[str, ...]  # a program and its arguments


class Hooks(Struct, frozen=True, kw_only=True):
    """Commands that are run around each run of a job."""

    before: tuple[Command, ...] = ()
    after: tuple[Command, ...] = ()  # a run that came to its end
    on_error: tuple[Command, ...] = ()  # after one that did not do all
    finally_: tuple[Command, ...] = ()  # whatever came of it
    timeout_seconds: float | None = 3600.0  # the longest that one command may take; None: no limit
    directory: str  # absolute: where they are run
    withheld: frozenset[str] = frozenset()  # variables that hold secrets, which they do not get


class Ping(Struct, frozen=True, kw_only=True):
    """A service that raises an alarm when it is not called for too long."""

    url: str  # http or https; it may hold a token
    secret: str | None = None  # the secret that holds the URL; None: the file says it

    def __repr__(self) -> str:
        return f"Ping(secret={self.secret!r})"


class Job(Struct, frozen=True, kw_only=True):
    """One job, as declared: what all types have in common."""

    name: str
    type: JobType
    source: Place
    catalog: CatalogPlace | None = None  # None: no catalog hears of its runs
    enabled: bool = True
    schedule: Schedule | None = None  # None: runs only when asked to
    watch: bool = False  # the scheduler runs it when its source changes, too
    include: tuple[PatternLine, ...] = ()
    exclude: tuple[PatternLine, ...] = ()
    ignore_files: tuple[bytes, ...] = ()
    one_file_system: bool = False
    comparison: Comparison = field(default_factory=Comparison)
    symlinks: SymlinkPolicy = SymlinkPolicy.PRESERVE
    guard: Guard = field(default_factory=Guard)
    on_error: OnError = OnError.CONTINUE
    timeout_seconds: float | None = None  # None: no limit
    workers: int | None = None  # None: as many as pay
    log: JobLog = field(default_factory=JobLog)
    notify: tuple[Notify, ...] = ()  # who is told how its runs end
    report: Digest | None = None  # None: only when asked for
    hooks: Hooks | None = None
    stale_after_seconds: float | None = None  # an alarm when the last success is older; None: never
    ping: Ping | None = None  # called after each success; None: nobody is

    bandwidth: int | None = None  # the most bytes a second that are copied; None: no limit

    @property
    def source_as_read(self) -> Place:
        """The source, with its symlinks followed where the job asks for that."""
        return replace(self.source, follows_links=self.symlinks is SymlinkPolicy.FOLLOW)


class TwoTrees(Job, frozen=True, kw_only=True):
    """A job between two trees: `sync` makes the destination agree, `check` tells how it differs."""

    type: JobType = JobType.SYNC
    destination: Place
    preserve: frozenset[Preserve] = PRESERVED
    delete: DeletePolicy = DeletePolicy.TRASH
    delete_excluded: bool = False
    versions: Versions = field(default_factory=Versions)
    moves: bool = True  # a rename in the source is a rename at the destination
    durability: Durability = Durability.FULL
    verify: Verify = Verify.NONE
    retries: Retries = field(default_factory=Retries)


class MirrorJob(TwoTrees, frozen=True, kw_only=True):
    """A job whose destination is on this machine."""

    destination: LocalPlace


class PushJob(TwoTrees, frozen=True, kw_only=True):
    """A job whose destination is another machine's, which carries it out; its source is on this one."""

    source: LocalPlace
    destination: FarPlace


class TrackJob(Job, frozen=True, kw_only=True):
    """A job that records its source in the catalog, and every change of it."""

    type: JobType = JobType.TRACK
    source: LocalPlace
    moves: bool = True  # a rename is told as one, not as a deletion and a creation
    fingerprint: Fingerprint = field(default_factory=Fingerprint)
    rules: tuple[Rule, ...] = ()  # the last that matches a path counts
    keep_seconds: float | None = None  # how long changes and runs stay in the catalog; None: for ever


EVERY_JOB = "/all jobs"  # no job's name holds a slash


def every_job(report: Digest) -> Job:
    """Give what stands for all jobs where a report on them is due; it never runs."""
    return Job(name=EVERY_JOB, type=JobType.CHECK, source=LocalPlace(path=b"/"), report=report)
