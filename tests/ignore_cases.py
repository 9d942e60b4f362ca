"""Random trees and ignore rules, rich in what ignore rules get wrong; the same seed gives the same case."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PLAIN = (
    rb"a b c ab abc foo bar foobar keep cache docs build a.c b.md foo.tmp a.tar.gz a. .a ..a .c x~ ~ A Z9 0"
)
_MEANING = rb"!x #x ! # \ a\ \a * ** ? [a] a[b [ ] - ^ a-b a] [!a] : {a,b} (a) a|b $ + aaaaaaab abababab"
_BLANK = [b"a b", b"a ", b" a", b" ", b"a\\ ", b"a\nb", b"a\n", b"\n", b"a\tb", b"a\r"]
_BINARY = [b"\xff", b"a\xfe", b"\xc3\xa9", b"\x01", b"\x7f", b"\x0b", b"long" * 60]
_NAMES = [*_PLAIN.split(), *_MEANING.split(), *_BLANK, *_BINARY]

_SETS = rb"[a] [ab] [a-c] [!a] [^a] [!a-c] []] []a] [!]] [a-] [-a] [!-] [*] [?] [!!] [!^] [^^] [a^]"
_RANGES = (
    rb"[a-c-e] [c-a] [\]] [\a-\c] [a\-c] [\\] [[] [[a] [a[] []-a] [&&] [--a] [a||b] [~~] [+--] [a/b] [!/] [/]"
)
_POSIX = rb"[[:alpha:]] [![:alpha:]] [[:digit:][:space:]] [[:punct:]] [[:cntrl:]] [[:upper:]x] [[:foo:]]"
_BROKEN = (
    rb"[[:alpha:] [[:alpha]] [[:] [[::]] [:alpha:] [[:alpha:]-z] [a-[:digit:]] [ [! [^ [] [!] [a [a- [\ [[:"
)
_BINARY_SETS = [b"[\x80-\xff]", b"[^\x01-\x7f]"]
_CLASSES = [*b" ".join((_SETS, _RANGES, _POSIX, _BROKEN)).split(), *_BINARY_SETS]

_STARS = [b"*", b"*", b"*", b"**", b"**", b"***", b"*?", b"?*", b"?", b"??"]
_JUNK = b"aabbc.*?[]!^-\\/ #:\t\r\x80\xffA0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A tree and its rules; paths are relative, a directory comes before what it holds."""

    directories: tuple[bytes, ...]
    files: tuple[bytes, ...]
    links: tuple[bytes, ...]  # symlinks to directories
    ignore_files: dict[bytes, bytes]  # path of each nested ignore file: its content
    exclude: bytes  # the job's own list, as a file would hold it
    include: bytes | None  # None: no include list

    @property
    def paths(self) -> tuple[bytes, ...]:
        """Every path, the ignore files too."""
        return (*self.directories, *self.files, *self.links, *self.ignore_files)

    def children(self, directory: bytes) -> list[tuple[bytes, bool]]:
        """Name what is in a directory (ends with "/", or empty), and say what is a directory."""
        return [
            (path[len(directory) :], path in self.directories)
            for path in self.paths
            if path.startswith(directory) and b"/" not in path[len(directory) :]
        ]

    @contextlib.contextmanager
    def built(self, root: Path) -> Iterator[Path]:
        """Give the tree on disk, and take it away again."""
        root.mkdir()
        for path in self.directories:
            os.mkdir(_below(root, path))
        for path in self.files:
            _write(_below(root, path), b"")
        for path in self.links:
            os.symlink(".", _below(root, path))
        for path, content in self.ignore_files.items():
            _write(_below(root, path), content)
        yield root
        for path in (*self.files, *self.links, *self.ignore_files):
            os.unlink(_below(root, path))
        for path in reversed(self.directories):
            os.rmdir(_below(root, path))
        root.rmdir()

    def empty_ignore_files(self, root: Path) -> None:
        """Take the rules out of the nested ignore files of a built tree."""
        for path in self.ignore_files:
            _write(_below(root, path), b"")


def random_case(seed: int) -> Case:
    """Make the case of a seed."""
    return _CaseMaker(random.Random(seed)).case()


class _CaseMaker:
    """Makes patterns out of the very names the tree is made of, so that they often match."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._names = chance.sample(_NAMES, chance.randint(3, 14))
        self._directories: list[bytes] = []
        self._paths: set[bytes] = set()

    def case(self) -> Case:
        for _ in range(self._chance.randint(1, 10)):
            self._add_directory()
        files = tuple(filter(None, (self._new_path() for _ in range(self._chance.randint(3, 30)))))
        links = tuple(filter(None, (self._new_path() for _ in range(self._chance.choice([0, 0, 1, 3])))))
        where = [b"", *self._directories]
        holders = self._chance.sample(where, min(len(where), self._chance.choice([0, 0, 1, 2, 3])))
        return Case(
            directories=tuple(self._directories),
            files=files,
            links=links,
            ignore_files={_join(holder, b".gitignore"): self._content(holder) for holder in holders},
            exclude=self._content(b""),
            include=self._content(b"") if self._chance.random() < 0.4 else None,
        )

    def _add_directory(self) -> None:
        path = self._new_path()
        if path is not None:
            self._directories.append(path)

    def _new_path(self) -> bytes | None:
        """Take a new path; most lie deep. None: it is taken."""
        parent = self._chance.choice([b"", *self._directories, *self._directories[-3:]])
        path = _join(parent, self._chance.choice(self._names))
        if path in self._paths:
            return None
        self._paths.add(path)
        return path

    def _content(self, holder: bytes) -> bytes:
        lines = [self._line(holder) for _ in range(self._chance.choice([1, 1, 2, 3, 4, 6, 10, 30]))]
        start = b"\xef\xbb\xbf" if self._chance.random() < 0.03 else b""
        end = self._chance.choice([b"\n", b"\n", b"", b"\r\n"])
        return start + self._chance.choice([b"\n", b"\n", b"\n", b"\r\n"]).join(lines) + end

    def _line(self, holder: bytes) -> bytes:
        if self._chance.random() < 0.04:
            return self._chance.choice(
                [b"", b"#a", b"# x", b" ", b"!", b"/", b"!/", b"//", b"\\", b"!#x", b"a\0b", b"\t"]
            )
        makers = [self._from_path, self._from_segments, self._from_junk]
        return self._affix(self._chance.choices(makers, [6, 4, 1])[0](holder))

    def _from_path(self, holder: bytes) -> bytes:
        """Blur a path of the tree: all of it, its last names, or its first."""
        beneath = [path for path in self._paths if path.startswith(_join(holder, b""))]
        if not beneath:
            return self._segment()
        names = self._chance.choice(sorted(beneath)).removeprefix(_join(holder, b"")).split(b"/")
        match self._chance.randint(0, 3):
            case 0:
                names = names[self._chance.randrange(len(names)) :]
            case 1:
                names = names[: self._chance.randint(1, len(names))]
            case 2:
                begin, end = sorted(self._chance.choices(range(len(names) + 1), k=2))
                names[begin:end] = [self._chance.choice([b"**", b"*", b"***"])]
            case _:
                names = names[-1:]
        return b"/".join(self._blurred(name) for name in names)

    def _from_segments(self, _holder: bytes) -> bytes:
        return b"/".join(self._segment() for _ in range(self._chance.choice([1, 1, 1, 2, 2, 3, 4])))

    def _from_junk(self, _holder: bytes) -> bytes:
        return bytes(self._chance.choices(_JUNK, k=self._chance.randint(1, 9)))

    def _segment(self) -> bytes:
        match self._chance.randint(0, 5):
            case 0:
                return self._chance.choice(_STARS)
            case 1:
                name = self._chance.choice(self._names)
                return b"*" + name[self._chance.randrange(len(name)) :]
            case 2:
                pieces = [self._piece() for _ in range(self._chance.randint(1, 4))]
                return b"".join(pieces)
            case _:
                return self._blurred(self._chance.choice(self._names))

    def _piece(self) -> bytes:
        return self._chance.choice(
            [self._chance.choice(_STARS), self._chance.choice(_CLASSES), self._chance.choice(self._names)]
        )

    def _blurred(self, name: bytes) -> bytes:
        """Write a name as a pattern that probably matches it."""
        if name in (b"*", b"**", b"***") or self._chance.random() < 0.35:
            return name
        return b"".join(self._blurred_byte(name[at : at + 1]) for at in range(len(name[:12]))) + name[12:]

    def _blurred_byte(self, byte: bytes) -> bytes:
        match self._chance.randint(0, 13):
            case 0:
                return self._chance.choice(_STARS)
            case 1:
                return self._chance.choice(_CLASSES)
            case 2:
                return b"[" + byte + b"]"
            case 3:
                return self._chance.choice([b"*", b"**"]) + byte
            case 4:
                return b"[!x-" + byte + b"]"
            case 5 | 6:
                return b"\\" + byte
            case _:
                return b"\\" + byte if byte in b"*?[\\" and self._chance.random() < 0.7 else byte

    def _affix(self, pattern: bytes) -> bytes:
        chance = self._chance.random
        if chance() < 0.2:
            pattern = b"/" + pattern
        elif chance() < 0.1:
            pattern = b"**/" + pattern
        if chance() < 0.2:
            pattern += b"/"
        elif chance() < 0.1:
            pattern += self._chance.choice([b"/**", b"/*", b"**", b"/**/", b"//", b"\\/", b"/**/*", b"\\"])
        if chance() < 0.1:
            pattern += self._chance.choice(
                [b" ", b"  ", b"\\ ", b"\\  ", b" \\ ", b"\t", b"\r", b" \\", b" \t "]
            )
        if chance() < 0.35:
            pattern = b"!" + pattern
        return pattern.replace(b"\n", b"?")


def _below(root: Path, path: bytes) -> bytes:
    return os.fsencode(root) + b"/" + path


def _write(path: bytes, content: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(file, content)
    os.close(file)


def _join(parent: bytes, name: bytes) -> bytes:
    return parent + b"/" + name if parent else name
