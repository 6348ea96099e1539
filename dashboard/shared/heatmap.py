"""Plotly figures from tables. Pure functions: no Streamlit, no store, no torch.

Fonts and backgrounds are left to the page's theme, so that light and dark both work. The colour scale is cividis.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.shared.figures import ACCENT, CHOSEN, COLOURSCALE, finish
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

    A trace of transparent square markers lies over the cells: Streamlit reports a click on those, not on a heatmap.
    Each carries its module's name as `customdata`.

    Args:
        selected: a module that is outlined too.
        picked: modules that are outlined instead of all others; None where none are being picked.
    """
    probe = energy.probe
    table = energy.table[energy.table["stack"] == stack]
    kinds = in_order(table["kind"])
    layers = sorted(table["layer"].unique())
    grid = table.pivot(index="kind", columns="layer", values=measure).reindex(index=kinds, columns=layers)
    values = grid.to_numpy(dtype=float)
    if log:
        values = np.log10(values, out=np.full_like(values, np.nan), where=values > 0)
    name, form = MEASURES[measure]
    if "energy" in name:
        name = name.replace("energy", measures_of(probe)["energy"])
    unit = f"log10<br>{name}<br>" if log else f"{name}<br>"
    figure = go.Figure(
        go.Heatmap(
            z=values, x=layers, y=kinds, colorscale=COLOURSCALE, reversescale=probe.prefers == "low", xgap=1, ygap=1,
            hoverinfo="skip",
            colorbar={"title": {"text": unit, "side": "top"}, "thickness": 12,
                      "tickformat": "" if log or measure != "share" else ".0%"},
        )
    )  # fmt: skip
    figure.add_scatter(
        x=table["layer"], y=table["kind"], mode="markers", customdata=table["module"],
        hovertext=[_hover(row, probe, name.replace("<br>", " "), measure, form) for row in table.itertuples()],
        hovertemplate="%{hovertext}<extra></extra>", showlegend=False,
        marker={"symbol": "square", "size": 22, "opacity": 0},
        selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}},
    )  # fmt: skip
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
        title="layer", range=[layers[0] - 0.5, layers[-1] + 0.5], dtick=_every(len(layers), 16), showgrid=False,
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
    figure.update_xaxes(title=None, dtick=_every(energy.provenance.layers, 6))
    figure.update_yaxes(title=None)
    title = f"{energy.provenance.model} on {energy.provenance.task}"
    return finish(figure, title if len(title) <= TITLE else title[: TITLE - 1] + "…", 230)


def _every(layers: int, ticks: int) -> int:
    """Whole layers between two of at most so many ticks: a tick at layer 1.5 would be of no use."""
    return next((step for step in (1, 2, 5, 10, 20, 50) if layers <= step * ticks), 100)
