"""The curves of a comparison as an SVG file: validation loss of each contestant while it trained, mean over its seeds.

Written by hand, since a chart library would need a browser to write one. In: a comparison and its metrics. Out: text.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

import numpy as np
import pandas as pd

from domlora.comparison.result import Comparison
from domlora.quoting import comment

WIDTH, HEIGHT = 760, 360
LEFT, RIGHT, TOP, BOTTOM = 64, 220, 40, 48  # margins; names of lines stand at the right
MOST = 8  # lines; the ones with the lowest loss
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")  # Okabe and Ito
DASHES = ("", "6 3", "2 3", "8 3 2 3")  # so that lines differ without colour
LONGEST = 30  # characters of a name


def curves_svg(comparison: Comparison, metrics: pd.DataFrame) -> str | None:
    """The chart; None where fewer than two steps were evaluated."""
    lines = _lines(comparison, metrics)
    if not lines:
        return None
    steps = np.array([step for line in lines.values() for step in line.index], dtype=float)
    losses = np.concatenate([line.to_numpy() for line in lines.values()])
    x_ticks, y_ticks = _ticks(steps.min(), steps.max()), _ticks(losses.min(), losses.max())
    x_low, x_high = steps.min(), steps.max()
    y_low, y_high = min(losses.min(), y_ticks[0]), max(losses.max(), y_ticks[-1])
    y_high = y_high if y_high > y_low else y_low + 1

    def x(step: float) -> float:
        return LEFT + (step - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)

    def y(loss: float) -> float:
        return TOP + (y_high - loss) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)

    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12" fill="#222222">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="22" font-size="14">Validation loss while training (mean over seeds)</text>',
    ]
    for tick in y_ticks:
        parts.append(f'<line x1="{LEFT}" x2="{right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in x_ticks:
        parts.append(f'<text x="{x(tick):.1f}" y="{bottom + 18}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text x="{(LEFT + right) / 2:.0f}" y="{HEIGHT - 10}" text-anchor="middle">step</text>')
    parts.append(f'<text x="16" y="{TOP - 8}">nats per token</text>')
    for i, (name, line) in enumerate(lines.items()):
        colour, dash = COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]
        style = f'fill="none" stroke="{colour}" stroke-width="2"' + (f' stroke-dasharray="{dash}"' if dash else "")
        points = " ".join(f"{x(step):.1f},{y(loss):.1f}" for step, loss in line.items())
        height = TOP + 8 + 20 * i
        parts.append(f'<polyline points="{points}" {style}/>')
        parts.append(f'<line x1="{right + 16}" x2="{right + 44}" y1="{height}" y2="{height}" {style}/>')
        parts.append(f'<text x="{right + 50}" y="{height + 4}">{escape(_short(name))}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _lines(comparison: Comparison, metrics: pd.DataFrame) -> dict[str, pd.Series]:
    """Contestant -> mean loss by step, at the rate chosen for it; those with the lowest test loss first."""
    by_name = {contestant.name: contestant for contestant in comparison.contestants}
    found: dict[str, pd.Series] = {}
    for name in comparison.table.index:
        names = [variant.name for variant in by_name[name].variants]
        own = metrics[metrics["variant"].isin(names) & (metrics["name"] == "eval_loss")]
        line = own.groupby("step")["value"].mean()
        line = line[np.isfinite(line)]
        if len(line) > 1 and len(found) < MOST:
            found[str(name)] = line
    return found


def _ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers within a range: 1, 2 or 5 times a power of ten apart."""
    span = high - low
    if span <= 0:
        return [low]
    rough = span / about
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = np.ceil(low / step)
    return [float(f"{n * step:.12g}") for n in np.arange(first, np.floor(high / step + 1e-9) + 1)] or [low]


def _short(name: str) -> str:
    name = comment(name)
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
