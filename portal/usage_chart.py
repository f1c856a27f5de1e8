"""Usage as a picture: geometry of the bars for an inline SVG, drawn by a template."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ams.data import HourData

WIDTH: Final = 720
HEIGHT: Final = 264
_LEFT: Final = 44
_TOP: Final = 12
_BOTTOM: Final = 26
_PLOT_HEIGHT: Final = HEIGHT - _TOP - _BOTTOM
_GRID_LINES: Final = 4
_LABEL_EVERY_HOURS: Final = 4
_LABEL_HALF_WIDTH: Final = 24
STATUS_CLASSES: Final = (2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Segment:
    status_class: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    hour_at: datetime
    calls: int
    x: float
    width: float
    label: str  # the hour below the axis; empty for most bars
    segments: tuple[Segment, ...]

    @property
    def label_x(self) -> float:
        return round(min(self.x + self.width / 2, WIDTH), 2)

    @property
    def label_anchor(self) -> str:
        """Return "end" at the right edge, where a centred label would be cut off."""
        return "end" if self.x + self.width > WIDTH - _LABEL_HALF_WIDTH else "middle"

    @property
    def is_minor_label(self) -> bool:
        """Whether the label gives way on a narrow screen."""
        return self.hour_at.hour % (2 * _LABEL_EVERY_HOURS) != 0


@dataclass(frozen=True, slots=True)
class GridLine:
    y: float
    calls: int


@dataclass(frozen=True, slots=True)
class UsageChart:
    bars: tuple[Bar, ...]
    grid: tuple[GridLine, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    top: int = _TOP
    plot_height: int = _PLOT_HEIGHT
    label_y: int = HEIGHT - 6


def draw_usage(hours: Sequence[HourData]) -> UsageChart:
    """Return stacked bars, one an hour, on a scale whose steps are whole calls."""
    ceiling = _nice_ceiling(max((hour.calls for hour in hours), default=0))
    step = (WIDTH - _LEFT) / max(len(hours), 1)
    return UsageChart(
        bars=tuple(
            Bar(
                hour_at=hour.hour_at,
                calls=hour.calls,
                x=round(_LEFT + index * step + step * 0.16, 2),
                width=round(step * 0.68, 2),
                label=_label(hour.hour_at),
                segments=_stack(hour, ceiling),
            )
            for index, hour in enumerate(hours)
        ),
        grid=tuple(
            GridLine(
                y=round(HEIGHT - _BOTTOM - _PLOT_HEIGHT * line / _GRID_LINES, 2),
                calls=ceiling * line // _GRID_LINES,
            )
            for line in range(_GRID_LINES + 1)
        ),
    )


def _stack(hour: HourData, ceiling: int) -> tuple[Segment, ...]:
    """Errors on top, because they are what one looks for."""
    segments, bottom = [], float(HEIGHT - _BOTTOM)
    for status_class in STATUS_CLASSES:
        calls = hour.by_class.get(status_class, 0)
        if calls:
            # A single failed call among thousands stays visible.
            height = max(_PLOT_HEIGHT * calls / ceiling, 1.5)
            bottom -= height
            segments.append(Segment(status_class, round(bottom, 2), round(height, 2)))
    return tuple(segments)


def _label(hour_at: datetime) -> str:
    return f"{hour_at:%H:%M}" if hour_at.hour % _LABEL_EVERY_HOURS == 0 else ""


def _nice_ceiling(calls: int) -> int:
    """Return 4, 8, 20, 40, 80, 200, …: the smallest that fits and divides into four whole steps."""
    scale = 1
    while True:
        for base in (4, 8, 20):
            if calls <= base * scale:
                return base * scale
        scale *= 10
