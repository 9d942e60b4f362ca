"""Single patterns: what each matches, as git has it."""

from __future__ import annotations

import time

import pytest

from dirsync.filters import Verdict, pattern_lines, scope_of
from dirsync.filters.explanation import explain
from dirsync.model.job import PatternLine
from tests.ignore_examples import MATCHING, NOT_MATCHING


def excluded(content: bytes, path: bytes) -> bool:
    """Whether the rules exclude a path; one that ends with a slash is a directory."""
    scope = scope_of(include=(), exclude=pattern_lines(content, file="rules"))
    is_directory = path.endswith(b"/")
    why = explain(
        scope, path.removesuffix(b"/"), is_directory=is_directory, read_ignore_file=lambda _path: ()
    )
    return why.verdict is Verdict.EXCLUDED


@pytest.mark.parametrize(("rules", "path"), MATCHING)
def test_path_is_excluded(rules: bytes, path: bytes) -> None:
    assert excluded(rules, path)


@pytest.mark.parametrize(("rules", "path"), NOT_MATCHING)
def test_path_is_not_excluded(rules: bytes, path: bytes) -> None:
    assert not excluded(rules, path)


def test_lines_of_a_file_keep_their_numbers_and_lose_what_git_drops() -> None:
    content = b"\xef\xbb\xbf# a comment\r\n\r\n  \nfoo  \r\n\\#bar\\ \nlast"

    assert pattern_lines(content, file="a/.gitignore") == (
        PatternLine(b"foo", "a/.gitignore", 4),
        PatternLine(b"\\#bar\\ ", "a/.gitignore", 5),
        PatternLine(b"last", "a/.gitignore", 6),
    )


def test_lines_of_a_job_are_cut_as_those_of_a_file() -> None:
    lines = [PatternLine(text, "jobs.yaml", 1) for text in (b"# a comment", b"", b"foo  ", b"x\0y")]
    scope = scope_of(include=(), exclude=lines)

    assert [scope.verdict(name, is_directory=False) for name in (b"# a comment", b"foo", b"x", b"x\0y")] == [
        Verdict.SELECTED,
        Verdict.EXCLUDED,
        Verdict.EXCLUDED,
        Verdict.SELECTED,
    ]


@pytest.mark.parametrize(
    "pattern",
    [
        b"*a" * 60 + b"b",
        b"?*" * 60 + b"b",
        b"**/" + b"a*" * 30 + b"/b",
        b"a/" + b"**/a/" * 40 + b"b",
        b"a/" + b"**/*a*a*a/" * 40 + b"b",
    ],
    ids=["stars", "marks", "names", "directories", "both"],
)
def test_hostile_pattern_is_decided_in_no_time(pattern: bytes) -> None:
    paths = [b"a" * 255, b"a/" * 200 + b"a", b"/".join([b"a" * 255] * 8)]
    started = time.process_time()

    assert not any(excluded(pattern, path) for path in paths)
    assert time.process_time() - started < 5
