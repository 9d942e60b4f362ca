"""Bytes, durations and differences of times, as people read them."""

from __future__ import annotations

import pytest

from dirsync.cli.output.units import human_bytes, human_difference_ns, human_seconds, plural


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_949, "99.9 kB"),
        (99_951, "100 kB"),
        (999_600, "1.0 MB"),
        (3_400_000, "3.4 MB"),
        (5 * 10**12, "5.0 TB"),
        (2 * 10**21, "2,000.0 EB"),
    ],
)
def test_bytes_have_two_or_three_digits_that_count(count: int, text: str) -> None:
    assert human_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0451, "45 ms"),
        (0.9996, "1.0 s"),
        (2.14, "2.1 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (185, "3 min 5 s"),
        (7_800, "2 h 10 min"),
        (7_205, "2 h"),
        (273_600, "3 d 4 h"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert human_seconds(seconds) == text


@pytest.mark.parametrize(
    ("difference_ns", "text"),
    [
        (3_000_000_000, "+3 s"),
        (-3_000_000_000, "-3 s"),
        (1_500_000_000, "+1.5 s"),
        (59_990_000_000, "+59.9 s"),
        (-7_500_000_000_000, "-2 h 5 min"),
        (250_000_000, "+250 ms"),
        (999_999_999, "+999.9 ms"),
        (1_500, "+1.5 µs"),
        (-1, "-1 ns"),
    ],
)
def test_differences_of_times_have_a_sign_and_never_vanish(difference_ns: int, text: str) -> None:
    assert human_difference_ns(difference_ns) == text


def test_one_is_singular() -> None:
    assert (plural(1, "path", "paths"), plural(12_345, "path", "paths")) == ("1 path", "12,345 paths")
