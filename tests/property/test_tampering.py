"""Whatever is done to the rows of a catalog behind the program's back, the audit finds it; else it is silent.

`DIRSYNC_TAMPERINGS=100000` for so many flipped bits and half as many deeds on whole rows,
`DIRSYNC_CLEAN_RUNS=10000` for so many runs without either; `-s` shows the figures.
"""

from __future__ import annotations

import collections
import contextlib
import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from dirsync.catalog.flaws import Flaw
from dirsync.model.job import Compare, Comparison
from dirsync.model.result import Outcome
from dirsync.runner.tracking.auditing import verify_catalog
from tests.catalogs import History, catalog_in, flaws_of, memory
from tests.jobs import UNGUARDED, track_job, watched_run
from tests.property.test_tracked_edits import KINDS, NAMES, do
from tests.tampering import ROW_DEEDS, Tamperer, copy_of

FLIPS = int(os.environ.get("DIRSYNC_TAMPERINGS", "600"))
CLEAN_RUNS = int(os.environ.get("DIRSYNC_CLEAN_RUNS", "300"))
HISTORIES = max(4, min(200, FLIPS // 150))  # so many catalogs, each with its own past
KEY = bytes(range(32))
LONG = 24 * 3600.0


@contextlib.contextmanager
def lived_through(seed: int) -> Iterator[tuple[History, Tamperer]]:
    """Give a catalog with a past, and somebody with copies of it from before."""
    with memory() as connection, contextlib.ExitStack() as copies:
        history = History(catalog_in(connection, key=KEY if seed % 2 else None), seed=seed)
        older = []
        for _ in range(random.Random(seed).randint(3, 7)):
            history.live(1)
            older.append(copies.enter_context(contextlib.closing(copy_of(connection))))
        if seed % 3 == 0:
            history.interrupt()
        yield history, Tamperer(connection, older[:-1], seed=seed)


def tampered(kinds: tuple[str, ...], *, count: int) -> collections.Counter[str]:
    """Do so many deeds on many catalogs; give how many of each were found."""
    found: collections.Counter[str] = collections.Counter()
    for seed in range(HISTORIES):
        with lived_through(seed) as (history, tamperer):
            outside = history.outside
            assert flaws_of(history.catalog, outside) == []
            for number in range(count // HISTORIES):
                with tamperer.deed(kinds[number % len(kinds)]) as deed:
                    if deed is None:
                        found["nothing altered"] += 1
                        continue
                    assert flaws_of(history.catalog, outside), f"seed {seed}: {deed}"
                    found[deed.what] += 1
    return found


@pytest.mark.timeout(LONG)
def test_every_flipped_bit_is_found() -> None:
    found = tampered(("flip",), count=FLIPS)

    print(f"\nflipped and found, none missed: {dict(found)} in {HISTORIES} catalogs")
    assert found["flip"] > FLIPS * 0.9


@pytest.mark.timeout(LONG)
def test_rows_that_are_deleted_doubled_swapped_replayed_cut_off_or_reordered_are_found() -> None:
    found = tampered(ROW_DEEDS, count=FLIPS // 2)

    print(f"\nrow deeds found, none missed: {dict(found)} in {HISTORIES} catalogs")
    assert set(ROW_DEEDS) <= set(found)


@pytest.mark.timeout(LONG)
def test_no_alarm_is_raised_when_nothing_was_tampered_with() -> None:
    runs = 0
    for seed in range(CLEAN_RUNS // 10):
        with memory() as connection:
            history = History(catalog_in(connection, key=KEY if seed % 2 else None), seed=seed)
            for _ in range(10):
                history.live(1)
                runs += 1
                assert flaws_of(history.catalog, history.outside) == [], f"seed {seed}"

    print(f"\nno alarm in {runs} runs recorded directly")


@pytest.mark.timeout(LONG)
def test_no_alarm_is_raised_by_runs_over_a_tree_that_is_edited() -> None:
    runs = 0
    for seed in range(max(1, CLEAN_RUNS // 50)):
        with tempfile.TemporaryDirectory(prefix="dirsync-") as folder:
            runs += edited_and_verified(Path(folder), seed=seed)

    print(f"\nno alarm in {runs} runs over trees")


def edited_and_verified(place: Path, *, seed: int) -> int:
    """Edit a small tree, run and verify, several times; give how many runs there were."""
    chance = random.Random(seed)
    root = place / "s"
    root.mkdir()
    comparison = Comparison(by=frozenset(Compare)) if seed % 2 else Comparison()
    job = structs.replace(track_job(root, place / "state"), guard=UNGUARDED, comparison=comparison)
    runs = 0
    for count in range(8):
        for _ in range(chance.randint(0, 12)):
            deed = (
                chance.choice(KINDS),
                chance.randrange(1000),
                chance.randrange(1000),
                chance.choice(NAMES),
            )
            do(os.fsencode(root), deed, count=count)
        result, _ = watched_run(job, place)
        assert result.outcome is Outcome.SUCCEEDED, result.error
        assert job.catalog is not None
        found: list[Flaw] = []
        verify_catalog(
            job.catalog, state=str(place / "state"), job=None, found=found.append, noticed=lambda text: None
        )
        assert found == [], f"seed {seed}, run {count}"
        runs += 1
    return runs
