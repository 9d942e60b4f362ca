"""Lists and scopes: how include, exclude and nested ignore files play together."""

from __future__ import annotations

import pickle
from collections.abc import Mapping

import pytest

from dirsync.filters import Scope, Verdict, pattern_lines, scope_of
from dirsync.filters.explanation import Explanation, explain
from dirsync.model.job import PatternLine


def lines(*texts: bytes, file: str = "jobs.yaml") -> list[PatternLine]:
    return [PatternLine(text, file, number) for number, text in enumerate(texts, 1)]


def why(scope: Scope, path: bytes, files: Mapping[bytes, bytes] | None = None) -> Explanation:
    """Explain a path; one that ends with a slash is a directory."""

    def read(file: bytes) -> tuple[PatternLine, ...]:
        return pattern_lines((files or {}).get(file, b""), file=file.decode())

    return explain(scope, path.removesuffix(b"/"), is_directory=path.endswith(b"/"), read_ignore_file=read)


@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        (b"x.jpg", Verdict.SELECTED),
        (b"deep/er/x.jpg", Verdict.SELECTED),
        (b"x.txt", Verdict.EXCLUDED),
        (b"deep/", Verdict.PASSED),
        (b"albums/", Verdict.SELECTED),
        (b"albums/any/thing", Verdict.SELECTED),
        (b"albums/a.draft", Verdict.SELECTED),  # taken back too late: its directory is included
        (b"albums/x.tmp", Verdict.EXCLUDED),
        (b"deep/albums/any", Verdict.EXCLUDED),
        (b"a.draft.jpg", Verdict.EXCLUDED),
        (b"cache/", Verdict.PASSED),
        (b"cache/x.jpg", Verdict.EXCLUDED),
        (b"cache/keep/x.jpg", Verdict.SELECTED),
    ],
)
def test_selected_is_included_and_not_excluded(path: bytes, verdict: Verdict) -> None:
    scope = scope_of(
        include=lines(b"*.jpg", b"!*.draft*", b"/albums/"),
        exclude=lines(b"*.tmp", b"/cache/*", b"!/cache/keep/"),
    )

    assert why(scope, path).verdict is verdict


def test_include_list_of_comments_is_no_list() -> None:
    assert scope_of(include=lines(b"# all", b""), exclude=()).trivial


def test_include_list_that_matches_nothing_selects_nothing() -> None:
    scope = scope_of(include=lines(b"!*.tmp"), exclude=())

    assert why(scope, b"a").verdict is Verdict.EXCLUDED
    assert why(scope, b"a/").verdict is Verdict.PASSED


def test_nearer_ignore_files_win_over_farther_and_over_the_job() -> None:
    scope = scope_of(include=(), exclude=lines(b"*.log"), ignore_files=[b".ignore"])
    files = {b".ignore": b"!*.log\n*.txt", b"a/.ignore": b"b/*.log\n!x.txt"}

    assert why(scope, b"x.log", files).verdict is Verdict.SELECTED
    assert why(scope, b"a/b/x.log", files).decided_by == PatternLine(b"b/*.log", "a/.ignore", 1)
    assert why(scope, b"a/c/x.log", files).decided_by == PatternLine(b"!*.log", ".ignore", 1)
    assert why(scope, b"a/x.txt", files).verdict is Verdict.SELECTED
    assert why(scope, b"x.txt", files).verdict is Verdict.EXCLUDED


def test_ignore_file_beneath_an_excluded_directory_is_not_read() -> None:
    scope = scope_of(include=(), exclude=lines(b"a/"), ignore_files=[b".ignore"])
    asked: list[bytes] = []

    def read(file: bytes) -> tuple[PatternLine, ...]:
        asked.append(file)
        return ()

    explain(scope, b"a/b/c", is_directory=False, read_ignore_file=read)

    assert asked == [b".ignore"]


def test_of_two_ignore_files_in_a_directory_the_one_named_last_wins() -> None:
    scope = scope_of(include=(), exclude=(), ignore_files=[b".gitignore", b".syncignore"])
    files = {b".gitignore": b"*.o", b".syncignore": b"!*.o"}

    assert why(scope, b"x.o", files).verdict is Verdict.SELECTED


def test_scope_without_rules_is_trivial_and_the_same_everywhere() -> None:
    scope = scope_of(include=(), exclude=lines(b"# none", b"[unclosed"))

    assert scope.trivial
    assert scope.enter(b"a") is scope


def test_scope_becomes_trivial_where_no_anchored_rule_can_match() -> None:
    scope = scope_of(include=(), exclude=lines(b"/cache/", b"/a/b/*.c", b"!/a/x"))

    assert not scope.enter(b"a").trivial
    assert not scope.enter(b"a").enter(b"b").trivial
    assert scope.enter(b"cached").trivial
    assert scope.enter(b"a").enter(b"b").enter(b"c").trivial


def test_scope_beneath_an_included_directory_is_trivial() -> None:
    assert scope_of(include=lines(b"/albums/"), exclude=()).enter(b"albums").trivial


def test_rules_on_names_make_one_scope_for_all_directories() -> None:
    scope = scope_of(include=(), exclude=lines(b"*.tmp", b"core", b"**/build"))

    assert scope.enter(b"a").enter(b"b") is scope


def test_scopes_of_one_pickle_share_their_rules() -> None:
    root = scope_of(include=(), exclude=lines(*(b"/a/**/%d-*" % number for number in range(50))))
    alone = len(pickle.dumps([root.enter(b"a")]))
    batch = [root.enter(b"a").enter(b"%d" % number) for number in range(50)]
    arrived = pickle.loads(pickle.dumps(batch))

    assert len(pickle.dumps(batch)) < 3 * alone
    assert arrived[0].excludes[0].rules is arrived[49].excludes[0].rules
    assert arrived[7].verdict(b"7-x", is_directory=False) is Verdict.EXCLUDED


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (b"", "the root itself is always selected"),
        (b"a.jpg", "included by '*.jpg' (jobs.yaml:1)"),
        (b"a.txt", "no include line matches"),
        (
            b"d.jpg/",
            "taken out of what is included by '!*.jpg/' (jobs.yaml:2), but what is beneath may be selected",
        ),
        (b"a/", "no include line matches, but what is beneath may be selected"),
        (b"x.tmp", "excluded by '*.tmp' (jobs.yaml:1)"),
        (
            b"a/\xff.tmp/b/c",
            "'a/\\xff.tmp' is excluded by '*.tmp' (jobs.yaml:1), "
            "and nothing beneath an excluded directory is looked at",
        ),
        (
            b"docs/a/b",
            "'docs' is included by '/docs' (jobs.yaml:3), "
            "and so is everything beneath it that is not excluded",
        ),
    ],
)
def test_explanation_names_file_line_and_rule(path: bytes, reason: str) -> None:
    scope = scope_of(include=lines(b"*.jpg", b"!*.jpg/", b"/docs"), exclude=lines(b"*.tmp"))

    assert why(scope, path).reason == reason


def test_explanation_without_include_list_names_what_keeps_a_path() -> None:
    scope = scope_of(include=(), exclude=lines(b"*.log", b"!keep.log"))

    assert why(scope, b"a").reason == "no line excludes it"
    assert why(scope, b"keep.log").reason == "kept from being excluded by '!keep.log' (jobs.yaml:2)"
    assert why(scope, b"keep.log").path_decided == b"keep.log"
