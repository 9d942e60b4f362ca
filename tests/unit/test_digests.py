"""Digests on record are found by the paths they are of."""

from __future__ import annotations

import itertools
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


deeds = st.dictionaries(
    st.integers(0, 60).map(b"%d".__mod__), st.none() | st.binary(min_size=16, max_size=16)
)


@given(before=deeds, altered=st.lists(deeds, max_size=4))
def test_altered_they_are_as_if_packed_anew(
    before: dict[bytes, bytes | None], altered: list[dict[bytes, bytes | None]]
) -> None:
    expected = dict(before)
    digests = Digests(packed_digests(before.items()))
    for some in altered:
        expected |= some
        packed = digests.altered(some)
        digests = Digests(packed_digests(expected.items()) if packed is None else packed)

        there = {path: digest for path, digest in expected.items() if digest is not None}
        assert len(digests) == len(there)
        assert {path: digests.of(path) for path in expected} == expected


def test_altered_they_are_not_packed_anew_until_their_buckets_are_long() -> None:
    digests = Digests(packed_digests((path, digest_of(path)) for path in paths(1000)))
    more = {b"more/%d" % number: b"m" * 16 for number in range(9000)}

    assert digests.altered(more) is None
    assert digests.altered(dict.fromkeys(paths(1000)[50:])) is None  # few are left
    fewer = digests.altered(dict.fromkeys(paths(1000)[200:]))
    assert fewer is not None
    assert len(Digests(fewer)) == 200
    packed = digests.altered(dict(list(more.items())[:3000]))
    assert packed is not None
    assert len(packed) == len(digests.packed) + 3000 * 20
    assert Digests(packed).of(b"more/2999") == b"m" * 16


alike = st.builds(
    b"%x".__mod__, st.builds(lambda upper, lower: upper << 30 | lower, st.integers(0, 15), st.integers(0, 2))
)


@given(before=st.sets(alike), altered=st.lists(st.dictionaries(alike, st.booleans()), max_size=5))
def test_altered_where_hashes_are_alike_no_path_gets_a_digest_that_is_gone(
    before: set[bytes], altered: list[dict[bytes, bool]]
) -> None:
    """Paths are their own hashes here; those of a bucket whose lower halves agree have one row."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digests_module, "_key_of", lambda path: int(path, 16))
        numbers, ever = itertools.count(), set(before)
        now = {path: b"%016d" % next(numbers) for path in before}
        digests = Digests(packed_digests(now.items()))
        for some in altered:
            changed = {path: b"%016d" % next(numbers) if there else None for path, there in some.items()}
            now = {path: digest for path, digest in {**now, **changed}.items() if digest is not None}
            packed = digests.altered(changed)
            digests = Digests(packed_digests(now.items()) if packed is None else packed)

            found = {path: digests.of(path) for path in {*now, *changed}}
            assert set(found.values()) <= {None, *now.values()}
            assert len(digests) == digests._starts[-1] <= len(now)
            assert list(digests._starts) == sorted(digests._starts)
            ever |= changed.keys()
            for path in found:
                if not any(_are_alike(path, other) for other in ever - {path}):
                    assert found[path] == now.get(path)


def _are_alike(path: bytes, other: bytes) -> bool:
    return (int(path, 16) - int(other, 16)) % (1 << 32) == 0


def test_a_process_that_is_handed_them_reads_their_file(tmp_path: Path) -> None:
    digests = Digests(packed_digests([(b"a", b"1" * 16)])).put_into(f"{tmp_path}/d")
    sent = pickle.dumps(digests)

    assert len(sent) < 200 + len(str(tmp_path))
    assert pickle.loads(sent).of(b"a") == b"1" * 16


def test_they_take_24_bytes_a_directory() -> None:
    assert len(packed_digests((path, b"1" * 16) for path in paths(5000))) <= 24 * 5000 + 5
