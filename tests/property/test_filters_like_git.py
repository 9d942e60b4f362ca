"""Filters decide as git does, in random trees under random rules.

The walk is judged by what `git ls-files` reaches, each path's verdict and the line
that decides by `git check-ignore`. DIRSYNC_EXAMPLES sets how many cases are tried.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dirsync.filters import Scope, Verdict, pattern_lines, scope_of
from dirsync.filters.brackets import ANY_BYTE, CLASSES
from dirsync.filters.explanation import explain
from dirsync.model.job import PatternLine
from tests.git_ignores import Decision, Git
from tests.ignore_cases import Case, random_case
from tests.ignore_examples import MATCHING, NOT_MATCHING

_EXAMPLES = int(os.environ.get("DIRSYNC_EXAMPLES", "300"))
_SHARDS = 4  # so that several workers share them


@pytest.mark.timeout(36_000)
@pytest.mark.parametrize("shard", range(_SHARDS))
def test_verdicts_and_deciding_lines_are_gits(tmp_path: Path, shard: int) -> None:
    excluding, including = Git(tmp_path / "exclude.git"), Git(tmp_path / "include.git")
    wrong: list[str] = []
    for seed in range(shard, _EXAMPLES, _SHARDS):
        case = random_case(seed)
        with case.built(tmp_path / "tree") as root:
            expected = _Expected(root, case, excluding=excluding, including=including)
        wrong += [f"seed {seed}: {problem}" for problem in _differences(case, expected)]

    assert wrong == []


def test_pickled_scopes_give_the_same_verdicts() -> None:
    for seed in range(_EXAMPLES):
        case = random_case(seed)

        assert _walk(case, _root_scope(case), hand_over=_pickled) == _walk(case, _root_scope(case)), seed


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_class_holds_the_bytes_it_holds_for_git(tmp_path: Path, name: bytes) -> None:
    git = Git(tmp_path / "exclude.git")
    git.exclude_file.write_bytes(b"x[[:%b:]]" % name)
    tree = tmp_path / "tree"
    tree.mkdir()
    paths = [b"x" + bytes([byte]) for byte in sorted(ANY_BYTE)]
    members = {path[1] for path, decision in git.decisions(tree, paths).items() if decision.ignored}

    assert CLASSES[name] & ANY_BYTE == members


def test_examples_are_gits(tmp_path: Path) -> None:
    git = Git(tmp_path / "exclude.git")
    wrong = []
    for number, (rules, path) in enumerate([*MATCHING, *NOT_MATCHING]):
        tree = tmp_path / str(number)
        place = os.fsencode(tree) + b"/" + path
        os.makedirs(os.path.dirname(place))
        if not path.endswith(b"/"):
            os.mknod(place)
        git.exclude_file.write_bytes(rules)
        path = path.removesuffix(b"/")
        if git.decisions(tree, [path])[path].ignored is (number >= len(MATCHING)):
            wrong.append((rules, path))

    assert wrong == []


class _Expected:
    """What git says of a case."""

    def __init__(self, root: Path, case: Case, *, excluding: Git, including: Git) -> None:
        excluding.exclude_file.write_bytes(case.exclude)
        self.reached = excluding.reached_files(root)
        self._excluding = excluding.decisions(root, case.paths)
        self._including: dict[bytes, Decision] | None = None
        if case.include is not None and pattern_lines(case.include, file=""):  # comments are no list
            case.empty_ignore_files(root)  # they add to what is excluded only
            including.exclude_file.write_bytes(case.include)
            self._including = including.decisions(root, case.paths)

    def verdict(self, path: bytes, *, is_directory: bool) -> Verdict:
        if self._excluding[path].ignored:
            return Verdict.EXCLUDED
        if self._including is None or self._including[path].ignored:
            return Verdict.SELECTED
        return Verdict.PASSED if is_directory else Verdict.EXCLUDED

    def decision(self, path: bytes) -> Decision:
        if self._including is None or self._excluding[path].ignored:
            return self._excluding[path]
        return self._including[path]


def _differences(case: Case, expected: _Expected) -> Iterator[str]:
    bare_scope = _root_scope(case, with_include=False)
    reached = {path for path, verdict in _walk(case, bare_scope).items() if verdict is Verdict.SELECTED}
    if reached - set(case.directories) != expected.reached:
        yield f"reached {sorted(reached)}, git {sorted(expected.reached)}"
    verdicts = _walk(case, _root_scope(case))
    for path in case.paths:
        is_directory = path in case.directories
        verdict, decision = expected.verdict(path, is_directory=is_directory), expected.decision(path)
        if verdicts.get(path, Verdict.EXCLUDED) is not verdict:
            yield f"{path!r}: the walk says {verdicts.get(path)}, git {verdict} by {decision}"
        why = explain(
            _root_scope(case),
            path,
            is_directory=is_directory,
            read_ignore_file=lambda file: _ignore_lines(case, file),
        )
        if why.verdict is not verdict or _as_git_names(why.decided_by) != _as_declared(decision):
            yield f"{path!r}: explained by {why}, git {verdict} by {decision}"


def _walk(
    case: Case, root_scope: Scope, *, hand_over: Callable[[Scope], Scope] = lambda scope: scope
) -> dict[bytes, Verdict]:
    """Give the verdict of each path that a walk comes by."""
    verdicts: dict[bytes, Verdict] = {}
    pending = [(b"", root_scope)]
    while pending:
        directory, scope = pending.pop()
        for ignore_file in scope.ignore_files:
            scope = scope.with_ignore_file(_ignore_lines(case, directory + ignore_file))
        scope = hand_over(scope)
        for name, is_directory in case.children(directory):
            verdict = scope.verdict(name, is_directory=is_directory)
            verdicts[directory + name] = verdict
            if is_directory and verdict is not Verdict.EXCLUDED:
                pending.append((directory + name + b"/", scope.enter(name)))
    return verdicts


def _pickled(scope: Scope) -> Scope:
    arrived: Scope = pickle.loads(pickle.dumps(scope))
    return arrived


def _root_scope(case: Case, *, with_include: bool = True) -> Scope:
    include = case.include if with_include and case.include is not None else b""
    return scope_of(
        include=pattern_lines(include, file="include"),
        exclude=pattern_lines(case.exclude, file="exclude"),
        ignore_files=(b".gitignore",),
    )


def _ignore_lines(case: Case, path: bytes) -> tuple[PatternLine, ...]:
    return pattern_lines(case.ignore_files.get(path, b""), file=os.fsdecode(path))


def _as_git_names(line: PatternLine | None) -> tuple[bytes, int, bytes]:
    return (b"", 0, b"") if line is None else (os.fsencode(line.file), line.line, line.text)


def _as_declared(decision: Decision) -> tuple[bytes, int, bytes]:
    """Give what git says, with the names this test gives the two lists."""
    for name in (b"exclude", b"include"):
        if decision.file.endswith(b"/%b.git/info/exclude" % name):
            return (name, decision.line, decision.pattern)
    return decision
