"""Charts as numbers: where lines, bands, intervals and ticks go; the templates draw them as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 440, 250
LEFT, RIGHT, TOP, BOTTOM = 60, 12, 12, 34
ROW = 34
LONGEST_MARK = 5
"""Characters of a mark for which there is room beside an axis."""
COLORS = 8
"""Colours of the style sheet; more variants use them again."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Tick:
    """A mark on an axis, at a coordinate of the drawing."""

    at: float
    label: str


@dataclass(frozen=True)
class Line:
    """A curve and the band around it, as SVG points."""

    name: str
    color: int
    points: str
    band: str
    ends: tuple[Point, ...]
    """The single points, for curves too short for a line."""


@dataclass(frozen=True)
class Curves:
    """Learning curves of all variants."""

    title: str
    note: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    over: str = "training steps"
    """What the horizontal axis counts."""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


@dataclass(frozen=True)
class Whisker:
    """One variant's difference: the middle, the interval's ends, a dot per seed."""

    name: str
    color: int
    y: float
    at: float | None
    low: float | None
    high: float | None
    dots: tuple[float, ...]
    label: str


@dataclass(frozen=True)
class Intervals:
    """Differences to the baseline with their intervals."""

    title: str
    ticks: tuple[Tick, ...]
    zero: float
    rows: tuple[Whisker, ...]
    height: int
    width: int = WIDTH
    left: int = 12
    right: int = WIDTH - RIGHT


@dataclass(frozen=True)
class Scale:
    """From values to coordinates, linear or logarithmic."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the coordinate of ``value``, to a tenth."""
        low, high, value = (
            (math.log(each) for each in (self.low, self.high, value))
            if self.log
            else (self.low, self.high, value)
        )
        share = (value - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, most: int = 5) -> tuple[Tick, ...]:
        """Return marks at round values."""
        values = _round_logs(self.low, self.high) if self.log else []
        if not 2 <= len(values) <= 2 * most:
            values = _round_values(self.low, self.high, most)
        return tuple(Tick(self(value), _label(value)) for value in values)


def scale(values: Iterable[float], start: float, end: float, *, log: bool = False) -> Scale:
    """Return a scale that holds all values with a little room."""
    found = [value for value in values if math.isfinite(value)]
    log = log and bool(found) and min(found) > 0
    low, high = (min(found), max(found)) if found else (0.0, 1.0)
    if log:
        room = max((high / low) ** 0.06, 1.02)
        return Scale(low / room, high * room, start, end, log=True)
    room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return Scale(low - room, high + room, start, end)


def curves(
    title: str,
    series: Mapping[str, Sequence[Mapping[float, float]]],
    *,
    log: bool = False,
    note: str = "",
    over: str = "training steps",
) -> Curves | None:
    """Lay out a curve per name: the mean over seeds, inside a band from the lowest to the highest.

    Args:
        series: for each variant one table from step to value for each seed.
        over: what the steps are, where they are something else.

    Returns:
        The chart, or None where there is nothing to draw: of one step, numbers say it all.
    """
    values = [value for own in series.values() for table in own for value in table.values()]
    steps = sorted({step for own in series.values() for table in own for step in table})
    if len(steps) < 2:
        return None
    log = log and min(values) > 0
    x = Scale(min(steps), max(steps), LEFT, WIDTH - RIGHT)
    y = scale(values, HEIGHT - BOTTOM, TOP, log=log)
    lines = []
    for color, (name, tables) in enumerate(series.items()):
        lows, highs, means = [], [], []
        for step in steps:
            here = [table[step] for table in tables if step in table]
            if not here:
                continue
            mean = math.fsum(here) / len(here)
            if log:
                mean = math.exp(math.fsum(map(math.log, here)) / len(here))
            lows.append((x(step), y(min(here))))
            highs.append((x(step), y(max(here))))
            means.append((x(step), y(mean)))
        band = _points([*lows, *reversed(highs)]) if len(tables) > 1 and len(lows) > 1 else ""
        ends = tuple(means) if len(means) <= 12 else ()
        lines.append(Line(name, color % COLORS, _points(means), band, ends))
    return Curves(title, note, x.ticks(), y.ticks(), tuple(lines), over)


def against_seconds(
    title: str,
    series: Mapping[str, Sequence[Mapping[float, float]]],
    clocks: Mapping[str, Sequence[Mapping[float, float]]],
    *,
    log: bool,
    note: str,
) -> Curves | None:
    """Lay out the same curves against the time a variant took until each step: its seeds' mean.

    Args:
        clocks: for each variant one table from step to seconds for each seed.
    """
    laid: dict[str, list[dict[float, float]]] = {}
    for name, own in series.items():
        times = {step: [table[step] for table in clocks[name] if step in table]
                 for step in {step for table in clocks[name] for step in table}}  # fmt: skip
        mean = {step: math.fsum(each) / len(each) for step, each in times.items()}
        laid[name] = [
            {mean[step]: value for step, value in table.items() if step in mean} for table in own
        ]
    over = "seconds of training, mean over seeds"
    return curves(title, laid, log=log, note=note, over=over)


def intervals(
    title: str,
    rows: Sequence[tuple[str, int, float | None, float | None, float | None, Sequence[float], str]],
    *,
    ratio: bool,
) -> Intervals | None:
    """Lay out (name, colour, value, low, high, one value per seed, label) for each variant."""
    none = 1.0 if ratio else 0.0
    # Whiskers of two or three seeds reach far: past four times the dots they run off the chart.
    inner = [none, *(dot for row in rows for dot in row[5])]
    inner += [row[2] for row in rows if row[2] is not None]
    if len(inner) == 1:
        return None
    reach = _reach(inner, none, ratio=ratio)
    outer = [end for row in rows for end in (row[3], row[4]) if end is not None]
    x = scale(
        [*inner, *(min(max(end, reach[0]), reach[1]) for end in outer)],
        16,
        WIDTH - RIGHT - 4,
        log=ratio,
    )

    def inside(value: float | None) -> float | None:
        return None if value is None else x(min(max(value, x.low), x.high))

    whiskers = tuple(
        Whisker(
            name,
            color % COLORS,
            TOP + ROW * (number + 0.5) + 8,
            inside(value),
            inside(low),
            inside(high),
            tuple(x(dot) for dot in dots),
            label,
        )
        for number, (name, color, value, low, high, dots, label) in enumerate(rows)
    )
    return Intervals(title, x.ticks(), x(none), whiskers, TOP + ROW * len(rows) + BOTTOM + 6)


def _reach(inner: Sequence[float], none: float, *, ratio: bool) -> Point:
    if ratio:
        far = max(abs(math.log(value)) for value in inner if value > 0) or 0.1
        return math.exp(-4 * far), math.exp(4 * far)
    far = max(abs(value - none) for value in inner) or 1.0
    return none - 4 * far, none + 4 * far


def _label(value: float) -> str:
    if value.is_integer() and 1e3 <= abs(value) < 1e6:
        return f"{value:,.0f}"
    written = f"{value:g}"
    if 0 < abs(value) < 1 and (
        len(written) > LONGEST_MARK or "e" in written
    ):  # a learning rate, on a telephone
        digits, _, power = f"{value:e}".partition("e")
        written = f"{float(digits):g}e{int(power)}"
    return written


def _points(points: Iterable[Point]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _round_values(low: float, high: float, most: int) -> list[float]:
    rough = (high - low) / most
    if rough <= 0 or not math.isfinite(rough):
        return [low]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step)
    return [float(f"{number * step:.10g}") for number in range(first, math.floor(high / step) + 1)]


def _round_logs(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    wide = math.log10(high / low) > 3
    return [
        float(f"{factor * 10.0**power:.10g}")
        for power in powers
        for factor in ((1,) if wide else (1, 2, 5))
        if low <= factor * 10.0**power <= high
    ]
