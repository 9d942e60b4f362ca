"""Figures over time as shapes: in a box 100 wide and 100 high, 0 at the top, for inline SVG."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

BOX = 100.0
_GAP = 0.25  # of a bar's width


class Bar(Struct, frozen=True, kw_only=True):
    """One rectangle."""

    x: float
    y: float
    width: float
    height: float
    series: str  # which figure it stands for; a class of the page's style


class Column(Struct, frozen=True, kw_only=True):
    """All rectangles of one span, and what to say of it."""

    bars: tuple[Bar, ...]
    title: str


class Line(Struct, frozen=True, kw_only=True):
    """A line from one figure to the next, and the area under it."""

    points: str  # as SVG's `polyline` takes them
    area: str  # as SVG's `polygon` takes them


class Columns(Struct, frozen=True, kw_only=True):
    """The columns of all spans, and where their zero line is."""

    columns: tuple[Column, ...]
    zero: float


def columns_of(
    figures: Sequence[Sequence[tuple[str, int]]],
    titles: Sequence[str],
    *,
    below: frozenset[str] = frozenset(),
) -> Columns:
    """Stack the figures of each span on a common scale; those `below` hang from the zero line."""
    up = max((sum(value for name, value in each if name not in below) for each in figures), default=0)
    down = max((sum(value for name, value in each if name in below) for each in figures), default=0)
    scale = BOX / ((up + down) or 1)
    width = BOX / (len(figures) or 1)
    zero = up * scale
    drawn = (
        Column(
            bars=tuple(_stacked(each, position * width, width, zero=zero, scale=scale, below=below)),
            title=title,
        )
        for position, (each, title) in enumerate(zip(figures, titles, strict=True))
    )
    return Columns(columns=tuple(drawn), zero=round(zero, 3))


def _stacked(
    figures: Sequence[tuple[str, int]],
    x: float,
    width: float,
    *,
    zero: float,
    scale: float,
    below: frozenset[str],
) -> list[Bar]:
    bars: list[Bar] = []
    top = bottom = zero
    for series, value in figures:
        height = value * scale
        if not value:
            continue
        if series in below:
            y, bottom = bottom, bottom + height
        else:
            top -= height
            y = top
        bars.append(
            Bar(
                x=round(x + width * _GAP / 2, 3),
                y=round(y, 3),
                width=round(width * (1 - _GAP), 3),
                height=round(max(height, 0.8), 3),  # the least that is seen
                series=series,
            )
        )
    return bars


def level(figures: Sequence[int | None], *, before: int | None) -> Line | None:
    """Draw a figure as a line; None: too little is known. `before`: what it was at the begin."""
    known = [each for each in (before, *figures) if each is not None]
    if len(known) < 2:
        return None
    low, high = min(known), max(known)
    margin = (high - low) * 0.1 or max(1.0, high * 0.1)
    floor, span = low - margin, (high - low) + 2 * margin
    width = BOX / len(figures)
    points: list[tuple[float, float]] = []
    value = before if before is not None else known[0]
    for position, each in enumerate(figures):
        points.append((position * width, value))
        value = value if each is None else each
        points.append(((position + 1) * width, value))
    drawn = " ".join(f"{x:.2f},{BOX - (y - floor) / span * BOX:.2f}" for x, y in points)
    return Line(points=drawn, area=f"0,{BOX:.0f} {drawn} {BOX:.0f},{BOX:.0f}")
