"""Every key of jobs.yaml: what may be written, not what comes of it.

An attribute has the name of the model's attribute that it becomes, and `name` is how it
is written where the two differ.
"""

from __future__ import annotations

from dirsync.config import notify_fields as notified
from dirsync.config import timing_fields as timing
from dirsync.config import tree_fields as tree
from dirsync.config.counted import Counted
from dirsync.config.leaves import choice, only
from dirsync.config.shapes import Key, Keys, Mapped, Named, Section, TextOr, list_of, one_or_more_of, set_of
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
from dirsync.model.notifier import NotifierType, Occasion, Security
from dirsync.model.serving import Access


class GuardKeys(Keys):
    """What must hold of a plan before its first change."""

    max_delete = Key(tree.SHARE, "Entries to delete: a share of those at the destination, a number, or off")
    max_change = Key(
        tree.SHARE, "Entries to alter, move or delete: a share of those at the destination, a number, or off"
    )
    min_free = Key(tree.FREE, "What must stay free at the destination: a share, a size, or off")
    source_not_empty = Key(tree.FLAG, "Refuse a source without entries")
    marker = Key(tree.PATH_BELOW, "A file that must be there, as a path below the root")
    mountpoint = Key(tree.FLAG, "The destination must be a mount point")
    on_trip = Key(choice(OnTrip), "hold: a tripped guard keeps the plan for `approve`; fail: it does not")


class CompareKeys(Keys):
    """What counts as different."""

    by = Key(set_of(choice(Compare)), "The attributes compared")
    modify_window_ns = Key(
        timing.NANOSECONDS, "Seconds, or a duration, by which equal mtimes may differ", name="modify_window"
    )
    algorithm = Key(choice(HashAlgorithm), "The hash of `hash`", name="hash")


class VersionsKeys(Keys):
    """How long what was deleted or overwritten can be restored."""

    keep_seconds = Key(timing.TIMEOUT, "For that long, or none: for ever", name="keep")
    count = Key(tree.VERSION_COUNT, "The most versions of one path")


class FingerprintKeys(Keys):
    """How content that seems unchanged is read again in time."""

    refresh_seconds = Key(
        timing.TIMEOUT, "Read each file again at least that often; none: only by `verify`", name="refresh"
    )
    budget_bytes = Key(
        tree.BUDGET, "The most that one run reads again, as 500G; none: no limit", name="budget"
    )


class RuleKeys(Keys):
    """Which attributes count at the paths that a pattern matches, and how much a change there matters."""

    pattern = Key(tree.PATTERN, "A gitignore line", name="path")
    attributes = Key(set_of(choice(Counted)), "What counts there; growing: a file may become longer")
    severity = Key(choice(Severity), "How much a change there matters")


class RetriesKeys(Keys):
    """How often a transient error is tried again."""

    attempts = Key(tree.ATTEMPTS, "Tries in all")
    wait_seconds = Key(timing.DURATION, "The pause between two tries", name="wait")


class LogKeys(Keys):
    """Where and how loudly one job logs."""

    level = Key(tree.LEVEL, "The lowest level written")
    file = Key(tree.PATH, "The log file")


class ScheduleKeys(Keys):
    """When a job is due: one of every, at and cron; the rest shapes it."""

    every_seconds = Key(timing.INTERVAL, "Run again that long after the last start", name="every")
    at = Key(list_of(timing.MOMENT), "Times of day")
    on = Key(set_of(timing.DAY), "Days of the week")
    cron = Key(timing.CRON, "Five cron fields")
    timezone = Key(timing.TIMEZONE, "An IANA name, as Europe/Berlin")
    jitter_seconds = Key(timing.DURATION, "The most that a start is put off by chance", name="jitter")
    start = Key(timing.FIRST_RUN, "The first run")
    run_missed = Key(tree.FLAG, "Run at once what was due while the scheduler was down")
    window = Key(timing.HOURS, "The hours in which a run may start, as 20:00-06:00")


class ReportKeys(Keys):
    """A report of the job, or of all, that is made on a schedule of its own."""

    schedule = Key(Section(ScheduleKeys), "When it is made", becomes=False)
    to = Key(
        one_or_more_of(tree.RECIPIENT),
        "A file, as reports/{job}-%Y-%m-%d.html, whose directory must be there; a notifier; or several",
        becomes=False,
    )
    format = Key(choice(ReportFormat), "What a file is written as")
    since_seconds = Key(timing.INTERVAL, "How far it looks back, as 1d or 7d", name="since")


class SecretNameKeys(Keys):
    """A text that is kept under `secrets`."""

    secret = Key(tree.TEXT, "The name of the secret")


class NotifyKeys(Keys):
    """Whom a job tells, and of what."""

    to = Key(tree.TEXT, "The notifier's name")
    on = Key(
        set_of(choice(Occasion)),
        "Of what: failure, partial, held, stale, changes (a successful run that changed something), "
        "success (each)",
    )


class NotifierKeys(Keys):
    """How messages go out: which keys there are depends on the type."""

    type = Key(
        choice(NotifierType), "smtp and ses send mail, webhook posts JSON, apprise tells a chat service"
    )
    host = Key(notified.HOST, "smtp: the mail server")
    port = Key(notified.PORT, "smtp: its port; 587, with tls 465, unprotected 25")
    sender = Key(notified.ADDRESS, "smtp, ses: who sends, as dirsync@example.org", name="from")
    to = Key(one_or_more_of(notified.ADDRESS), "smtp, ses: who gets it")
    user = Key(tree.TEXT, "smtp: who logs in, where there is a password; the address of from unless said")
    password = Key(TextOr(notified.PASSWORD, SecretNameKeys), "smtp: the password, as {secret: NAME}")
    security = Key(
        choice(Security),
        "smtp: starttls; tls from the first byte; none, to this machine only; cleartext, anywhere",
    )
    ca = Key(tree.PATH, "smtp: the file of the certificates to trust, instead of the system's")
    region = Key(notified.REGION, "ses: the region")
    endpoint_url = Key(notified.ENDPOINT, "ses: another server than Amazon's")
    url = Key(TextOr(notified.URL, SecretNameKeys), "webhook, apprise: the URL, or {secret: NAME}")
    headers = Key(
        Mapped(TextOr(notified.HEADER, SecretNameKeys)), "webhook: headers, each a text or {secret: NAME}"
    )


class HooksKeys(Keys):
    """Commands that are run around each run, each a list of a program and its arguments; no shell."""

    before = Key(list_of(list_of(tree.TEXT)), "Before the two ends are looked at; exit code 75 skips the run")
    after = Key(list_of(list_of(tree.TEXT)), "After a run that succeeded or was partial")
    on_error = Key(list_of(list_of(tree.TEXT)), "After a run that failed, was held or was partial")
    finally_ = Key(list_of(list_of(tree.TEXT)), "After every run, whatever came of it", name="finally")
    timeout_seconds = Key(timing.TIMEOUT, "The longest that one command may take, or none", name="timeout")


class PingKeys(Keys):
    """The address that is called after each success."""

    url = Key(tree.TEXT, "http://… or https://…")
    secret = Key(tree.TEXT, "The secret that holds the URL")


class JobKeys(Keys):
    """The keys of a job, a profile or the defaults."""

    type = Key(
        choice(JobType),
        "sync: make the destination agree; track: record the source in the catalog; "
        "check: report how the two differ",
    )
    source = Key(tree.PLACE, "The directory to copy from")
    destination = Key(tree.PLACE, "The directory to copy to")
    extends = Key(tree.TEXT, "The job or profile whose keys are inherited", becomes=False)
    enabled = Key(tree.FLAG, "Whether the scheduler and --now run it")
    interval = Key(timing.INTERVAL, "Run, then again that long after the last start", becomes=False)
    schedule = Key(Section(ScheduleKeys), "When it runs, instead of interval", becomes=False)
    watch = Key(tree.FLAG, "Run when something in the source changes as well")
    include = Key(list_of(tree.PATTERN), "gitignore lines; one must match what is selected")
    exclude = Key(list_of(tree.PATTERN), "gitignore lines; none may match what is selected")
    ignore_files = Key(list_of(tree.FILE_NAME), "Names of nested ignore files")
    one_file_system = Key(tree.FLAG, "Do not enter other file systems")
    compare = Key(Section(CompareKeys), "What counts as different", becomes=False)
    preserve = Key(set_of(choice(Preserve)), "What is carried over besides the data")
    symlinks = Key(choice(SymlinkPolicy), "What happens to symlinks of the source")
    delete = Key(
        choice(DeletePolicy), "What happens to what the source no longer has, and to what is overwritten"
    )
    delete_excluded = Key(tree.FLAG, "Delete what is excluded at the destination too")
    versions = Key(
        Section(VersionsKeys), "How long what was deleted or overwritten can be restored", becomes=False
    )
    moves = Key(tree.FLAG, "Rename at the destination what was renamed in the source")
    fingerprint = Key(
        Section(FingerprintKeys), "How content that seems unchanged is read again in time", becomes=False
    )
    rules = Key(
        list_of(Section(RuleKeys)),
        "Which attributes count where; the last that matches a path decides",
        becomes=False,
    )
    keep_seconds = Key(
        timing.TIMEOUT, "How long changes and runs stay in the catalog, or none: for ever", name="keep"
    )
    guard = Key(Section(GuardKeys), "What must hold before the first change", becomes=False)
    durability = Key(choice(Durability), "full: exit 0 means it survives a power cut")
    verify = Key(
        choice(Verify),
        "What is read again from the disk and compared by hash: nothing, what was written, all",
    )
    on_error = Key(choice(OnError), "Whether the first path that fails ends the run")
    retries = Key(Section(RetriesKeys), "How often a transient error is tried again", becomes=False)
    timeout_seconds = Key(timing.TIMEOUT, "The longest a run may take", name="timeout")
    bandwidth = Key(tree.RATE, "The most bytes a second that are copied, as 5M, or none")
    workers = Key(tree.WORKERS, "How many files are copied at once")
    engine = Key(only("local", instead="write 'engine: local'"), "Where the work is done", becomes=False)
    stale_after_seconds = Key(
        timing.TIMEOUT, "An alarm when the last success is older, or none", name="stale_after"
    )
    ping_url = Key(
        Section(PingKeys), "A dead-man service: a URL that is called after each success", becomes=False
    )
    hooks = Key(Section(HooksKeys), "Commands that are run around each run", becomes=False)
    log = Key(Section(LogKeys), "Where and how loudly the job logs", becomes=False)
    notify = Key(list_of(Section(NotifyKeys)), "Who is told how its runs end", becomes=False)
    report = Key(Section(ReportKeys), "A report that is made on a schedule of its own", becomes=False)


class SecretKeys(Keys):
    """Where a secret is kept: one of the two."""

    environment = Key(tree.TEXT, "The variable that holds it")
    file = Key(tree.PATH, "The file that holds it")


class CatalogKeys(Keys):
    """Where the catalog is."""

    url = Key(tree.TEXT, "sqlite:///absolute/path or postgresql://…")
    secret = Key(tree.TEXT, "The secret that holds the URL")
    key = Key(tree.PATH, "The file of the key that seals its rows")


class EndpointKeys(Keys):
    """A place of another machine that has a name, and how its agent is known."""

    url = Key(tree.ADDRESS, "The share, as https://host:8443/photos")
    token = Key(Section(SecretNameKeys), "The secret that holds the token")
    ca = Key(tree.PATH, "The certificates that are trusted, as a PEM file")
    fingerprint = Key(tree.FINGERPRINT, "The one certificate that is trusted, as sha256:…")
    insecure = Key(tree.FLAG, "Send everything in the clear, to another machine too")


class TlsKeys(Keys):
    """The agent's certificate."""

    cert = Key(tree.PATH, "The certificate, as a PEM file")
    key = Key(tree.PATH, "Its private key, as a PEM file")


class TokenKeys(Keys):
    """A token that opens a share: one of the two."""

    secret = Key(tree.TEXT, "The secret that holds it, or its hash as sha256:…")
    sha256 = Key(tree.FINGERPRINT, "Its hash, as 'serve --generate-token' prints it")


class ShareKeys(Keys):
    """A directory that the agent serves."""

    path = Key(tree.PATH, "The directory")
    access = Key(choice(Access), "list: names and metadata; read: contents too; write: it may be changed")
    tokens = Key(list_of(Section(TokenKeys)), "Who may ask", becomes=False)


class ServeKeys(Keys):
    """What the agent of this machine serves."""

    listen = Key(tree.LISTEN, "Where it listens, as 0.0.0.0:8443")
    tls = Key(Section(TlsKeys), "Its certificate")
    insecure = Key(tree.FLAG, "Serve in the clear, to other machines too")
    shares = Key(Named(ShareKeys), "What it serves, by name")


class IncludedKeys(Keys):
    """The keys of an included file."""

    version = Key(tree.VERSION, "The version of this format")
    profiles = Key(Named(JobKeys), "Fragments of jobs, to extend")
    jobs = Key(Named(JobKeys), "The jobs, by name")


class FileKeys(IncludedKeys):
    """The keys of jobs.yaml."""

    state = Key(tree.PATH, "The directory of the run ledger, the locks and the held plans")
    catalog = Key(
        Section(CatalogKeys), "Where track jobs record; <state>/catalog.db unless it says otherwise"
    )
    include = Key(list_of(tree.TEXT), "Files of profiles and jobs; wildcards are allowed")
    endpoints = Key(Named(EndpointKeys), "Places of other machines that have names")
    serve = Key(Section(ServeKeys), "What the agent of this machine serves")
    secrets = Key(Named(SecretKeys), "Where secrets are kept; they are never printed")
    notifiers = Key(Named(NotifierKeys), "Who can be told, by name")
    report = Key(Section(ReportKeys), "A report on all jobs that is made on a schedule of its own")
    defaults = Key(Section(JobKeys), "What every job has unless it says otherwise")


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
    "notify": NotifyKeys,
    "hooks": HooksKeys,
    "ping_url": PingKeys,
}
APPENDABLE = {  # by section, a job's own keys under ""
    "": frozenset({"include", "exclude", "ignore_files", "preserve", "compare", "notify"}),
    "compare": frozenset({"by"}),
    "schedule": frozenset({"at", "on"}),
    "hooks": frozenset({"before", "after", "on_error", "finally"}),
}


def names_of(keys: type[Keys]) -> list[str]:
    """List the keys that a mapping may hold."""
    return list(keys.by_name)
