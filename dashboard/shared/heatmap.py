"""The heatmap of one energy map, layers by kinds of modules. Pure functions: no Streamlit, no store, no torch.

In: an `EnergyMap`. Out: its figure, and the parts of it that figures of differences and of training share: the grid,
the outlines, the markers that can be clicked. Fonts are left to the page's theme, so that light and dark both work.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.shared.figures import ACCENT, CHOSEN, COLOURSCALE, finish, log10
from dashboard.shared.words import cut
from domlora.energy.energy_map import EnergyMap
from domlora.models.kinds import in_order
from domlora.probes.registry import ProbeInfo

MEASURES = {
    "share": ("share", ".2%"),
    "energy": ("energy", ".3g"),
    "energy_per_parameter": ("energy per<br>weight", ".3g"),
}
TITLE = 50  # letters that fit over a thumbnail


def measures_of(probe: ProbeInfo) -> dict[str, str]:
    """What a map of this probe can be coloured by, and the word for it: parts of a sum only where there is a sum."""
    amount = "energy" if probe.name.startswith("page") else "score"
    if not probe.additive:
        return {"energy": amount}
    return {"share": "share", "energy": amount, "energy_per_parameter": f"{amount} per parameter"}


def heatmap(
    energy: EnergyMap,
    stack: str,
    measure: str,
    log: bool,
    selected: str | None = None,
    picked: Collection[str] | None = None,
) -> go.Figure:
    """Layers by kinds of one stack, the module that the probe prefers outlined and named.

    Args:
        measure: a key of `measures_of`.
        log: colour by the logarithm; cells of 0 or less stay empty.
        selected: a module that is outlined too.
        picked: modules that are outlined instead of all others; None where none are being picked.
    """
    probe = energy.probe
    table = energy.table[energy.table["stack"] == stack]
    kinds, layers = axes_of(table)
    values = cells(table, kinds, layers, measure)
    name, form = MEASURES[measure]
    if "energy" in name:
        name = name.replace("energy", measures_of(probe)["energy"])
    unit = f"log10<br>{name}<br>" if log else f"{name}<br>"
    figure = go.Figure(
        go.Heatmap(
            z=log10(values) if log else values, x=layers, y=kinds, colorscale=COLOURSCALE,
            reversescale=probe.prefers == "low", xgap=1, ygap=1, hoverinfo="skip",
            colorbar={"title": {"text": unit, "side": "top"}, "thickness": 12,
                      "tickformat": "" if log or measure != "share" else ".0%"},
        )
    )  # fmt: skip
    texts = [_hover(row, probe, name.replace("<br>", " "), measure, form) for row in table.itertuples()]
    add_click_targets(figure, table, texts)
    best = energy.dominant
    marked = [(best["module"], ACCENT, "solid")] if best["stack"] == stack else []
    if selected and selected != best["module"]:
        marked.append((selected, CHOSEN, "dot"))
    outline(figure, table, marked if picked is None else [(module, ACCENT, "solid") for module in picked])
    title = leader(energy) if best["stack"] == stack else f"{measures_of(probe)['energy']} of the {stack} stack"
    title = title[0].upper() + title[1:]
    if picked is not None:
        title = f"Click cells to pick modules ({len(picked)} picked)"
    return finish_grid(figure, title, layers, kinds)


def _hover(row: Any, probe: ProbeInfo, name: str, measure: str, form: str) -> str:
    share = f"share {row.share:.2%}, " if probe.additive else ""
    return (
        f"<b>{row.module}</b><br>layer {row.layer}, {row.kind}, {row.in_features} → {row.out_features}<br>"
        f"{name}: {format(getattr(row, measure), form)}<br>{share}rank {row.rank}"
    )


def axes_of(table: pd.DataFrame) -> tuple[list[str], list[int]]:
    """Kinds and layers of the modules of one stack, each in order."""
    return in_order(table["kind"]), sorted(table["layer"].unique())


def cells(table: pd.DataFrame, kinds: Sequence[str], layers: Sequence[int], column: str) -> np.ndarray:
    """A column of numbers as a grid (kinds, layers); NaN where there is no module."""
    grid = table.pivot(index="kind", columns="layer", values=column)
    return grid.reindex(index=kinds, columns=layers).to_numpy(dtype=float)


def add_click_targets(figure: go.Figure, table: pd.DataFrame, texts: Sequence[str]) -> None:
    """Lays a transparent marker over each cell: Streamlit reports a click on markers, not on a heatmap.

    Args:
        table: one row a module; its name becomes the marker's `customdata`.
        texts: what is shown over each marker.
    """
    figure.add_scatter(
        x=table["layer"], y=table["kind"], mode="markers", customdata=table["module"], hovertext=texts,
        hovertemplate="%{hovertext}<extra></extra>", showlegend=False,
        marker={"symbol": "square", "size": 22, "opacity": 0},
        selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}},
    )  # fmt: skip


def outline(figure: go.Figure, table: pd.DataFrame, marked: Iterable[tuple[str, str, str]]) -> None:
    """Draws a frame round the cells of modules, each in a colour and a dash; those of another stack are passed over."""
    kinds = in_order(table["kind"])
    for module, colour, dash in marked:
        for row in table[table["module"] == module].itertuples():
            y = kinds.index(row.kind)
            figure.add_shape(
                type="rect", x0=row.layer - 0.5, x1=row.layer + 0.5, y0=y - 0.5, y1=y + 0.5,
                line={"color": colour, "width": 3, "dash": dash},
            )  # fmt: skip


def leader(energy: EnergyMap) -> str:
    """Which module the probe prefers, and by what."""
    probe, best = energy.probe, energy.dominant
    where = f"layer {best['layer']} {best['kind']}"
    if probe.name == "page":
        return f"{where} leads with {best['share']:.1%} of the energy"
    if probe.additive:
        return f"{probe.title}: {where} leads with {best['share']:.1%}"
    end = "lowest" if probe.prefers == "low" else "highest"
    return f"{probe.title}: {where} has the {end} score, {best['energy']:.3g}"


def finish_grid(figure: go.Figure, title: str, layers: Sequence[int], kinds: Sequence[str]) -> go.Figure:
    """Axes of a map of layers by kinds, the first kind on top."""
    figure.update_xaxes(
        title="layer", range=[layers[0] - 0.5, layers[-1] + 0.5], dtick=tick_step(len(layers), 16), showgrid=False,
        zeroline=False,
    )  # fmt: skip
    figure.update_yaxes(
        title="kind of module", range=[len(kinds) - 0.5, -0.5], showgrid=False, zeroline=False, type="category"
    )
    return finish(figure, title, height=90 + 42 * max(len(kinds), 3))


def thumbnail(energy: EnergyMap) -> go.Figure:
    """The shares of the winner's stack at a glance: no colour bar, no axis titles, the strongest module outlined."""
    figure = heatmap(energy, energy.dominant["stack"], next(iter(measures_of(energy.probe))), log=False)
    figure.data[0].showscale = False
    figure.update_xaxes(title=None, dtick=tick_step(energy.provenance.layers, 6))
    figure.update_yaxes(title=None)
    title = f"{energy.provenance.model} on {energy.provenance.task}"
    return finish(figure, cut(title, TITLE), 230)


def tick_step(layers: int, ticks: int) -> int:
    """Layers between two ticks, so that there are at most `ticks`; whole ones, as there is no layer 1.5."""
    return next((step for step in (1, 2, 5, 10, 20, 50) if layers <= step * ticks), 100)
