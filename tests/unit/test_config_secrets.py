"""Secrets are masked wherever text comes out."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from dirsync.config import Mask
from dirsync.config.showing import effective_yaml
from dirsync.errors import ConfigError
from tests.declared import declared, problems_of

SECRET = "s3cr3t value/9"
TEXT = """\
    version: 1
    secrets:
      one: {environment: ONE_SECRET}
      two: {file: two.txt}
      gone: {file: gone.txt}
      unset: {environment: UNSET_SECRET}
    jobs:
      a: {source: "${ONE_SECRET}", destination: d}
    """


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a secret file, a secret in the environment."""
    monkeypatch.setenv("ONE_SECRET", SECRET)
    (tmp_path / "two.txt").write_text("first line of it\nsecond line\n")
    return tmp_path


def test_mask_hides_each_secret_in_each_writing(directory: Path) -> None:
    mask = pickle.loads(pickle.dumps(declared(directory, TEXT).mask))

    assert mask(f"a {SECRET} b") == "a *** b"
    assert mask("https://x/s3cr3t%20value%2F9/y") == "https://x/***/y"
    assert mask("line 3: second line") == "line 3: ***"
    assert SECRET not in repr(mask)


def test_mask_hides_what_json_and_python_escape() -> None:
    secret = 'quo"te\\and\ttab'
    mask = Mask.of([secret])

    assert mask(json.dumps(secret)) == '"***"'
    assert mask(repr(secret)) == "'***'"


def test_empty_secret_hides_nothing() -> None:
    assert Mask.of(["", " "])("a b") == "a b"


def test_show_masks_values_and_shows_where_secrets_are_kept(directory: Path) -> None:
    declared(directory, TEXT)
    shown = effective_yaml(str(directory / "jobs.yaml"))

    assert SECRET not in shown
    assert f"source: {directory}/***" in shown
    assert "one: {environment: ONE_SECRET}" in shown


def test_problem_does_not_tell_a_secret(directory: Path) -> None:
    text = TEXT.replace("destination: d", 'destination: d, type: "${ONE_SECRET}", delete: second line')
    with pytest.raises(ConfigError) as caught:
        declared(directory, text)

    assert SECRET not in repr(caught.value)
    assert "second line" not in str(caught.value)
    assert "jobs.a.type: '***' is not known; write sync, track or check" in str(caught.value)


@pytest.mark.parametrize(
    ("secret", "told"),
    [
        ("hunter2", "expected a mapping, not a text; write 'key: value' lines"),
        ("{}", "is kept in one place; write either 'environment: NAME' or 'file: PATH'"),
        (
            "{environment: A, file: b}",
            "is kept in one place; write either 'environment: NAME' or 'file: PATH'",
        ),
    ],
)
def test_secret_that_is_written_out_is_refused_and_not_repeated(
    tmp_path: Path, secret: str, told: str
) -> None:
    text = f"version: 1\nsecrets:\n  x: {secret}\njobs: {{a: {{source: s, destination: d}}}}\n"

    assert problems_of(tmp_path, text) == [f"jobs.yaml:3: secrets.x: {told}"]


def test_references_to_secrets_are_not_expanded(directory: Path) -> None:
    text = TEXT.replace("UNSET_SECRET", '"${NO_SUCH}"')

    assert declared(directory, text).secrets[3].environment == "${NO_SUCH}"
