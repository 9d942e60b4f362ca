"""Figures as people read them: `3.4 MB`, `2.1 s`, `12,345`."""

from __future__ import annotations

_STEP = 1000  # as disks are sold and as `du --si` counts
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def human_bytes(count: float) -> str:
    """Write a number of bytes with two or three significant digits."""
    for unit in _UNITS[:-1]:
        if abs(count) < _STEP - 0.5:
            return f"{count:.0f} {unit}" if unit == "B" or abs(count) >= 99.95 else f"{count:.1f} {unit}"
        count /= _STEP
    return f"{count:,.1f} {_UNITS[-1]}"


def human_count(count: int) -> str:
    """Write a number with its thousands apart."""
    return f"{count:,}"


def plural(count: int, one: str, many: str) -> str:
    """Write a number and its noun."""
    return f"{human_count(count)} {one if count == 1 else many}"


def human_seconds(seconds: float) -> str:
    """Write a duration: `45 ms`, `1.3 s`, `42 s`, `3 min 5 s`, `2 h 10 min`, `3 d 4 h`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    return _two_units(round(seconds), (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)))


def human_difference_ns(difference_ns: int) -> str:
    """Write how far two moments are apart, with its sign: `+3 s`, `-2 h 5 min`, `+120 ns`."""
    sign = "-" if difference_ns < 0 else "+"
    return sign + _span_ns(abs(difference_ns))


def _span_ns(span_ns: int) -> str:
    if span_ns >= 60_000_000_000:
        return human_seconds(span_ns / 1e9)
    for unit, unit_ns in (("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000)):
        if span_ns >= unit_ns:
            tenths = span_ns * 10 // unit_ns  # cut, not rounded: never `1000 ms`
            return f"{tenths // 10}.{tenths % 10} {unit}".replace(".0 ", " ")
    return f"{span_ns} ns"


def _two_units(count: int, units: tuple[tuple[str, int], ...]) -> str:
    for position, (unit, size) in enumerate(units):
        if count >= size:
            whole, rest = divmod(count, size)
            finer = units[position + 1 : position + 2]
            if finer and rest >= finer[0][1]:
                return f"{whole} {unit} {rest // finer[0][1]} {finer[0][0]}"
            return f"{whole} {unit}"
    return f"0 {units[-1][0]}"
