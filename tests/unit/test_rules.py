"""What counts as different, and how far both sides can keep it."""

from __future__ import annotations

import stat

import pytest

from dirsync.compare.rules import Rules, rules_for
from dirsync.model.capabilities import Capabilities
from dirsync.model.change import Aspect
from dirsync.model.entry import Entry
from dirsync.model.job import Compare, Comparison, HashAlgorithm, MirrorJob, Preserve
from dirsync.model.place import LocalPlace

ROOT = Capabilities()
PLAIN_USER = Capabilities(any_owner=False, groups=frozenset({1000}), uid=1000)


def entry(
    *, mode: int = stat.S_IFREG | 0o644, size: int = 1, mtime_ns: int = 0, uid: int = 1000, gid: int = 1000
) -> Entry:
    return Entry(b"x", mode, size, mtime_ns, 0, uid, gid, 1, 1, 1, None)


def rules(
    *by: Compare,
    window_ns: int = 0,
    kept: Capabilities = ROOT,
    source: Capabilities = ROOT,
    preserve: frozenset[Preserve] = frozenset(Preserve),
) -> Rules:
    job = MirrorJob(
        name="job",
        source=LocalPlace(path=b"/a"),
        destination=LocalPlace(path=b"/b"),
        comparison=Comparison(by=frozenset(by or set(Compare) - {Compare.HASH}), modify_window_ns=window_ns),
        preserve=preserve,
    )
    return rules_for(job, source=source, destination=kept)


def test_every_aspect_that_differs_is_named() -> None:
    other = entry(mode=stat.S_IFREG | 0o600, size=2, mtime_ns=1, uid=0)

    assert rules().aspects(entry(), other) == {Aspect.SIZE, Aspect.MTIME, Aspect.MODE, Aspect.OWNERSHIP}


def test_a_difference_in_kind_hides_every_other() -> None:
    assert rules().aspects(entry(), entry(mode=stat.S_IFDIR | 0o600, uid=7)) == {Aspect.KIND}


def test_only_what_is_compared_counts() -> None:
    other = entry(mode=stat.S_IFREG | 0o600, mtime_ns=1, uid=0)

    assert rules(Compare.SIZE).aspects(entry(), other) == frozenset()


def test_a_nanosecond_counts_unless_the_window_is_wider() -> None:
    assert rules().aspects(entry(), entry(mtime_ns=1)) == {Aspect.MTIME}
    assert rules(window_ns=1).aspects(entry(), entry(mtime_ns=1)) == frozenset()
    assert rules(window_ns=1).aspects(entry(), entry(mtime_ns=-2)) == {Aspect.MTIME}


def test_times_are_compared_as_finely_as_the_coarser_side_keeps_them() -> None:
    coarse = Capabilities(mtime_resolution_ns=2_000_000_000)

    assert rules(kept=coarse).aspects(entry(mtime_ns=1_999_999_999), entry(mtime_ns=0)) == frozenset()
    assert rules(source=coarse).aspects(entry(mtime_ns=2_000_000_000), entry()) == {Aspect.MTIME}


def test_the_mode_of_a_symlink_means_nothing() -> None:
    assert rules().aspects(entry(mode=stat.S_IFLNK | 0o777), entry(mode=stat.S_IFLNK | 0o755)) == frozenset()


def test_modes_are_not_compared_where_they_are_not_kept_or_not_carried_over() -> None:
    other = entry(mode=stat.S_IFREG | 0o600)

    assert rules(kept=Capabilities(modes=False)).aspects(entry(), other) == frozenset()
    assert rules(preserve=frozenset({Preserve.MTIME})).aspects(entry(), other) == frozenset()


def test_a_plain_user_compares_only_the_groups_they_may_set() -> None:
    mine = rules(kept=PLAIN_USER)

    assert mine.aspects(entry(uid=5), entry()) == frozenset()
    assert mine.aspects(entry(gid=5), entry()) == frozenset()
    assert mine.aspects(entry(gid=1000), entry(gid=5)) == {Aspect.OWNERSHIP}


@pytest.mark.parametrize(
    ("uid", "gid", "kept_mode"),
    [(1000, 1000, 0o6755), (0, 1000, 0o2755), (1000, 0, 0o4755), (0, 0, 0o755)],
)
def test_set_id_bits_are_dropped_with_the_owner_they_speak_for(uid: int, gid: int, kept_mode: int) -> None:
    new = entry(mode=stat.S_IFREG | 0o6755, uid=uid, gid=gid)

    assert PLAIN_USER.kept_mode(new, uid=1000, gid=1000) == kept_mode
    assert ROOT.kept_mode(new, uid=uid, gid=gid) == 0o6755


def test_content_is_hashed_only_where_the_job_says_so() -> None:
    assert rules().hash is None
    assert rules(Compare.HASH).hash is HashAlgorithm.BLAKE3
