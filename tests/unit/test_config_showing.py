"""`show`, `schema` and the options of the command line."""

# ruff: noqa: E501 (one case a line)

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import structs

from dirsync.config import job_from_options, load
from dirsync.config.keys import SECTIONS, FileKeys, JobKeys, NotifierKeys, SecretKeys, names_of
from dirsync.config.nodes import ListNode, MappingNode, Node, ScalarNode, TextFile
from dirsync.config.problems import Problems
from dirsync.config.rules import OF_MIRRORS, OF_TRACKS
from dirsync.config.scalars import Kind, kind_of
from dirsync.config.schema import json_schema, schema_text
from dirsync.config.shapes import Keys
from dirsync.config.showing import effective_yaml
from dirsync.config.yaml_reader import read_mapping
from dirsync.errors import ConfigError
from dirsync.model.job import Compare, DeletePolicy, Job, MirrorJob, PatternLine, TrackJob
from dirsync.model.timing import Schedule
from tests.yaml_seeds import EVERY_KEY, MERGED, SEEDS, TRACK_JOB, VARIABLES, written_seeds

TOP = Path(__file__).parents[2]


@pytest.fixture
def jobs_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for a jobs.yaml, with all that the seeds refer to."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FUZZ_TOP", str(tmp_path))
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    return written_seeds(tmp_path)


def _without_origins(job: Job) -> Job:
    def bare(lines: tuple[PatternLine, ...]) -> tuple[PatternLine, ...]:
        return tuple(PatternLine(line.text, "", 0) for line in lines)

    if isinstance(job, TrackJob):
        rules = tuple(structs.replace(rule, pattern=bare((rule.pattern,))[0]) for rule in job.rules)
        job = structs.replace(job, rules=rules)
    return structs.replace(job, include=bare(job.include), exclude=bare(job.exclude))


@pytest.mark.parametrize("seed", SEEDS)
def test_shown_configuration_loads_to_the_same_jobs(jobs_yaml: Path, seed: str) -> None:
    jobs_yaml.write_text(seed)
    (jobs_yaml.parent / "shown.yaml").write_text(effective_yaml("jobs.yaml"))

    first, second = load("jobs.yaml"), load("shown.yaml")

    assert [_without_origins(job) for job in second.jobs] == [_without_origins(job) for job in first.jobs]
    assert (second.state, second.secrets) == (first.state, first.secrets)


def test_shown_configuration_writes_every_key_that_a_job_has(jobs_yaml: Path) -> None:
    jobs_yaml.write_text(EVERY_KEY)
    shown = yaml.safe_load(effective_yaml("jobs.yaml"))["jobs"]["photos"]

    assert set(names_of(JobKeys)) - set(shown) == {"extends", "interval", *OF_TRACKS}


def test_shown_configuration_writes_every_key_that_a_track_job_has(jobs_yaml: Path) -> None:
    jobs_yaml.write_text(TRACK_JOB)
    shown = yaml.safe_load(effective_yaml("jobs.yaml"))["jobs"]["etc"]

    assert set(names_of(JobKeys)) - set(shown) == {"extends", "interval", *OF_MIRRORS}


def test_schema_file_is_what_the_program_writes() -> None:
    assert (TOP / "jobs.schema.json").read_text() == schema_text()


def _fits(value: Any, schema: dict[str, Any], top: dict[str, Any]) -> bool:
    """Whether a value fits a schema, as far as this schema's own vocabulary goes."""
    if "$ref" in schema:
        return _fits(value, top["$defs"][schema["$ref"].rpartition("/")[2]], top)
    if "anyOf" in schema and not any(_fits(value, each, top) for each in schema["anyOf"]):
        return False
    if "const" in schema and (value != schema["const"] or type(value) is not type(schema["const"])):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    return _fits_type(value, schema, top)


def _fits_type(value: Any, schema: dict[str, Any], top: dict[str, Any]) -> bool:
    types = schema.get("type", [])
    if types and not any(_is(value, each) for each in ([types] if isinstance(types, str) else types)):
        return False
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        return False
    if isinstance(value, list):
        return all(_fits(item, schema.get("items", {}), top) for item in value)
    if isinstance(value, dict):
        return all(_fits_key(key, item, schema, top) for key, item in value.items())
    return True


def _fits_key(key: str, value: Any, schema: dict[str, Any], top: dict[str, Any]) -> bool:
    if key in schema.get("properties", {}):
        return _fits(value, schema["properties"][key], top)
    if key.startswith("x-"):
        return True
    rest = schema.get("additionalProperties", True)
    return rest if isinstance(rest, bool) else _fits(value, rest, top)


def _is(value: Any, name: str) -> bool:
    match name:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return isinstance(value, {"string": str, "array": list, "object": dict}[name])


def _read(text: str) -> Any:
    """Read YAML as 1.2 has it; an editor's reader does."""
    node = read_mapping(text, TextFile("seed", "/"), Problems(), at_least="")
    assert node is not None
    return _value(node)


def _value(node: Node) -> Any:
    match node:
        case MappingNode():
            return {key: _value(entry.value) for key, entry in node.entries.items()}
        case ListNode():
            return [_value(item) for item in node.items]
        case ScalarNode():
            readers: dict[Kind, Callable[[str], Any]] = {
                Kind.INTEGER: int,
                Kind.DECIMAL: float,
                Kind.BOOLEAN: "true".__eq__,
                Kind.NULL: lambda _: None,
            }
            read = readers.get(kind_of(node))
            return node.text if read is None else read(node.text)


@pytest.mark.parametrize("seed", [EVERY_KEY, MERGED])
def test_schema_fits_the_documented_form(seed: str) -> None:
    assert _fits(_read(seed), json_schema(), json_schema())


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("interval: 15m", "interval: 15"), ("delete: keep", "delete: kep"), ("workers: ${", "wrkers: ${"), ("on_trip: fail", "on_trip: 5")],
)  # fmt: skip
def test_schema_refuses_what_is_wrong(right: str, wrong: str) -> None:
    spoiled = EVERY_KEY.replace(right, wrong)

    assert spoiled != EVERY_KEY
    assert not _fits(_read(spoiled), json_schema(), json_schema())


def test_schema_is_json_throughout() -> None:
    assert json.loads(schema_text()) == json_schema()


def test_every_key_is_in_the_manual() -> None:
    manual = (TOP / "docs" / "jobs-yaml.md").read_text()
    models: list[type[Keys]] = [FileKeys, JobKeys, SecretKeys, NotifierKeys, *SECTIONS.values()]
    keys = {key for model in models for key in names_of(model)}
    keys |= {*FileKeys.later, *JobKeys.later}

    assert sorted(key for key in keys if f"`{key}`" not in manual) == []


def test_options_of_the_command_line_make_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = {
        "source": "a",
        "destination": b"\xff",
        "exclude": ["*.o", "x"],
        "compare": ["size", "hash"],
        "delete": "keep",
        "interval": "5s",
        "workers": "2",
        "one_file_system": True,
        "log": {"file": "l.log"},
        "timeout": None,
    }
    job = job_from_options("sync", options, state=str(tmp_path / "state"), setting="$X")

    assert (str(job.source), job.destination.path) == (f"{tmp_path}/a", bytes(tmp_path) + b"/\xff")
    assert job.exclude == (PatternLine(b"*.o", "command line", 0), PatternLine(b"x", "command line", 0))
    assert job.comparison.by == {Compare.SIZE, Compare.HASH}
    assert (job.delete, job.workers, job.one_file_system) == (DeletePolicy.KEEP, 2, True)
    assert (job.schedule, job.log.file) == (Schedule(every_seconds=5), f"{tmp_path}/l.log")


def test_wrong_options_are_told_as_such() -> None:
    with pytest.raises(ConfigError) as caught:
        job_from_options(
            "sync",
            {"source": "/etc", "destination": "/etc/x", "compare": ["sise"]},
            state="/var/x",
            setting="$X",
        )

    assert caught.value.problems == (
        "command line: compare[0]: 'sise' is not known; did you mean 'size'?",
        "command line: destination: is inside the source '/etc'; name a directory outside of it",
    )


def test_a_job_of_the_command_line_keeps_away_from_its_own_records(tmp_path: Path) -> None:
    state = tmp_path / "s/a [1]/state"

    def job_between(source: str, destination: str, **more: object) -> MirrorJob:
        options = {"source": str(tmp_path / source), "destination": str(tmp_path / destination), **more}
        return job_from_options("sync", options, state=str(state), setting="$X")

    assert job_between("s", "d").exclude == (PatternLine(rb"/a\ \[1]/state/", "command line", 0),)
    assert job_between("t", "d").exclude == ()
    for destination, told in [
        (str(tmp_path / "s"), f"holds the state directory '{state}'; set $X to a directory outside of it"),
        ("https://host:1/x", "is on another machine; declare the job in jobs.yaml, and run it with"),
    ]:
        options = {"source": "/etc", "destination": destination}
        with pytest.raises(ConfigError) as caught:
            job_from_options("sync", options, state=str(state), setting="$X")
        assert caught.value.problems[0].startswith(f"command line: destination: {told}")
    with pytest.raises(ConfigError, match=r"log\.file: is in the destination of 'sync', which would remove"):
        job_between("t", "d", log={"file": str(tmp_path / "d/x.log")})
