"""What is measured: a source, what happens to it before a round, and where each contender starts."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bars import Bar
from benchmarks.contenders import NO_MATCH, PYTHON_LISTER, START_UP, TENTH_MATCHES, Asked
from benchmarks.trackers import Catalog
from benchmarks.trees import SHAPES, Shape, build, build_big_file, change_share, rename_files, set_modes

GIB = 1 << 30
Change = Callable[[Path, int], object]  # of a source, the how manieth time


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One thing to do, for every contender alike."""

    name: str
    title: str
    build: Callable[[Path], None]
    first_copy: bool = False  # each run starts without a destination
    change: Change | None = None  # before each round
    rounds: int = 7  # kept ones, after one to warm up
    catalog: Catalog | None = None  # where trackers are measured, which leave no tree: this program's
    hashed: bool = False  # content counts
    asked: Asked = field(default_factory=Asked)
    bars: tuple[Bar, ...] = ()
    entries: int = 0
    is_of_scale: bool = False  # its time is set against its entries, among others'

    def before_round(self, source: Path, step: int) -> None:
        """Change the source, where that is what the scenario is about."""
        if self.change is not None:
            self.change(source, step)

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
        _unchanged("unchanged-320k", SHAPES["wide-320k"]),
        _tree(
            "unchanged-1300k",
            "unchanged, {entries:,} entries",
            SHAPES["wide-1300k"],
            rounds=5,
            asked=Asked(peers=("rsync",)),
            bars=(Bar(against="rsync", most=1 / 3.8),),
        ),
        *(
            _tree(
                f"unchanged-{name.removeprefix('wide-')}",
                "unchanged, {entries:,} entries",
                SHAPES[name],
                rounds=5,
                asked=Asked(peers=("rsync",)),
            )
            for name in ("wide-20k", "wide-60k", "wide-2000k")
        ),
        _tree("unchanged-deep", "unchanged, {entries:,} entries, 200 deep", SHAPES["deep-20k"]),
        *_linked(SHAPES["linked-60k"]),
        _changed("changed-320k", SHAPES["wide-320k"]),
        *_whole_trees(SHAPES["wide-60k"]),
        *_first_copies(SHAPES["small-files"]),
        *_big_files(big_gib * GIB, f"{big_gib} GiB"),
        _tree(
            "first-copy-huge",
            "first copy, {entries:,} entries, files of 256 MiB",
            SHAPES["few-huge"],
            first_copy=True,
            rounds=3,
            asked=Asked(peers=("rsync", "cp")),
        ),
        _tiny(),
        *_tracked(SHAPES["tracked-320k"], rounds=5),
    ]


def _small() -> list[Scenario]:
    few = Shape(files=3_000)
    small = (
        _unchanged("unchanged", few),
        *_linked(dataclasses.replace(few, linked_share=0.2)),
        _changed("changed", few),
        *_whole_trees(few),
        *_first_copies(few),
        *_big_files(GIB // 8, "128 MiB"),
        *_tracked(few, rounds=3),
    )
    # Bars are about trees that take longer than to start.
    return [_tiny(), *(dataclasses.replace(each, rounds=3, bars=()) for each in small)]


def _unchanged(name: str, shape: Shape) -> Scenario:
    return _tree(
        name,
        "unchanged, {entries:,} entries",
        shape,
        asked=Asked(
            peers=("rsync", "rclone", "unison", "fpsync", "limit"),
            beside=(PYTHON_LISTER, NO_MATCH, TENTH_MATCHES, START_UP),
        ),
        bars=(
            Bar(against="rsync", most=1 / 3),
            Bar(against="limit", most=1.25, less=START_UP),
            Bar(of=PYTHON_LISTER, against="rsync", most=1 / 2),
            Bar(of=NO_MATCH, against="dirsync", most=1.1),
            Bar(of=TENTH_MATCHES, against="dirsync", most=1.1),
        ),
    )


def _linked(shape: Shape) -> list[Scenario]:
    """Files with several names: rsync has to be asked to keep them."""
    asked = Asked(peers=("rsync",), rsync=("-H",))
    return [
        _tree("unchanged-linked", "unchanged, {entries:,} entries, a fifth hard links", shape, asked=asked),
        _tree(
            "first-copy-linked",
            "first copy, {entries:,} entries, a fifth hard links",
            shape,
            first_copy=True,
            rounds=3,
            asked=Asked(peers=("rsync", "cp"), rsync=("-H",)),
        ),
    ]


def _changed(name: str, shape: Shape) -> Scenario:
    return _tree(
        name,
        "1 % changed, {entries:,} entries",
        shape,
        change=_one_percent,
        asked=Asked(peers=("rsync", "rclone")),
        bars=(Bar(against="rsync", most=1 / 3),),
    )


def _one_percent(source: Path, step: int) -> None:
    change_share(source, share=0.01, step=step)


def _whole_trees(shape: Shape) -> list[Scenario]:
    """What is done to all files of a tree at once."""
    return [
        _tree(
            name,
            f"{title}, {{entries:,}} entries",
            shape,
            change=change,
            rounds=3,
            asked=Asked(peers=("rsync",)),
        )
        for name, title, change in (
            ("changed-modes", "the mode of each file changed", set_modes),
            ("renamed-files", "each file renamed", rename_files),
        )
    ]


def _first_copies(shape: Shape) -> list[Scenario]:
    return [
        _tree(
            "first-copy",
            "first copy, {entries:,} entries",
            shape,
            first_copy=True,
            bars=(Bar(against="rsync", most=1 / 1.4), Bar(against="cp", most=1.1)),
        ),
        _tree(
            "first-copy-durable",
            "first copy, {entries:,} entries, each durable",
            shape,
            first_copy=True,
            rounds=3,
            asked=Asked(peers=("rsync",), job={"durability": "full"}, rsync=("--fsync",)),
            bars=(Bar(against="rsync", most=1 / 3),),
        ),
    ]


def _big_files(size_bytes: int, size: str) -> list[Scenario]:
    def built(root: Path) -> None:
        build_big_file(root, size_bytes=size_bytes)

    return [
        Scenario(
            name="big-file",
            title=f"first copy, one file of {size}",
            build=built,
            first_copy=True,
            rounds=5,
            bars=(Bar(against="cp", most=1.05),),
        ),
        Scenario(
            name="hashed-big-file",
            title=f"compared by content, one file of {size}",
            build=built,
            rounds=5,
            asked=Asked(
                peers=("rsync", "reading"),
                job={"compare": ["size", "hash"]},
                rsync=("-c",),
            ),
            bars=(Bar(against="rsync", most=1 / 1.2), Bar(against="reading", most=1.3)),
        ),
    ]


def _tiny() -> Scenario:
    return _tree(
        "ten-files",
        "unchanged, {entries:,} entries (start-up)",
        SHAPES["ten-files"],
        rounds=11,
        asked=Asked(peers=("rsync", "rclone", "python -c pass")),
        bars=(Bar(against="python -c pass", most=1.0, seconds=0.25),),
    )


# A walk keeps nothing, and may take half as long.
_TRACKING_BARS = (
    Bar(against="aide", most=0.1),
    Bar(against="delta-tracker", most=0.1),
    Bar(against="stat walk", most=2.0),
)


def _tracked(shape: Shape, *, rounds: int) -> list[Scenario]:
    return [
        _tree(
            f"{name}-{catalog.name.lower()}",
            f"{title}, {{entries:,}} entries, catalog in {catalog.value}",
            shape,
            first_copy=name.startswith("track-first"),
            change=_one_percent if name == "track-changed" else None,
            rounds=rounds,
            catalog=catalog,
            hashed=name.endswith("hashed"),
            bars=_TRACKING_BARS if name == "track-unchanged" else (),
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
    change: Change | None = None,
    rounds: int = 7,
    catalog: Catalog | None = None,
    hashed: bool = False,
    asked: Asked | None = None,
    bars: tuple[Bar, ...] = (),
) -> Scenario:
    return Scenario(
        name=name,
        title=title.format(entries=shape.entries),
        build=lambda root: build(root, shape),
        first_copy=first_copy,
        change=change,
        rounds=rounds,
        catalog=catalog,
        hashed=hashed,
        asked=asked or Asked(),
        bars=bars,
        entries=shape.entries,
        is_of_scale=name.startswith("unchanged-") and not shape.depth,
    )
