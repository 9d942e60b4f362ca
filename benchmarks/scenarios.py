"""What is measured: a source, what happens to it before a round, and where each contender starts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.trackers import Catalog
from benchmarks.trees import SHAPES, Shape, build, build_big_file, change

GIB = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One thing to do, for every contender alike."""

    name: str
    title: str
    build: Callable[[Path], None]
    first_copy: bool = False  # each run starts without a destination
    changed_share: float = 0.0  # of the files, before each round
    rounds: int = 7  # kept ones, after one to warm up
    catalog: Catalog | None = None  # where trackers are measured, which leave no tree: this program's
    hashed: bool = False  # content counts

    def before_round(self, source: Path, step: int) -> None:
        """Change the source, where that is what the scenario is about."""
        if self.changed_share:
            change(source, share=self.changed_share, step=step)

    def before_run(self, destination: Path) -> None:
        """Put the destination where each run starts."""
        if self.first_copy and destination.exists():
            shutil.rmtree(destination)
        destination.mkdir(exist_ok=True)


def scenarios(size: str, *, big_gib: int) -> list[Scenario]:
    """Give the scenarios of a size, `full` or `small`."""
    return _small() if size == "small" else _full(big_gib)


def _full(big_gib: int) -> list[Scenario]:
    return [
        _tree("unchanged-320k", "unchanged, {entries:,} entries", SHAPES["wide-320k"]),
        _tree("first-copy", "first copy, {entries:,} entries", SHAPES["small-files"], first_copy=True),
        _tree("changed-60k", "1 % changed, {entries:,} entries", SHAPES["wide-60k"], changed_share=0.01),
        _tree("unchanged-60k", "unchanged, {entries:,} entries", SHAPES["wide-60k"], rounds=9),
        _tree("start-up", "nothing to do, an empty tree (start-up)", SHAPES["empty"], rounds=11),
        _big_file(big_gib * GIB, f"first copy, one file of {big_gib} GiB"),
        _tree("unchanged-deep", "unchanged, {entries:,} entries, 200 deep", SHAPES["deep-20k"]),
        *_tracked(SHAPES["tracked-320k"], rounds=5),
    ]


def _small() -> list[Scenario]:
    few = Shape(files=3_000)
    return [
        _tree("start-up", "nothing to do, an empty tree (start-up)", SHAPES["empty"], rounds=3),
        _tree("unchanged", "unchanged, {entries:,} entries", few, rounds=3),
        _tree("changed", "1 % changed, {entries:,} entries", few, changed_share=0.01, rounds=3),
        _tree("first-copy", "first copy, {entries:,} entries", few, first_copy=True, rounds=3),
        _big_file(GIB // 8, "first copy, one file of 128 MiB", rounds=3),
        *_tracked(few, rounds=3),
    ]


def _tracked(shape: Shape, *, rounds: int) -> list[Scenario]:
    return [
        _tree(
            f"{name}-{catalog.name.lower()}",
            f"{title}, {{entries:,}} entries, catalog in {catalog.value}",
            shape,
            first_copy=name.startswith("track-first"),
            changed_share=0.01 if name == "track-changed" else 0.0,
            rounds=rounds,
            catalog=catalog,
            hashed=name.endswith("hashed"),
        )
        for catalog in Catalog
        for name, title in (
            ("track-first", "first scan"),
            ("track-unchanged", "unchanged rescan"),
            ("track-changed", "rescan with 1 % changed"),
            ("track-first-hashed", "first scan with hashes"),
            ("track-unchanged-hashed", "unchanged rescan with hashes"),
        )
    ]


def _tree(
    name: str,
    title: str,
    shape: Shape,
    *,
    first_copy: bool = False,
    changed_share: float = 0.0,
    rounds: int = 7,
    catalog: Catalog | None = None,
    hashed: bool = False,
) -> Scenario:
    return Scenario(
        name=name,
        title=title.format(entries=shape.entries),
        build=lambda root: build(root, shape),
        first_copy=first_copy,
        changed_share=changed_share,
        rounds=rounds,
        catalog=catalog,
        hashed=hashed,
    )


def _big_file(size_bytes: int, title: str, *, rounds: int = 7) -> Scenario:
    return Scenario(
        name="big-file",
        title=title,
        build=lambda root: build_big_file(root, size_bytes=size_bytes),
        first_copy=True,
        rounds=rounds,
    )
