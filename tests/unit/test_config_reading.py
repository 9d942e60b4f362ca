"""YAML read strictly: what is no jobs.yaml is refused at its line, quickly."""

# ruff: noqa: E501 (one case a line)

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dirsync.config import load
from dirsync.errors import ConfigError
from dirsync.model.job import MirrorJob
from tests.declared import declared, job_with, problems_of, problems_with


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "1: the file is empty; write 'version: 1' and 'jobs:' at least"),
        ("# nothing\n", "1: the file is empty; write 'version: 1' and 'jobs:' at least"),
        ("- a\n", "1: the file is not a mapping; write 'key: value' lines, 'version: 1' first"),
        ("just text\n", "1: the file is not a mapping; write 'key: value' lines, 'version: 1' first"),
        ("version: 1\n", "1: jobs: no job is declared; write one, with 'source' and 'destination'"),
        ("version: 1\n\tx: 1\n", "2: not valid YAML: a tab where the indentation should be; indent with spaces"),
        ("version: 1\na: b: c\n", "2: not valid YAML: a ':' that cannot stand here; "
         "check the indentation, or put the text in quotes"),
        ("version: 1\na: 'x\n", "3: not valid YAML: a quote that is not closed; close it"),
    ],
)  # fmt: skip
def test_text_that_is_no_declaration_is_refused(tmp_path: Path, text: str, line: str) -> None:
    assert problems_of(tmp_path, text) == [f"jobs.yaml:{line}"]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"version: 1\nx-a: \xff\n", "2: byte 0xff is not UTF-8; save the file as UTF-8"),
        (b"version: 1\nx-a: \x00\n", "2: the character U+0000 is not allowed; remove it"),
        (b"#" * (1 << 20) + b"\n", "1: the file is larger than 1 MiB; split it with 'include'"),
    ],
)
def test_bytes_that_are_no_yaml_text_are_refused(tmp_path: Path, data: bytes, line: str) -> None:
    (tmp_path / "jobs.yaml").write_bytes(data)

    with pytest.raises(ConfigError) as caught:
        load(str(tmp_path / "jobs.yaml"))
    assert caught.value.problems == (f"{tmp_path}/jobs.yaml:{line}",)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("enabled: true\nenabled: false", "7: jobs.a.enabled: duplicate key; it stands in line 6 already: remove one"),
        ("guard: {1: x}", "6: jobs.a.guard: a key must be text; '1' is a number: put it in quotes, \"1\""),
        ("[a]: b", "6: jobs.a: a key must be text, not a list or a mapping"),
        ("log: *nowhere", "6: jobs.a.log: '*nowhere' is not defined above; write '&nowhere' where it is meant"),
        ("x-a: &x [*x]", "6: jobs.a.x-a[0]: '*x' contains itself; an alias cannot be recursive"),
        ("enabled: !!bool true", "6: jobs.a.enabled: the tag 'tag:yaml.org,2002:bool' is not supported; remove it"),
        ("<<: 5", "6: jobs.a.<<: expected a mapping or a list of mappings; write '<<: *name'"),
    ],
)  # fmt: skip
def test_trap_in_a_mapping_is_told_first(tmp_path: Path, keys: str, line: str) -> None:
    assert problems_with(tmp_path, keys)[0] == f"jobs.yaml:{line}"


def test_second_document_is_refused(tmp_path: Path) -> None:
    text = "version: 1\njobs: {a: {source: s, destination: d}}\n---\nversion: 1\n"

    assert problems_of(tmp_path, text) == [
        "jobs.yaml:3: a second document; a file holds one: remove the '---'"
    ]


def test_exploding_aliases_are_refused_at_once(tmp_path: Path) -> None:
    """Ten lists of ten aliases each would be ten thousand million values."""
    lines = ["version: 1", "x-0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    started = time.thread_time()
    told = problems_of(tmp_path, "\n".join(lines))

    assert told == ["jobs.yaml:7: x-5[1]: the aliases make more than 250000 values of this file; use fewer"]
    assert time.thread_time() - started < 0.2


@pytest.mark.parametrize("bomb", ["[" * 100_000, "{a: " * 50_000, "- " * 50_000])
def test_bottomless_nesting_is_refused_at_once(tmp_path: Path, bomb: str) -> None:
    started = time.thread_time()
    told = problems_of(tmp_path, f"version: 1\nx-a:\n  {bomb}\n")

    assert len(told) == 1
    assert told[0].startswith("jobs.yaml:3: x-a")
    assert told[0].endswith("nested deeper than 40 levels; make it flatter")
    assert time.thread_time() - started < 0.5


def test_anchors_and_merge_keys_work(tmp_path: Path) -> None:
    text = """\
        version: 1
        x-base: &base {delete: keep, enabled: false}
        jobs:
          a: {<<: *base, source: s, destination: d, enabled: true}
        """
    job = declared(tmp_path, text).jobs[0]

    assert isinstance(job, MirrorJob)
    assert (job.delete.value, job.enabled) == ("keep", True)


def test_own_notes_are_allowed_in_every_mapping(tmp_path: Path) -> None:
    assert job_with(tmp_path, "x-owner: me\nguard: {x-why: [because]}\nlog: {x-a: {b: c}}").name == "a"


@pytest.mark.parametrize("text", ["12:30", "no", "off", "0o", "1_000", "2026-11-21"])
def test_plain_words_are_texts_as_in_yaml_1_2(tmp_path: Path, text: str) -> None:
    assert str(job_with(tmp_path, f"log: {{file: {text}}}").log.file) == f"{tmp_path}/{text}"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing.yaml", "no such file or directory"), (".", "is a directory"), ("a\0b", "embedded null byte")],
)
def test_file_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError) as caught:
        load(name)
    shown = name.replace("\0", "\\x00")
    assert str(caught.value) == f"{shown}: cannot be read: {reason}; name a jobs.yaml with -c"


def test_every_problem_is_told_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    text = """\
        version: 2
        jobs:
          a:
            sorce: s
            destination: d
            interval: 0s
          .b: {source: s, destination: e, comapre: [size]}
        """
    told = problems_of(tmp_path, text)

    assert told == [
        "jobs.yaml:1: version: '2' is not a version this program reads; write 'version: 1'",
        "jobs.yaml:3: jobs.a: 'source' is missing; write 'source: /a/path'",
        "jobs.yaml:4: jobs.a.sorce: unknown key; did you mean 'source'?",
        "jobs.yaml:6: jobs.a.interval: '0s' is zero; write at least 1s",
        "jobs.yaml:7: jobs..b: the name begins with '.'; choose one as 'photos-2026'",
        "jobs.yaml:7: jobs..b.comapre: unknown key; did you mean 'compare'?",
    ]


@pytest.mark.parametrize("name", ["a/b", '"a\\n"', '" a"', "-a", "n" * 201, '"\\0"'])
def test_name_that_cannot_name_a_file_is_refused(tmp_path: Path, name: str) -> None:
    told = problems_of(tmp_path, f"version: 1\njobs:\n  {name}: {{source: s, destination: d}}\n")

    assert len(told) == 1
    assert ": the name " in told[0]


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (
            "catalog: {secret: pg}",
            "catalog: there is no secret 'pg'; declare it under 'secrets'",
        ),
        ("exclude: []", "exclude: not a key of the file; move it into a job, or under 'defaults'"),
        ("defalts: {}", "defalts: unknown key; did you mean 'defaults'?"),
        ("version: 1", "version: duplicate key; it stands in line 2 already: remove one"),
    ],
)
def test_key_of_the_file_is_checked(tmp_path: Path, key: str, line: str) -> None:
    text = f"jobs: {{a: {{source: s, destination: d}}}}\nversion: 1\n{key}\n"

    assert problems_of(tmp_path, text) == [f"jobs.yaml:3: {line}"]


def test_file_is_named_as_the_user_named_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkdir(tmp_path / "sub")
    (tmp_path / "sub" / "j.yaml").write_text("jobs: {}\n")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError) as caught:
        load("./sub/j.yaml")
    assert caught.value.problems[0].startswith("./sub/j.yaml:1: version: is missing")


def test_each_mistake_of_one_line_is_told(tmp_path: Path) -> None:
    unknown = "unknown key; remove it, or begin it with x- to keep it as a note"
    text = (
        "version: 1\njobs:\n"
        "  a: {source: s, destination: d, foo: 1, bar: 2}\n"
        "  b: {source: , destination: }\n"
        "  c: {source: s, destination: e, <<: {interval: 1h}, <<: {enabled: false}}\n"
    )

    assert problems_of(tmp_path, text) == [
        f"jobs.yaml:3: jobs.a.foo: {unknown}",
        f"jobs.yaml:3: jobs.a.bar: {unknown}",
        "jobs.yaml:4: jobs.b.source: has no value; write a path, and '~' in quotes",
        "jobs.yaml:4: jobs.b.destination: has no value; write a path, and '~' in quotes",
        "jobs.yaml:5: jobs.c.<<: duplicate key; it stands in line 5 already: remove one",
    ]


def test_a_mistake_that_holds_for_several_jobs_is_told_once(tmp_path: Path) -> None:
    text = "version: 1\ndefaults: {retries: 3}\njobs: {a: {source: s, destination: d}, b: {source: s, destination: e}}\n"

    assert len(problems_of(tmp_path, text)) == 1


def test_notes_are_not_read_but_where_they_are_used(tmp_path: Path) -> None:
    text = (
        'version: 1\nx-note: "costs ${5}"\nx-common: &common {exclude: ["${NOT_SET_HERE}"]}\n'
        'jobs:\n  a: {source: s, destination: d, x-why: "${NOR_THIS}"}\n'
    )
    assert declared(tmp_path, text).jobs
    used = f"{text}  b: {{source: s, destination: e, <<: *common}}\n"

    assert [line.partition("; ")[0] for line in problems_of(tmp_path, used)] == [
        "jobs.yaml:3: jobs.b.exclude[0]: the variable 'NOT_SET_HERE' is not set"
    ]


def test_what_is_told_is_what_would_be_right(tmp_path: Path) -> None:
    (tmp_path / "none.yaml").write_text("# nothing yet\n")
    text = (
        "version: 1\ninclude: [5, none.yaml]\nsecrets: {pin: }\n"
        'endpoints: {"a:b": {url: "https://host:1/x"}}\n'
        'jobs: {a: {source: s, destination: d, compare: size, exclude: ["\\0"]}}\n'
    )

    assert problems_of(tmp_path, text) == [
        'jobs.yaml:2: include[0]: expected text, not the number 5; put it in quotes: "5"',
        "jobs.yaml:3: secrets.pin: expected a mapping, not nothing; write 'key: value' lines",
        "jobs.yaml:4: endpoints.a:b: cannot be used, as 'NAME:/path'; "
        "name it with letters, digits, '_', '.', '@' or '-'",
        "jobs.yaml:5: jobs.a.compare: expected a list, not 'size'; write it in brackets, as '[size, mtime]'",
        "jobs.yaml:5: jobs.a.exclude[0]: holds a NUL, which no name can; remove it",
        "none.yaml:1: the file is empty; write what it is to declare, under 'jobs:' say, or remove it",
    ]
