"""Single patterns: what each matches, as git has it."""

from __future__ import annotations

import time

import pytest

from dirsync.filters import Verdict, explain, pattern_lines, scope_of
from dirsync.model.job import PatternLine


def excluded(content: bytes, path: bytes) -> bool:
    """Whether the rules exclude a path; one that ends with a slash is a directory."""
    scope = scope_of(include=(), exclude=pattern_lines(content, file="rules"))
    is_directory = path.endswith(b"/")
    why = explain(
        scope, path.removesuffix(b"/"), is_directory=is_directory, read_ignore_file=lambda _path: ()
    )
    return why.verdict is Verdict.EXCLUDED


MATCHING = [
    # names and places
    (b"foo", b"foo"),
    (b"foo", b"a/b/foo"),
    (b"foo", b"foo/a"),
    (b"foo/", b"a/foo/"),
    (b"foo/", b"foo/a"),
    (b"/foo", b"foo"),
    (b"a/foo", b"a/foo"),
    (b"a/foo/", b"a/foo/b"),
    (b"[ab]/foo", b"b/foo"),
    # stars
    (b"*", b"a/\xff"),
    (b"*.c", b".c"),
    (b"*.tar.gz", b"a.tar.gz"),
    (b"a*c", b"abbc"),
    (b"a***c", b"abbc"),
    (b"/a/*", b"a/b"),
    (b"a/*/c", b"a/b/c"),
    (b"*x*", b"a\nx"),
    # double stars
    (b"**", b"a"),
    (b"**/", b"a/b"),
    (b"**/foo", b"foo"),
    (b"**/a/foo", b"b/a/foo"),
    (b"a/**", b"a/b"),
    (b"a/**/b", b"a/b"),
    (b"a/**/b", b"a/x/y/b"),
    (b"a/**/**/b", b"a/b"),
    (b"a/***/b", b"a/x/y/b"),
    (b"**/a/**/b", b"x/a/a/y/b"),
    (b"foo**/bar", b"foobar"),  # the text before the first wildcard is set aside first
    (b"foo**/bar", b"foox/y/bar"),
    (b"a/foo**", b"a/foox/y"),
    (b"?o**/bar", b"fox/bar"),
    (b"a/**\\/b", b"a/x/b"),
    # brackets
    (b"[a-c]x", b"bx"),
    (b"[!a-c]x", b"dx"),
    (b"[^a-c]x", b"dx"),
    (b"[]]", b"]"),
    (b"[!]]", b"a"),
    (b"[a-]", b"-"),
    (b"[-a]", b"-"),
    (b"[a-c-e]", b"-"),
    (b"[\\]]", b"]"),
    (b"[\\a-\\c]", b"b"),
    (b"[[]", b"["),
    (b"[[:alpha:]]1", b"a1"),
    (b"[![:alpha:]]", b"1"),
    (b"[[:digit:][:upper:]]", b"A"),
    (b"[[:alpha]a]", b"[a]"),  # an ordinary set without ":]", then "a]"
    (b"[[:x]]", b":]"),
    (b"[\x80-\xff]", b"\xfe"),
    (b"[&&]", b"&"),
    (b"[*]", b"*"),
    # escapes and spaces
    (b"\\!x", b"!x"),
    (b"\\#x", b"#x"),
    (b"\\*", b"*"),
    (b"\\a", b"a"),
    (b"a\\\\", b"a\\"),
    (b"a  ", b"a"),
    (b"a\\ ", b"a "),
    (b"a\\  ", b"a "),
    (b" a", b" a"),
    (b"a b ", b"a b"),
    (b"a\t", b"a\t"),
    (b"a\r\n", b"a"),
    (b"a\r", b"a"),
    (b"a\r\r\n", b"a\r"),
    (b"\xef\xbb\xbfa", b"a"),
    # order
    (b"!a\na", b"a"),
    (b"a\n!b", b"a/b"),
    (b"a/\n!a/b", b"a/b"),
    (b"*\n!*/\n!*.md", b"a/b.c"),
    (b"/*\n!/a/\n/a/*\n!/a/b/", b"a/c"),
]

NOT_MATCHING = [
    (b"", b"a"),
    (b"#a", b"#a"),
    (b"foo", b"foobar"),
    (b"foo", b"Foo"),
    (b"foo", b"foo\n"),
    (b"foo/", b"foo"),
    (b"/foo", b"a/foo"),
    (b"a/foo", b"b/a/foo"),
    (b"[a/b]x", b"c/ax"),  # a slash anywhere anchors a pattern
    (b"/", b"a"),
    (b"//", b"a"),
    (b"!", b"a"),
    (b"a//b", b"a/b"),
    (b"*.c", b"a.cc"),
    (b"/a/*", b"a/"),
    (b"a/*/c", b"a/b/x/c"),
    (b"a/b*c", b"a/b/c"),
    (b"**/", b"a"),
    (b"a/**", b"a/"),
    (b"a/**", b"a"),
    (b"a**/b", b"x/a/b"),
    (b"?a**/b", b"xa/y/b"),  # not between slashes: the stars stay within a name
    (b"a/**\\/b", b"a/b"),
    (b"a/?/b", b"a/b"),
    (b"a?b", b"a/b"),
    (b"a[/]b", b"a/b"),
    (b"a[!x]b", b"a/b"),
    (b"[c-a]", b"b"),
    (b"[a", b"[a"),
    (b"a[", b"a["),
    (b"[!", b"!"),
    (b"[[:nonsense:]a]", b"a"),
    (b"[[:space:]]", b"\x0b"),  # git's table of spaces has no \v
    (b"[[:alpha:]]", b"\xe9"),
    (b"a\\", b"a"),
    (b"a\\", b"a\\"),
    (b"a \\", b"a "),
    (b"foo\\/", b"foo/"),
    (b"a ", b"a "),
    (b"a\\\\ ", b"a\\ "),
    (b"a\n!a", b"a"),
    (b"*\n!*/\n!*.md", b"a/b.md"),
    (b"a/*\n!a/b", b"a/b/c"),
    (b"*.log\n!keep.log", b"x/keep.log"),
    (b"/*\n!/a/\n/a/*\n!/a/b/", b"a/b/c"),
]


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
