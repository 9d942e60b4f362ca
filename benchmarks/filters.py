"""What asking about a name costs: `python -m benchmarks.filters`.

A seeded mix of names is judged by rule lists as people write them, in the root and
in a directory four levels down; the best of several rounds is printed.
"""

from __future__ import annotations

import pickle
import random
import time
from collections.abc import Callable, Iterable

from dirsync.filters import Scope, scope_of
from dirsync.model.job import PatternLine

_NAMES = 20_000
_ROUNDS = 7
_DIRECTORIES = (b"home", b"ada", b"projects", b"engine")

_SYSTEM = [".DS_Store", "Thumbs.db", "desktop.ini", ".Trash-*/", ".nfs*", ".~lock.*#", "core", "core.[0-9]*"]
_LEFT_OVER = ["*.tmp", "*.swp", "*~", "*.bak", "*.part", "*.log", "!important.log"]
_BUILT = ["*.o", "*.pyc", "*.class", "__pycache__/", "node_modules/", ".venv/", "build/", "dist/", "target/"]
_PLACES = ["/tmp/", "/var/cache/*", "!/var/cache/keep/", "docs/**/*.pdf", "**/.cache/", ".git/"]
_USUAL = _SYSTEM + _LEFT_OVER + _BUILT + _PLACES
_NAMES_ONLY = ["*.tmp", ".DS_Store", "Thumbs.db", "node_modules/", "__pycache__/"]
_GLOBS = [
    f"{start}*{end}"
    for start in ("tmp", "x-", "~", ".#", "core")
    for end in ("", ".a", ".b", "-c", "[0-9]", "?")
]
_ANCHORED = [f"/var/{name}/" for name in "abcdefghijklmnopqrstuvwxyz"] + [
    "/a/*.x",
    "/a/b/*.y",
    "c/d/",
    "/home/*/.cache/",
]


def main() -> None:
    """Print the cost of a verdict and of entering a directory, a list of rules a line."""
    names = _names(random.Random(1))
    print(f"{'rules':<32}{'root':>14}{'4 levels down':>16}{'enter':>12}")
    for label, patterns in (
        ("none", []),
        ("5 plain names", _NAMES_ONLY),
        (f"{len(_GLOBS)} globs", _GLOBS),
        (f"{len(_ANCHORED)} anchored", _ANCHORED),
        (f"{len(_USUAL)} as people write them", _USUAL),
    ):
        print(f"{label:<32}", *_row(_scope(patterns), names), sep="")
    print(f"{'the same, as an include list':<32}", *_row(_scope([], include=_USUAL), names), sep="")
    _print_pickling(_scope(_USUAL))


def _row(root: Scope, names: list[tuple[bytes, bool]]) -> Iterable[str]:
    deep = _entered(root)
    yield f"{_microseconds(lambda: _judge(root, names), len(names)):>11.2f} µs"
    yield f"{_microseconds(lambda: _judge(deep, names), len(names)):>13.2f} µs"
    yield f"{_microseconds(lambda: _enter_all(root, names), len(names)):>9.2f} µs"


def _print_pickling(root: Scope) -> None:
    batch = [_entered(root).enter(b"%d" % number) for number in range(100)]
    data = pickle.dumps(batch)
    cost = _microseconds(lambda: pickle.loads(pickle.dumps(batch)), len(batch))
    print(f"a batch of 100 scopes: {len(data)} bytes pickled, {cost:.1f} µs a scope there and back")


def _judge(scope: Scope, names: list[tuple[bytes, bool]]) -> None:
    verdict = scope.verdict
    for name, is_directory in names:
        verdict(name, is_directory=is_directory)


def _enter_all(scope: Scope, names: list[tuple[bytes, bool]]) -> None:
    for name, _ in names:
        scope.enter(name)


def _entered(scope: Scope) -> Scope:
    for name in _DIRECTORIES:
        scope = scope.enter(name)
    return scope


def _scope(patterns: list[str], *, include: Iterable[str] = ()) -> Scope:
    return scope_of(include=_lines(include), exclude=_lines(patterns))


def _lines(patterns: Iterable[str]) -> list[PatternLine]:
    return [PatternLine(text.encode(), "benchmark", number) for number, text in enumerate(patterns, 1)]


def _names(chance: random.Random) -> list[tuple[bytes, bool]]:
    """Make names of 3 to 30 letters, most with an ending, one in ten a directory's."""
    endings = [b"", b".c", b".h", b".py", b".jpg", b".tmp", b".o", b".tar.gz", b".log", b".md"]
    letters = b"abcdefghijklmnopqrstuvwxyz-_0123456789"
    stems = (bytes(chance.choices(letters, k=chance.randint(3, 26))) for _ in range(_NAMES))
    return [(stem + chance.choice(endings), chance.random() < 0.1) for stem in stems]


def _microseconds(deed: Callable[[], object], count: int) -> float:
    """Give the best of several rounds, a piece."""
    return min(_seconds(deed) for _ in range(_ROUNDS)) / count * 1e6


def _seconds(deed: Callable[[], object]) -> float:
    begun = time.perf_counter()
    deed()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
