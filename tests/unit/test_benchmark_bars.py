"""A bar of a benchmark is met, or not, by what was measured in the same rounds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from benchmarks import scaling
from benchmarks.bars import Bar
from benchmarks.contenders import Asked, contenders
from benchmarks.measure import Measured, Round, Timing
from benchmarks.scaling import exponent
from benchmarks.scenarios import Scenario, scenarios


def measured(*rounds: dict[str, float]) -> Measured:
    scenario = Scenario(name="some", title="some", build=Path.mkdir)
    timed = [
        Round(
            timings={
                name: Timing(elapsed_seconds=seconds, foreign_seconds=0.0) for name, seconds in each.items()
            }
        )
        for each in rounds
    ]
    return Measured(scenario=scenario, rounds=timed, tried=len(timed))


@pytest.mark.parametrize(("seconds", "is_met"), [(0.99, True), (1.0, True), (1.01, False)])
def test_a_share_of_a_peers_time(seconds: float, is_met: bool) -> None:
    bar = Bar(against="rsync", most=0.5)
    result = measured({"dirsync": seconds, "rsync": 2.0})

    assert bar.is_met(result) is is_met
    assert f"dirsync takes {seconds / 2:.2f} × rsync, allowed are 0.50" in bar.in_words(result)
    assert bar.in_words(result).endswith(": met" if is_met else "**not met**")


def test_what_start_up_takes_is_taken_off_in_its_own_round() -> None:
    bar = Bar(against="limit", most=1.25, less="start-up")
    result = measured(
        {"dirsync": 1.7, "limit": 1.0, "start-up": 0.5}, {"dirsync": 3.4, "limit": 2.0, "start-up": 1.0}
    )

    assert bar.is_met(result)
    assert bar.in_words(result) == "dirsync less start-up takes 1.20 × limit, allowed are 1.25: met"


def test_seconds_on_top() -> None:
    bar = Bar(against="nothing", most=1.0, seconds=0.25)

    assert bar.is_met(measured({"dirsync": 0.3, "nothing": 0.1}))
    late = measured({"dirsync": 0.4, "nothing": 0.1})
    assert bar.in_words(late) == ("dirsync takes 0.300 s more than nothing, allowed are 0.25 s: **not met**")


def test_it_is_the_median_that_counts() -> None:
    bar = Bar(against="rsync", most=1.0)

    assert bar.is_met(measured(*({"dirsync": taken, "rsync": 1.0} for taken in (0.5, 0.9, 9.0))))
    assert not bar.is_met(measured(*({"dirsync": taken, "rsync": 1.0} for taken in (0.5, 1.1, 1.2))))


def test_a_bar_against_one_who_was_not_measured_says_nothing() -> None:
    assert not Bar(against="rclone", most=1.0).applies(measured({"dirsync": 1.0, "rsync": 1.0}))


@pytest.mark.parametrize("size", ["full", "small"])
def test_each_bar_is_about_those_who_are_asked(size: str, tmp_path: Path) -> None:
    """A name that nobody has would never be looked at."""
    for scenario in scenarios(size, big_gib=1):
        if scenario.catalog is not None:
            continue
        names = {"dirsync", *scenario.asked.peers, *scenario.asked.beside}
        for bar in scenario.bars:
            assert {bar.of, bar.against, *([bar.less] if bar.less else [])} <= names
        assert {each.name for each in contenders(tmp_path, scenario.asked)} <= names


def test_what_a_contender_leaves_out_is_not_asked_of_it(tmp_path: Path) -> None:
    plain, tenth = contenders(tmp_path, Asked(peers=(), beside=("dirsync, 30 patterns, a tenth",)))

    assert plain.carries(b"group/file17.dat")
    assert not tenth.carries(b"group/file17.dat")
    assert tenth.carries(b"group/file18.dat")


@pytest.mark.parametrize("power", [0.9, 1.0, 1.2])
def test_the_exponent_of_a_power_is_found(power: float) -> None:
    points = [(size, 3e-6 * size**power) for size in (20_000, 60_000, 320_000, 1_300_000)]

    assert exponent(points) == pytest.approx(power)


def test_time_against_size_is_told_of_what_is_about_size() -> None:
    def of_size(entries: int, *, seconds: float, is_of_scale: bool = True) -> Measured:
        result = measured({"dirsync": seconds})
        scenario = dataclasses.replace(result.scenario, entries=entries, is_of_scale=is_of_scale)
        return dataclasses.replace(result, scenario=scenario)

    straight = [of_size(entries, seconds=entries / 10_000) for entries in (10_000, 20_000, 40_000)]
    other = of_size(10, seconds=99, is_of_scale=False)
    steep = [of_size(entries, seconds=(entries / 10_000) ** 2) for entries in (10_000, 20_000, 40_000)]

    told = scaling.section([*straight, other])
    assert told is not None
    assert "The fitted exponent is 1.00, allowed are 1.05: met." in told.text
    assert "1.00 s for 10,000, 2.00 s for 20,000, 4.00 s for 40,000" in told.text
    assert (too_steep := scaling.section(steep)) is not None
    assert not too_steep.is_met
    assert scaling.section([*straight[:2], other]) is None
