"""Defaults, profiles, `extends`, `key+`, `include` and `${VAR}`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dirsync.model.job import Compare, Limit
from dirsync.model.timing import Schedule, Weekday
from tests.declared import declared, problems_of

CHAIN = """\
    version: 1
    profiles:
      base:
        exclude: [one]
        guard: {max_delete: 1%, marker: m}
        schedule: {every: 1h, on: [mon]}
      next:
        extends: base
        exclude+: [two]
        guard: {max_delete: 2%}
    defaults:
      exclude: [zero]
      timeout: 1h
    jobs:
      a:
        extends: next
        source: s
        destination: d
        exclude+: [three]
        schedule: {on+: [tue]}
      b:
        extends: a
        destination: e
        exclude: [own]
        exclude+: [more]
        interval: 1m
    """


def _texts(job: object) -> list[bytes]:
    return [line.text for line in job.exclude]  # type: ignore[attr-defined]


def test_chain_of_profiles_is_merged_deeply(tmp_path: Path) -> None:
    a, b = declared(tmp_path, CHAIN).jobs

    assert _texts(a) == [b"one", b"two", b"three"]
    assert a.guard.max_delete == Limit(percent=2)
    assert (a.guard.marker, a.timeout_seconds) == (b"m", 3600)
    assert a.schedule == Schedule(every_seconds=3600, on=frozenset({Weekday.MON, Weekday.TUE}))
    assert (b.source, _texts(b)) == (a.source, [b"own", b"more"])


def test_nearer_interval_drops_an_inherited_schedule(tmp_path: Path) -> None:
    assert declared(tmp_path, CHAIN).jobs[1].schedule == Schedule(every_seconds=60)


def test_pattern_knows_the_line_it_was_written_in(tmp_path: Path) -> None:
    lines = [(line.file, line.line) for line in declared(tmp_path, CHAIN).jobs[0].exclude]

    assert lines == [
        (f"{tmp_path}/jobs.yaml", 4),
        (f"{tmp_path}/jobs.yaml", 9),
        (f"{tmp_path}/jobs.yaml", 19),
    ]


def test_null_drops_what_was_inherited(tmp_path: Path) -> None:
    text = "version: 1\ndefaults: {timeout: 1h}\njobs: {a: {source: s, destination: d, timeout: }}\n"

    assert declared(tmp_path, text).jobs[0].timeout_seconds is None


def test_append_without_a_list_below_appends_to_the_programs_default(tmp_path: Path) -> None:
    text = "version: 1\ndefaults: {compare+: [hash]}\njobs: {a: {source: s, destination: d}}\n"

    assert declared(tmp_path, text).jobs[0].comparison.by == frozenset(Compare) - {Compare.XATTRS}


def test_circle_of_profiles_is_named_once(tmp_path: Path) -> None:
    text = """\
        version: 1
        profiles:
          a: {extends: b}
          b: {extends: c}
          c: {extends: a}
        jobs:
          x: {extends: c}
          y: {extends: y, source: s, destination: d}
        """

    assert problems_of(tmp_path, text) == [
        "jobs.yaml:3: profiles.a.extends: goes in a circle, a → b → c → a; remove one 'extends' of it",
        "jobs.yaml:8: jobs.y.extends: goes in a circle, y → y; remove one 'extends' of it",
    ]


def test_fault_of_the_defaults_is_told_once_however_many_jobs_there_are(tmp_path: Path) -> None:
    text = """\
        version: 1
        defaults: {workers: many}
        jobs:
          a: {source: s, destination: d}
          b: {source: s, destination: e}
        """
    line = "jobs.yaml:2: defaults.workers: expected auto or a whole number, not 'many'; write auto or 4"

    assert problems_of(tmp_path, text) == [line]


def test_fault_of_an_unused_profile_is_told(tmp_path: Path) -> None:
    text = "version: 1\nprofiles: {p: {wrkers: 1}}\njobs: {a: {source: s, destination: d}}\n"

    assert problems_of(tmp_path, text) == [
        "jobs.yaml:2: profiles.p.wrkers: unknown key; did you mean 'workers'?"
    ]


def test_interval_and_schedule_together_are_refused(tmp_path: Path) -> None:
    text = "version: 1\njobs: {a: {source: s, destination: d, interval: 1h, schedule: {every: 1h}}}\n"
    line = "jobs.yaml:2: jobs.a.schedule: stands together with 'interval'; remove one of the two"

    assert problems_of(tmp_path, text) == [line]


def test_mtime_compared_but_not_kept_is_refused_with_the_remedy(tmp_path: Path) -> None:
    text = "version: 1\njobs: {a: {source: s, destination: d, preserve: [mode, ownership]}}\n"

    assert problems_of(tmp_path, text) == [
        "jobs.yaml:2: jobs.a.preserve: leaves out mtime, which is compared: "
        "each run would copy everything again; add mtime, or compare [size, hash]"
    ]


def test_mtime_need_not_be_kept_when_hashes_are_compared(tmp_path: Path) -> None:
    text = "version: 1\njobs: {a: {source: s, destination: d, preserve: [mode], compare: [mtime, hash]}}\n"

    assert declared(tmp_path, text).jobs[0].comparison.by == {Compare.MTIME, Compare.HASH}


def test_mode_compared_on_demand_but_not_kept_is_refused(tmp_path: Path) -> None:
    text = "version: 1\njobs: {a: {source: s, destination: d, preserve: [mtime], compare: [size, mode]}}\n"

    assert problems_of(tmp_path, text) == [
        "jobs.yaml:2: jobs.a.preserve: leaves out mode, which is compared: "
        "each run would find it different; add mode here, or take it out of 'compare'"
    ]


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (
            "preserve: [mtime, mode], compare: [size, xattrs]",
            "leaves out xattrs, which is compared: each run would find it different; "
            "add xattrs here, or take it out of 'compare'",
        ),
        (
            "preserve: [mtime, acls]",
            "has acls without mode, and an ACL sets the mode as well; add mode, or take acls out",
        ),
    ],
)
def test_attributes_that_cannot_be_carried_over_as_asked_are_refused(
    tmp_path: Path, keys: str, told: str
) -> None:
    text = f"version: 1\njobs: {{a: {{source: s, destination: d, {keys}}}}}\n"

    assert problems_of(tmp_path, text) == [f"jobs.yaml:2: jobs.a.preserve: {told}"]


@pytest.mark.parametrize(
    ("written", "file"),
    [
        ("${NAME}", "value"),
        ("'${NAME}'", "value"),
        ("${UNSET:-x}", "x"),
        ("${EMPTY:-x}", "x"),
        ("${NAME:-x}", "value"),
        ("${UNSET:-${NAME}}", "value"),
        ("a${EMPTY}b", "ab"),
        ("${NAME:?no}", "value"),
        ("$$${NAME}$", "$value$"),
        ("$NAME", "$NAME"),
        ("${NUMBER}", "42"),
    ],
)
def test_variable_is_expanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, file: str
) -> None:
    for name, value in {"NAME": "value", "EMPTY": "", "NUMBER": "42"}.items():
        monkeypatch.setenv(name, value)
    text = f"version: 1\njobs:\n  a:\n    source: s\n    destination: d\n    log:\n      file: {written}\n"

    assert declared(tmp_path, text).jobs[0].log.file == f"{tmp_path}/{file}"


def test_variable_is_read_as_the_type_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("N", "7")
    monkeypatch.setenv("B", "false")
    text = "version: 1\njobs: {a: {source: s, destination: d, workers: '${N}', enabled: '${B}'}}\n"

    job = declared(tmp_path, text).jobs[0]

    assert (job.workers, job.enabled) == (7, False)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("${NO_X}", "the variable 'NO_X' is not set; set it, or write '${NO_X:-default}'"),
        ("${NO_X:?ask Ann}", "the variable 'NO_X' is not set: ask Ann; set it, or write '${NO_X:-default}'"),
        ("${NO_X", "'${' is not closed; write '${VAR}', or '$$' for a dollar sign"),
        ("${1}", "'${1}' is not understood; write ${VAR}, ${VAR:-default} or ${VAR:?message}"),
        ("${NO_X-y}", "'${NO_X-y}' is not understood; write ${VAR}, ${VAR:-default} or ${VAR:?message}"),
    ],
)
def test_variable_that_cannot_be_expanded_is_told_once(tmp_path: Path, written: str, told: str) -> None:
    text = f"version: 1\njobs:\n  a:\n    source: s\n    destination: d\n    workers: '{written}'\n"

    assert problems_of(tmp_path, text) == [f"jobs.yaml:6: jobs.a.workers: {told}"]


def test_included_files_hold_jobs_and_profiles(tmp_path: Path) -> None:
    os.mkdir(tmp_path / "jobs.d")
    (tmp_path / "jobs.d" / "b.yaml").write_text("jobs: {b: {extends: p, source: s, destination: b}}\n")
    (tmp_path / "jobs.d" / "a.yaml").write_text("profiles: {p: {exclude: [x]}}\n")
    (tmp_path / "jobs.d" / ".hidden.yaml").write_text("nonsense\n")
    text = "version: 1\ninclude: [jobs.d/*.yaml]\njobs: {a: {source: s, destination: a}}\n"

    jobs = declared(tmp_path, text).jobs

    assert [job.name for job in jobs] == ["a", "b"]
    assert jobs[1].exclude[0].file == f"{tmp_path}/jobs.d/a.yaml"
    assert str(jobs[1].source) == f"{tmp_path}/jobs.d/s"


def test_name_taken_in_two_files_is_told_with_both_places(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("\njobs: {a: {source: s, destination: z}}\n")
    text = "version: 1\ninclude: [more.yaml]\njobs: {a: {source: s, destination: a}}\n"

    assert problems_of(tmp_path, text) == [
        "more.yaml:2: jobs.a: the name is taken by jobs.a at jobs.yaml:3; choose another"
    ]


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("none.yaml", "there is no file 'none.yaml'; write it, or correct the name"),
        ("a/**/b.yaml", "'a/**/b.yaml' holds '**'; name each directory, or write '*' for one level"),
        ("fifo", "'fifo' cannot be read: it is not a regular file"),
        ("/dev/zero", "'/dev/zero' cannot be read: it is not a regular file"),
    ],
)
def test_include_that_leads_nowhere_is_told(tmp_path: Path, pattern: str, told: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    text = f"version: 1\ninclude: ['no*.yaml', '{pattern}']\njobs: {{a: {{source: s, destination: a}}}}\n"

    assert problems_of(tmp_path, text) == [f"jobs.yaml:2: include[1]: {told}"]


def test_included_file_may_not_say_what_is_the_main_files(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("defaults: {workers: 1}\n")
    text = "version: 1\ninclude: [more.yaml]\njobs: {a: {source: s, destination: a}}\n"

    assert problems_of(tmp_path, text) == [
        "more.yaml:1: defaults: not allowed in an included file; move it to the main file"
    ]


def test_defaults_extend_nothing(tmp_path: Path) -> None:
    text = "version: 1\ndefaults: {extends: a}\njobs: {a: {source: s, destination: a}}\n"

    assert problems_of(tmp_path, text) == [
        "jobs.yaml:2: defaults.extends: not allowed here; write it in each job or profile"
    ]


def test_configuration_names_every_file_whose_change_matters(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("profiles: {p: {workers: 1}}\n")
    text = "version: 1\ninclude: [more.yaml, 'd/*/x?.yaml']\njobs: {a: {source: s, destination: a}}\n"

    files = declared(tmp_path, text).files

    assert files == (f"{tmp_path}/d", f"{tmp_path}/jobs.yaml", f"{tmp_path}/more.yaml")
