"""What each key of a job takes, what it comes to, and what is said of the rest."""

# ruff: noqa: E501 (one case a line)

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest

from dirsync.model.job import (
    Compare,
    DeletePolicy,
    Durability,
    HashAlgorithm,
    JobType,
    Limit,
    MirrorJob,
    OnError,
    OnTrip,
    Preserve,
    SymlinkPolicy,
    Verify,
)
from dirsync.model.timing import Schedule, Start, Weekday, Window
from tests.declared import declared, job_with, problems_of, problems_with

NOON = datetime.time(12, 30)
DEFAULT_BY = {Compare.SIZE, Compare.MTIME, Compare.MODE, Compare.OWNERSHIP}


def test_job_without_other_keys_is_the_models_own_default(tmp_path: Path) -> None:
    job = job_with(tmp_path, "")

    assert job == MirrorJob(name="a", source=job.source, destination=job.destination, catalog=job.catalog)
    assert (str(job.source), str(job.destination)) == (f"{tmp_path}/s", f"{tmp_path}/d")


@pytest.mark.parametrize(
    ("keys", "value", "expected"),
    [
        ("type: check", lambda job: job.type, JobType.CHECK),
        ("enabled: false", lambda job: job.enabled, False),
        ("interval: 30s", lambda job: job.schedule, Schedule(every_seconds=30)),
        ("interval: 1h30m", lambda job: job.schedule, Schedule(every_seconds=5400)),
        ("interval: 1.5d", lambda job: job.schedule, Schedule(every_seconds=129_600)),
        ("interval: 1w", lambda job: job.schedule, Schedule(every_seconds=604_800)),
        ("schedule: {at: 12:30}", lambda job: job.schedule, Schedule(at=(NOON,))),
        ("schedule: {at: [12:30, 00:00]}", lambda job: job.schedule.at, (NOON, datetime.time())),
        ("schedule: {at: 12:30, on: sat}", lambda job: job.schedule.on, {Weekday.SAT}),
        ("schedule: {every: 4h, on: [mon, Fri]}", lambda job: job.schedule.on, {Weekday.MON, Weekday.FRI}),
        ("schedule: {cron: 5 4 * * 1-5}", lambda job: job.schedule.cron, "5 4 * * 1-5"),
        ("schedule: {every: 1h, timezone: Asia/Tokyo}", lambda job: job.schedule.timezone, "Asia/Tokyo"),
        ("schedule: {every: 1h, jitter: 5m}", lambda job: job.schedule.jitter_seconds, 300),
        ("schedule: {every: 1h, start: delay}", lambda job: job.schedule.start, Start.DELAY),
        ("schedule: {every: 1h, start: 10s}", lambda job: job.schedule.start, 10.0),
        ("schedule: {every: 1h, run_missed: false}", lambda job: job.schedule.run_missed, False),
        (
            'schedule: {every: 1h, window: "20:00-06:00"}',
            lambda job: job.schedule.window,
            Window(begin=datetime.time(20), end=datetime.time(6)),
        ),
        (
            "exclude: ['*.o', 123, 007, true]",
            lambda job: [x.text for x in job.exclude],
            [b"*.o", b"123", b"007", b"true"],
        ),
        ("include: [é]", lambda job: [x.text for x in job.include], ["é".encode()]),
        ("ignore_files: [.gitignore]", lambda job: job.ignore_files, (b".gitignore",)),
        ("one_file_system: true", lambda job: job.one_file_system, True),
        ("compare: [size]", lambda job: job.comparison.by, {Compare.SIZE}),
        ("compare+: [hash]", lambda job: job.comparison.by, DEFAULT_BY | {Compare.HASH}),
        ("compare: {modify_window: 2}", lambda job: job.comparison.modify_window_ns, 2_000_000_000),
        ("compare: {modify_window: 0.000000001}", lambda job: job.comparison.modify_window_ns, 1),
        ("compare: {modify_window: 100ms}", lambda job: job.comparison.modify_window_ns, 100_000_000),
        ("compare: {hash: sha256}", lambda job: job.comparison.algorithm, HashAlgorithm.SHA256),
        ("compare: {hash: sha256}", lambda job: job.comparison.by, DEFAULT_BY),
        ("preserve: [mtime]", lambda job: job.preserve, {Preserve.MTIME}),
        ("preserve: [mtime]", lambda job: job.comparison.by, {Compare.SIZE, Compare.MTIME}),
        ("preserve: [mtime]", lambda job: job.symlinks, SymlinkPolicy.SKIP),
        ("symlinks: skip", lambda job: job.symlinks, SymlinkPolicy.SKIP),
        ("symlinks: follow", lambda job: job.symlinks, SymlinkPolicy.FOLLOW),
        ("preserve: [mtime]\nsymlinks: follow", lambda job: job.symlinks, SymlinkPolicy.FOLLOW),
        ("delete: keep", lambda job: job.delete, DeletePolicy.KEEP),
        ("delete_excluded: true", lambda job: job.delete_excluded, True),
        ("guard: {max_delete: 12.5%}", lambda job: job.guard.max_delete, Limit(percent=12.5)),
        ("guard: {max_delete: 100}", lambda job: job.guard.max_delete, Limit(absolute=100)),
        ("guard: {max_delete: off}", lambda job: job.guard.max_delete, None),
        ("guard: {max_change: 10%}", lambda job: job.guard.max_change, Limit(percent=10)),
        ("guard: {min_free: 10G}", lambda job: job.guard.min_free, Limit(absolute=10 * 2**30)),
        ("guard: {min_free: 10GB}", lambda job: job.guard.min_free, Limit(absolute=10**10)),
        ("guard: {min_free: 1.5 MiB}", lambda job: job.guard.min_free, Limit(absolute=1_572_864)),
        ("guard: {min_free: 4096}", lambda job: job.guard.min_free, Limit(absolute=4096)),
        ("guard: {source_not_empty: false}", lambda job: job.guard.source_not_empty, False),
        ("guard: {marker: ./x//.here}", lambda job: job.guard.marker, b"x/.here"),
        ("guard: {mountpoint: true}", lambda job: job.guard.mountpoint, True),
        ("moves: false", lambda job: job.moves, False),
        ("durability: none", lambda job: job.durability, Durability.NONE),
        ("verify: written", lambda job: job.verify, Verify.WRITTEN),
        ("on_error: stop", lambda job: job.on_error, OnError.STOP),
        ("retries: {attempts: 1}", lambda job: job.retries.attempts, 1),
        ("retries: {wait: 0}", lambda job: job.retries.wait_seconds, 0.0),
        ("timeout: 2h", lambda job: job.timeout_seconds, 7200.0),
        ("timeout: none", lambda job: job.timeout_seconds, None),
        ("workers: 3", lambda job: job.workers, 3),
        ("workers: auto", lambda job: job.workers, None),
        ("log: {level: debug}", lambda job: job.log.level, "DEBUG"),
        (
            "watch: false\nbandwidth: none\nengine: local",
            lambda job: job.name,
            "a",
        ),
        ("guard: {on_trip: fail}", lambda job: job.guard.on_trip, OnTrip.FAIL),
        ("guard: {max_delete: 1}", lambda job: job.guard.on_trip, OnTrip.HOLD),
        ("exclude:\nguard: ~\nworkers: null", lambda job: job, None),
    ],
)
def test_value_is_read_as_the_manual_says(
    tmp_path: Path, keys: str, value: Callable[[MirrorJob], object], expected: object
) -> None:
    job = job_with(tmp_path, keys)

    assert value(job) == (job_with(tmp_path, "") if expected is None and value(job) is job else expected)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("comapre: [size]", "jobs.a.comapre: unknown key; did you mean 'compare'?"),
        ("comapre:", "jobs.a.comapre: unknown key; did you mean 'compare'?"),
        ("exlude+: []", "jobs.a.exlude+: unknown key; did you mean 'exclude+'?"),
        ("frobnicate: 1", "jobs.a.frobnicate: unknown key; remove it, or begin it with x- to keep it as a note"),
        ("guard: {max_delet: 1}", "jobs.a.guard.max_delet: unknown key; did you mean 'max_delete'?"),
        ("schedule: {evry: 1h, at: 01:00}", "jobs.a.schedule.evry: unknown key; did you mean 'every'?"),
        ("log: {wait_seconds: 1s}", "jobs.a.log.wait_seconds: unknown key; remove it, or begin it with x- to keep it as a note"),
        ("type: snyc", "jobs.a.type: 'snyc' is not known; did you mean 'sync'?"),
        ("type: 5", "jobs.a.type: '5' is not known; write sync, track or check"),
        ("type: [sync]", "jobs.a.type: expected sync, track or check, not a list"),
        ("enabled: yes", "jobs.a.enabled: expected true or false, not 'yes'; write it in small letters, without quotes"),
        ("interval: 0s", "jobs.a.interval: '0s' is zero; write at least 1s"),
        ("interval: 0.0004ms", "jobs.a.interval: '0.0004ms' is too short; write at least 1ms"),
        ("interval: 15", "jobs.a.interval: '15' is not a duration; write a number with ms, s, m, h, d or w, as 30s or 1h30m"),
        ("interval: 9999w", "jobs.a.interval: '9999w' is longer than 100 years"),
        ("interval: .inf", "jobs.a.interval: '.inf' is not a duration; write a number with ms, s, m, h, d or w, as 30s or 1h30m"),
        ("schedule: {}", "jobs.a.schedule: says not when; write one of every, at or cron"),
        ("schedule: {every: 1h, at: 12:30}", "jobs.a.schedule: has every and at; keep one of them"),
        ("schedule: {at: 24:00}", "jobs.a.schedule.at[0]: '24:00' is not a time of day; write HH:MM or HH:MM:SS, as 02:30"),
        ("schedule: {at: 12:30, on: monday}", "jobs.a.schedule.on[0]: 'monday' is not a day of the week; did you mean 'mon'?"),
        ("schedule: {at: 12:30, on: []}", "jobs.a.schedule.on: names no day; name one, or remove it"),
        ("schedule: {cron: '* * * * *', on: mon}", "jobs.a.schedule.on: goes with every or at; name the days in the cron line"),
        ("schedule: {cron: '61 * * * *'}", "jobs.a.schedule.cron: '61 * * * *' is not a cron line: bad minute; write it as '30 2 * * mon-fri'"),
        ("schedule: {cron: '* * *'}", "jobs.a.schedule.cron: '* * *' is not a cron line; write its five fields, as '30 2 * * mon-fri'"),
        ("schedule: {every: 1h, timezone: Europe/Berln}", "jobs.a.schedule.timezone: 'Europe/Berln' is not a time zone; did you mean 'Europe/Berlin'?"),
        ("schedule: {every: 1h, window: '20:00'}", "jobs.a.schedule.window: '20:00' is not a window; write two times of day, as '20:00-06:00'"),
        ("schedule: {every: 1h, start: later}", "jobs.a.schedule.start: 'later' is no start; write now, delay, or a duration as 30s"),
        ("exclude: '*.o'", "jobs.a.exclude: expected a list, not '*.o'; write it in brackets, or one '- …' a line"),
        ("exclude: [a, null]", "jobs.a.exclude[1]: an empty pattern; remove it, or put it in quotes"),
        ('exclude: ["a\\nb"]', "jobs.a.exclude[0]: a pattern of several lines; write one pattern an entry"),
        ("exclude: [{a: b}]", "jobs.a.exclude[0]: expected a pattern, not a mapping"),
        ("ignore_files: [a/b]", "jobs.a.ignore_files[0]: 'a/b' is not the name of a file; write a name without '/', as .gitignore"),
        ("compare: [size, mtme]", "jobs.a.compare[1]: 'mtme' is not known; did you mean 'mtime'?"),
        ("compare: {by: [sise]}", "jobs.a.compare.by[0]: 'sise' is not known; did you mean 'size'?"),
        ("compare: size", "jobs.a.compare: expected a list, not 'size'; write it in brackets, as '[size, mtime]'"),
        ("guard: {max_delete: 101%}", "jobs.a.guard.max_delete: '101%' is more than all; write 0% to 100%"),
        ("guard: {max_delete: -1}", "jobs.a.guard.max_delete: '-1' is not a number of entries; write a number as 100"),
        ("guard: {min_free: 10X}", "jobs.a.guard.min_free: '10X' is not a size; write bytes or a number with K, M, G or T, as 10G"),
        ("guard: {marker: ../x}", "jobs.a.guard.marker: '../x' is not a path below the root; write it without leading '/' and '..'"),
        ("guard: 5", "jobs.a.guard: expected a mapping, not '5'; write 'key: value' lines"),
        ("retries: {attempts: 0}", "jobs.a.retries.attempts: 0 is out of range; write 1 to 1000"),
        ("workers: 0777", "jobs.a.workers: '0777' has a leading zero; write 777, or 0o777 if it is octal"),
        (f"workers: {'9' * 5000}", f"jobs.a.workers: '{'9' * 20}'… is too large a number"),
        ("workers: .nan", "jobs.a.workers: expected auto or a whole number, not '.nan'; write auto or 4"),
        ("workers: '4'", "jobs.a.workers: expected auto or a whole number, not '4'; write auto or 4"),
        ("workers+: [4]", "jobs.a.workers+: only lists can be appended to; write 'workers'"),
        ("exclude+: 4", "jobs.a.exclude+: expected a list, not '4'; write it in brackets, or one '- …' a line"),
        ("log: {level: loud}", "jobs.a.log.level: 'loud' is not known; write debug, info, warning, error or critical"),
        ("log: {file: 5}", 'jobs.a.log.file: expected text, not the number 5; put it in quotes: "5"'),
        ("log: {file: ~nobody9/x}", "jobs.a.log.file: '~nobody9/x' names the home of an unknown user; write the path out"),
        ('log: {file: "a\\0"}', "jobs.a.log.file: holds a NUL character; remove it"),
        ("extends: b", "jobs.a.extends: there is no job or profile 'b'; write the name of one, or remove it"),
    ],
)  # fmt: skip
def test_wrong_value_is_told_in_one_line(tmp_path: Path, keys: str, line: str) -> None:
    told = problems_with(tmp_path, keys)

    assert told == [f"jobs.yaml:6: {line}"]


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("engine: dask://h:1", "engine: 'dask://h:1' is not yet available; write 'engine: local'"),
    ],
)  # fmt: skip
def test_key_of_a_later_release_is_told_as_such(tmp_path: Path, keys: str, line: str) -> None:
    told = problems_with(tmp_path, keys)

    assert told == [f"jobs.yaml:6: jobs.a.{line}"]


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("nas:/x", "there is no endpoint 'nas'; declare it under 'endpoints', or write './nas:/x' for a directory of that name"),
        ("ftp://nas/x", "'ftp://nas/x' is no URL of an agent; write https://host:8443/share"),
        ("https://nas", "'https://nas' names no share; write https://host:8443/share"),
        ("https://nas/x/../y", "'https://nas/x/../y' leads out of its share; write a path without '..'"),
        ("https://me:pw@nas/x", "holds a user or a password; write the token as a secret of an endpoint"),
        ("http://nas/x", "is plain HTTP to another machine, where anybody can listen; write https, or declare an endpoint with 'insecure: true'"),
        ("''", "the path is empty; write one"),
        ("b/" * 3000, "the path is longer than 4000 characters; name a directory further up"),
    ],
)  # fmt: skip
def test_place_that_is_no_local_path_is_refused(tmp_path: Path, place: str, told: str) -> None:
    text = f"version: 1\njobs:\n  a:\n    destination: d\n    source: {place}\n"

    assert problems_of(tmp_path, text) == [f"jobs.yaml:5: jobs.a.source: {told}"]


@pytest.mark.parametrize("nothing", ["", "~", "null"])
def test_place_without_a_value_is_told_at_its_line(tmp_path: Path, nothing: str) -> None:
    text = f"version: 1\njobs:\n  a:\n    destination: d\n    source: {nothing}\n"

    assert problems_of(tmp_path, text) == [
        "jobs.yaml:5: jobs.a.source: has no value; write a path, and '~' in quotes"
    ]


def test_wrong_state_is_the_only_thing_told(tmp_path: Path) -> None:
    text = "version: 1\nstate: 5\njobs: {a: {source: ., destination: ../d}}\n"

    assert problems_of(tmp_path, text) == [
        'jobs.yaml:2: state: expected text, not the number 5; put it in quotes: "5"'
    ]


@pytest.mark.parametrize(
    ("guard", "wrong"),
    [
        ("{max_delete: 10%}", ["max_delete"]),
        ("{max_change: 5, mountpoint: true}", ["max_change"]),
        ("{min_free: 1G, marker: m}", ["min_free"]),
        ("{max_delete: off, max_change: 'off', marker: m, source_not_empty: false}", []),
    ],
)
def test_track_job_has_no_guard_of_changes(tmp_path: Path, guard: str, wrong: list[str]) -> None:
    problems = problems_of(
        tmp_path, f"version: 1\njobs:\n  a:\n    type: track\n    source: s\n    guard: {guard}\n"
    )

    text = "guards changes, and a track job makes none; remove it"
    assert problems == [f"jobs.yaml:6: jobs.a.guard.{key}: {text}" for key in wrong]


def test_track_job_may_inherit_a_guard_of_changes_and_has_none(tmp_path: Path) -> None:
    defaults = "defaults: {guard: {max_delete: 10%}}\n"

    (job,) = declared(
        tmp_path, f"version: 1\n{defaults}jobs:\n  a: {{type: track, source: s, guard: {{marker: m}}}}\n"
    ).jobs

    assert (job.guard.marker, job.guard.max_delete, job.guard.min_free) == (b"m", None, None)
