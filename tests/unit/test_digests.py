"""Digests on record are found by the paths they are of."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from dirsync.scan import digests as digests_module
from dirsync.scan.digests import Digests, packed_digests


def paths(count: int) -> list[bytes]:
    return [b"", *(b"some/%d/directory" % number for number in range(count - 1))]


def digest_of(path: bytes) -> bytes:
    return (b"%d" % len(path) + path[::-1]).ljust(16, b"\0")[-16:]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 1000, 1023, 1024, 1025])
def test_each_path_has_its_digest_and_no_other_has_one(count: int) -> None:
    digests = Digests(packed_digests((path, digest_of(path)) for path in paths(count)))

    assert len(digests) == count
    assert [digests.of(path) for path in paths(count)] == list(map(digest_of, paths(count)))
    assert [digests.of(path + b"x") for path in paths(count)] == [None] * count


def test_nothing_on_record_has_no_digest() -> None:
    digests = Digests(packed_digests([(b"a", None)]))

    assert (len(digests), digests.of(b"a"), digests.of(b"")) == (0, None, None)


def test_paths_whose_hashes_are_the_same_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two, one digest is found for both: the other directory then counts as changed."""
    monkeypatch.setattr(digests_module, "_key_of", lambda path: len(path))
    digests = Digests(packed_digests([(b"a", b"1" * 16), (b"b", b"2" * 16), (b"cc", b"3" * 16)]))

    assert digests.of(b"a") == digests.of(b"b") == b"2" * 16
    assert digests.of(b"cc") == b"3" * 16


def test_a_process_that_is_handed_them_reads_their_file(tmp_path: Path) -> None:
    digests = Digests(packed_digests([(b"a", b"1" * 16)])).put_into(f"{tmp_path}/d")
    sent = pickle.dumps(digests)

    assert len(sent) < 200 + len(str(tmp_path))
    assert pickle.loads(sent).of(b"a") == b"1" * 16


def test_they_take_24_bytes_a_directory() -> None:
    assert len(packed_digests((path, b"1" * 16) for path in paths(5000))) <= 24 * 5000 + 5
