"""The snapshot file: what is written comes back, and what is broken is told in one line."""

from __future__ import annotations

import json
import random
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dirsync.errors import ConfigError
from dirsync.model.change import Failure
from dirsync.model.job import HashAlgorithm
from dirsync.model.snapshot import Seen, Sighting
from tests.states import TAKEN_AT, ListedState, directory, now, read, seen, written
from tests.trees import chain

CHECKOUT = Path(__file__).parents[2]
YEAR_1901_NS = -(2**31) * 10**9
YEAR_2400_NS = 13_569_465_600_123_456_789
HASH = bytes(range(32))

SIGHTINGS: list[Sighting] = [
    seen(b"\x01", mtime_ns=YEAR_1901_NS),
    seen(b" ", mode=0o7777),
    seen(b'"quoted", \\ ],"failures":[', size=2**62),
    directory(b"a", mtime_ns=YEAR_2400_NS),
    Failure(b"a/unknown \xff", "could not be seen: Input/output error"),
    directory(b"a/\xff\xfe"),
    seen(b"a/\xff\xfe/\xf0\n%41", uid=4_294_967_295, gid=123_456),
    seen(b"a-b", hash=HASH, size=3),
    seen(b"back\\slash"),
    directory(b"caf\xc3\xa9"),
    Failure(b"caf\xc3\xa9", "the directory cannot be listed: Permission denied"),
    seen(b"link", stat.S_IFLNK, mode=0o777, size=4, target=b"\xff\n/x"),
    seen(b"link2", stat.S_IFLNK, mode=0o777, size=1, target=b"caf\xc3\xa9"),
    seen(b"new\nline"),
    seen(b"pipe", stat.S_IFIFO),
]
SNAPSHOT = written(ListedState(*SIGHTINGS, algorithm=HashAlgorithm.BLAKE3), root=b"/\xff/root")


def every_shape(text: bytes) -> dict[str, bytes]:
    """Give the same JSON as others may have laid it out."""
    whole = json.loads(text)
    turned = {key: whole[key] for key in reversed(whole)}
    head = json.dumps({**{key: whole[key] for key in whole if key != "entries"}})[:-1]
    lines = ",\n".join(json.dumps(entry) for entry in whole["entries"])
    return {
        "as written": text,
        "one line": json.dumps(whole).encode(),
        "indented": json.dumps(whole, indent=2).encode(),
        "turned": json.dumps(turned, ensure_ascii=False).encode(),
        "windows": text.replace(b"\n", b"\r\n"),
        "failures first": f'{head},"entries":[\n{lines}\n]}}\n'.encode(),
        "no end of line": text.rstrip(),
    }


@pytest.mark.parametrize("shape", list(every_shape(SNAPSHOT)))
def test_what_is_written_is_read_back_however_it_is_laid_out(shape: str) -> None:
    snapshot = read(every_shape(SNAPSHOT)[shape])

    assert list(snapshot.sightings()) == SIGHTINGS
    assert snapshot.header.root == b"/\xff/root"
    assert snapshot.header.taken_at == TAKEN_AT
    assert snapshot.algorithm is HashAlgorithm.BLAKE3


@pytest.mark.parametrize("size", range(1, 40))
def test_what_is_written_is_read_back_in_blocks_of_any_size(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dirsync.snapshot.lines._BLOCK_BYTES", size)
    monkeypatch.setattr("dirsync.snapshot.lines._BATCH_BYTES", 10 * size)

    assert list(read(SNAPSHOT).sightings()) == SIGHTINGS
    assert list(read(written(ListedState())).sightings()) == []


def test_an_empty_tree_is_read_back() -> None:
    assert list(read(written(ListedState())).sightings()) == []


def test_the_file_is_the_one_that_the_contract_names() -> None:
    state = ListedState(seen(b"a\xff", size=1, mtime_ns=2, uid=3, gid=4), Failure(b"b", "why"))

    whole = json.loads(written(state))

    assert list(whole) == ["version", "root", "taken_at", "algorithm", "entries", "failures"]
    assert whole["entries"] == [
        {
            "path": "a\\xff",
            "path_bytes": "a%FF",
            "kind": "file",
            "size": 1,
            "mtime_ns": 2,
            "mode": 0o644,
            "uid": 3,
            "gid": 4,
            "link_target": None,
            "hash": None,
        }
    ]
    assert whole["failures"] == [{"path": "b", "reason": "why"}]
    assert (whole["version"], whole["root"], whole["algorithm"]) == (1, "/root", None)
    assert whole["taken_at"] == "2026-11-21T12:30:00.123Z"


def test_a_chain_deeper_than_any_path_is_read_back(tmp_path: Path) -> None:
    root = chain(tmp_path / "deep", [b"d" * 100] * 200, b"x")
    state = now(root)

    sightings = list(read(written(state)).sightings())

    assert [found.path for found in sightings] == [found.path for found in state.sightings()]
    assert len(sightings) == 201
    subprocess.run(["rm", "-rf", root], check=True)


def entry(**changed: Any) -> dict[str, Any]:
    whole = json.loads(written(ListedState(seen(b"a"))))["entries"][0]
    return {key: value for key, value in {**whole, **changed}.items() if value != "left out"}


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([entry(path="left out")], ":2: 'path' is missing"),
        ([entry(path=1)], ":2: 'path' is no text"),
        ([entry(path="../a")], ":2: 'path' is not relative to the root"),
        ([entry(path="/a")], ":2: 'path' is not relative to the root"),
        ([entry(path="")], ":2: 'path' is not relative to the root"),
        ([entry(path="a\0b")], ":2: 'path' is not relative to the root"),
        ([entry(path="\udcff")], ":2: 'path' is no valid Unicode; write its bytes as 'path_bytes'"),
        ([entry(kind="socket")], ":2: 'kind' is none of file, directory, symlink, special"),
        ([entry(kind=[])], ":2: 'kind' is none of file, directory, symlink, special"),
        ([entry(size="left out")], ":2: 'size' is missing"),
        ([entry(size=-1)], ":2: 'size' or 'mtime_ns' is out of range"),
        ([entry(mtime_ns=10**40)], ":2: 'size' or 'mtime_ns' is out of range"),
        ([entry(uid=-1)], ":2: 'mode', 'uid' or 'gid' is out of range"),
        ([entry(mode="644")], ":2: 'mode' is no whole number"),
        ([entry(mode=True)], ":2: 'mode' is no whole number"),
        ([entry(kind="symlink")], ":2: 'link_target' is no text"),
        ([entry(link_target="x")], ":2: 'link_target' belongs to a symlink"),
        ([entry(hash="00" * 32)], ":2: 'hash' belongs to a file of a snapshot with an 'algorithm'"),
        ([entry(path="b"), entry()], ":3: 'a' is not in path order, or there twice"),
        ([entry(), entry()], ":3: 'a' is not in path order, or there twice"),
        ([entry(), entry(path="a/b")], ":3: the directory of 'a/b' is not there before it"),
        ([entry(), entry(path="b/c")], ":3: the directory of 'b/c' is not there before it"),
        ([1], ": entry 1: it is no object of JSON"),
        ([entry(), 1], ":3: it is no object of JSON"),
    ],
)
def test_an_entry_that_is_none_is_named_with_its_line(records: list[object], message: str) -> None:
    lines = ",\n".join(json.dumps(record) for record in records).encode()
    text = written(ListedState()).replace(b'"entries":[', b'"entries":[\n' + lines)

    with pytest.raises(ConfigError) as refused:
        list(read(text).sightings())

    assert refused.value.problems == (f"snap.json{message}",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: b"", ":1: it is no snapshot, or damaged: Expecting value"),
        (lambda text: b"[]", ": it is no snapshot"),
        (lambda text: b"{}", ": it is no snapshot: it has no 'version'"),
        (lambda text: b"\xff", ": it is no snapshot, or damaged"),
        (lambda text: b"[" * 100_000, ": it is no snapshot, or damaged"),
        (lambda text: b"\x7fELF\n\0\0", ":1: it is no snapshot, or damaged: Expecting value"),
        (
            lambda text: text.replace(b'"version":1', b'"version":2'),
            ":1: it is a snapshot of version 2, made by a later dirsync; this one reads 1",
        ),
        (
            lambda text: text.replace(b'"algorithm":"blake3"', b'"algorithm":"md5"'),
            ":1: 'algorithm' is neither null nor a hash that is known; it may be 'blake3'",
        ),
        (
            lambda text: text.replace(b"2026-11-21T12", b"yesterday"),
            ":1: 'taken_at' is no moment; it is written as 2026-11-21T12:30:00Z",
        ),
        (lambda text: text[: text.index(b"\n],") - 100], ": it is cut off"),
        (lambda text: text[:-10], ": it is cut off, or damaged after its last entry"),
        (lambda text: text.replace(b'"failures"', b'"failure"'), ": 'failures' is missing, or no list"),
        (lambda text: text.replace(b'"reason"', b'"because"'), ": failure 1: 'reason' is missing"),
    ],
)
def test_a_file_that_is_no_snapshot_is_told_in_one_line(
    change: Callable[[bytes], bytes], message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        list(read(change(SNAPSHOT)).sightings())

    assert refused.value.problems == (f"snap.json{message}",)


def test_no_file_that_is_cut_off_is_taken_for_a_whole_one() -> None:
    for length in range(len(SNAPSHOT.rstrip())):
        with pytest.raises(ConfigError):
            list(read(SNAPSHOT[:length]).sightings())


def test_a_file_that_was_altered_is_read_or_refused_in_one_line() -> None:
    chance = random.Random(7)
    read_anyway = 0
    for _ in range(3000):
        text = bytearray(SNAPSHOT)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(text))
            alteration = chance.choice(["byte", "cut", "twice", "digit"])
            if alteration == "byte":
                text[at] = chance.randrange(256)
            elif alteration == "digit":
                text[at : at + 1] = b"9" * chance.randint(1, 5000)
            else:
                piece = text[at : at + chance.randint(1, 200)]
                text[at : at + len(piece)] = piece * (2 if alteration == "twice" else 0)
        try:
            sightings = list(read(bytes(text)).sightings())
        except ConfigError as error:
            (problem,) = error.problems
            assert "\n" not in problem
        else:
            read_anyway += 1
            assert all(isinstance(found, Seen | Failure) for found in sightings)

    assert read_anyway


def test_a_snapshot_of_300_000_entries_is_read_in_little_memory(tmp_path: Path) -> None:
    state = ListedState(
        *(
            found
            for number in range(1000)
            for found in (
                directory(b"%04d" % number),
                *(seen(b"%04d/%03d" % (number, file), size=number, mtime_ns=file) for file in range(299)),
            )
        )
    )
    large, small = tmp_path / "large.json", tmp_path / "small.json"
    large.write_bytes(written(state))
    small.write_bytes(written(ListedState()))

    grown = _peak_bytes(large) - _peak_bytes(small)

    assert large.read_bytes().count(b"\n") == 300_003

    assert grown < 4_000_000, grown


def _peak_bytes(snapshot: Path) -> int:
    """Read a snapshot in a process of its own; give the most memory it took."""
    code = (
        "import re, sys; from dirsync.snapshot.reading import open_snapshot\n"
        "with open_snapshot(sys.argv[1]) as snapshot:\n"
        "    for _ in snapshot.sightings(): pass\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) * 1024)"
    )
    command = [sys.executable, "-c", code, str(snapshot)]
    return int(subprocess.run(command, cwd=CHECKOUT, capture_output=True, check=True).stdout)
