"""Measure this program against its peers: `python -m benchmarks.run`, or `make bench`."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks import cloned, many_jobs, memory, scaling, system_calls, two_machines, watching
from benchmarks.contenders import CHECKOUT, Contender, contenders
from benchmarks.measure import Measured, UnequalWork, destination_of, measure
from benchmarks.report import Section, page, table
from benchmarks.scenarios import Scenario, scenarios
from benchmarks.trackers import trackers
from tests.trees import snapshot

PAGE = CHECKOUT / "docs" / "benchmarks.md"


def main() -> int:
    """Measure what was asked for; write the page as it goes if that is everything."""
    asked = _asked()
    chosen = [each for each in scenarios(asked.size, big_gib=asked.big_gib) if _wanted(each, asked.scenario)]
    if not chosen:
        print("no such scenario", file=sys.stderr)
        return 2
    workplace: Path = asked.at.absolute()  # contenders are run in the checkout
    workplace.mkdir(parents=True, exist_ok=True)
    is_whole = asked.size == "full" and not asked.scenario and not asked.contender
    results = []
    among: list[Contender] = []
    for scenario in chosen:
        if asked.rounds:
            scenario = dataclasses.replace(scenario, rounds=asked.rounds)
        with _contenders(scenario, workplace) as able:
            able = [each for each in able if not asked.contender or each.name in asked.contender]
            results.append(_measured(scenario, able, workplace))
        among += [each for each in able if each.shown not in {known.shown for known in among}]
        print(table(results[-1]), flush=True)
        if is_whole:  # each time: what was measured is kept
            _write(results, among, workplace=workplace)
    if is_whole:
        more = {
            "A thousand jobs": many_jobs.section(),
            "Peak memory": memory.section(workplace),
            "A file that can be cloned": cloned.section(workplace),
            "A watched tree": watching.section(workplace),
            "Two machines": two_machines.section(workplace),
            "System calls a file of a first copy": system_calls.section(workplace),
        }
        _write(results, among, workplace=workplace, more=more)
    return 0


def _write(
    results: list[Measured],
    among: list[Contender],
    *,
    workplace: Path,
    more: Mapping[str, Section] | None = None,
) -> None:
    scale = scaling.section(results)
    fitted = {} if scale is None else {"Time against size": scale}
    PAGE.write_text(page(results, among, workplace=workplace, more={**fitted, **(more or {})}))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--size", choices=["full", "small"], default="full")
    parser.add_argument("--scenario", action="append", metavar="NAME", help="only this one; repeatable")
    parser.add_argument("--contender", action="append", metavar="NAME", help="only this one; repeatable")
    parser.add_argument(
        "--rounds", type=int, metavar="N", help="rounds to keep, instead of each scenario's own"
    )
    parser.add_argument("--big-gib", type=int, default=4, metavar="N", help="size of the big file")
    parser.add_argument("--at", type=Path, default=CHECKOUT / "benchmarks" / "work", metavar="DIRECTORY")
    return parser.parse_args()


def _wanted(scenario: Scenario, names: list[str] | None) -> bool:
    return not names or scenario.name in names


@contextlib.contextmanager
def _contenders(scenario: Scenario, workplace: Path) -> Iterator[list[Contender]]:
    if scenario.catalog is None:
        able = contenders(workplace, scenario.asked)
        yield [each for each in able if scenario.first_copy or not each.copies_only]
        return
    changing = scenario.change is not None
    with trackers(scenario.catalog, hashed=scenario.hashed, changing=changing) as able:
        yield able


def _measured(scenario: Scenario, able: list[Contender], workplace: Path) -> Measured:
    """Build the source, measure, compare what came of it, and take it all away."""
    place = workplace / scenario.name
    _remove(place)
    place.mkdir()
    try:
        source = place / "source"
        scenario.build(source)
        measured = measure(scenario, able, source=source, workplace=place)
        for contender in able:
            _check_work(contender, source, destination_of(contender, place))
        return measured
    finally:
        _remove(place)


def _check_work(contender: Contender, source: Path, destination: Path) -> None:
    """Make sure that a contender did the work.

    Raises:
        UnequalWork: it did not.
    """
    if contender.keeps_nothing:
        return
    if contender.recorded is None:
        _check_equal(contender, source, destination)
        return
    wanted, found = len(snapshot(source)) - 1, contender.recorded(source, destination)
    if wanted != found:
        raise UnequalWork(f"{contender.name}: has {found} entries on record, and there are {wanted}")


def _check_equal(contender: Contender, source: Path, destination: Path) -> None:
    """Make sure that a contender has made one tree like another.

    Raises:
        UnequalWork: its destination is not like the source.
    """
    wanted = {path: seen for path, seen in _essence(source).items() if contender.carries(path)}
    found = _essence(destination)
    if wanted != found:
        wrong = sorted(path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path))
        raise UnequalWork(f"{contender.name}: {len(wrong)} paths differ, such as {wrong[:3]}")


def _essence(root: Path) -> dict[bytes, tuple[object, ...]]:
    """Give what every contender promises to carry over."""
    return {
        path: (seen.kind, seen.content, seen.mtime_ns if seen.kind == "file" else None)
        for path, seen in snapshot(root).items()
    }


def _remove(place: Path) -> None:
    if place.exists():
        shutil.rmtree(place)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UnequalWork as error:
        sys.exit(f"no result: {error}")
