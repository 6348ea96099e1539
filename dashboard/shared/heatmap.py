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

from dashboard.shared.figures import ACCENT, CHOSEN, COLOURSCALE, finish
from dashboard.shared.scale import Scale
from dashboard.shared.words import cut
from domlora.energy.energy_map import EnergyMap
from domlora.energy.verdict import STANDS_OUT
from domlora.models.kinds import in_order
from domlora.probes.registry import ProbeInfo

MEASURES = {
    "share": ("share", ".2%"),
    "energy": ("energy", ".3g"),
    "energy_per_parameter": ("energy per<br>weight", ".3g"),
}
NO_MODULE = ""  # what a click on an empty cell says
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
    log: bool | None,
    selected: str | None = None,
    picked: Collection[str] | None = None,
) -> go.Figure:
    """Layers by kinds of one stack, the module that the probe prefers outlined and named.

    Args:
        measure: a key of `measures_of`.
        log: colour by the logarithm; cells of 0 or less stay empty. None: where that shows more.
        selected: a module that is outlined too.
        picked: modules that are outlined instead of all others; None where none are being picked.
    """
    probe = energy.probe
    table = one_a_cell(energy, stack)
    kinds, layers = axes_of(table)
    values = cells(table, kinds, layers, measure)
    name, form = MEASURES[measure]
    if "energy" in name:
        name = name.replace("energy", measures_of(probe)["energy"])
    scale = Scale.of(values, log, from_zero=probe.additive)
    figure = go.Figure(
        go.Heatmap(
            z=scale.of_values(values), x=layers, y=kinds, colorscale=COLOURSCALE,
            reversescale=probe.prefers == "low", xgap=1, ygap=1, hoverinfo="skip",
            **scale.axis(percent=measure == "share", title=f"{name}{',<br>log scale' if scale.log else ''}"),
        )
    )  # fmt: skip
    texts = [
        _hover(row, probe, name.replace("<br>", " "), measure, form, len(energy.modules)) for row in table.itertuples()
    ]
    add_click_targets(figure, table, texts)
    best = energy.dominant
    marked = [(best["module"], ACCENT, "solid")] if best["stack"] == stack else []
    if selected and selected != best["module"]:
        marked.append((selected, CHOSEN, "dot"))
    whole = energy.table[energy.table["stack"] == stack]  # a cell may stand for several
    outline(figure, whole, marked if picked is None else [(module, ACCENT, "solid") for module in picked])
    title = leader(energy) if best["stack"] == stack else f"{measures_of(probe)['energy']} of the {stack} stack"
    title = title[0].upper() + title[1:]
    if picked is not None:
        title = f"Click cells to pick modules ({len(picked)} picked)"
    return finish_grid(figure, title, layers, kinds)


def _hover(row: Any, probe: ProbeInfo, name: str, measure: str, form: str, count: int) -> str:
    more = f" and {row.modules - 1} more of this kind" if row.modules > 1 else ""
    share = f", share {row.share:.2%}" if probe.additive and measure != "share" else ""
    return (
        f"<b>{row.module}</b>{more}<br>layer {row.layer}, {row.kind}, {row.in_features} → {row.out_features}<br>"
        f"{name} {format(getattr(row, measure), form)}{share}, rank {row.rank} of {count}"
    )


def one_a_cell(energy: EnergyMap, stack: str) -> pd.DataFrame:
    """The rows of a stack in `energy.table`, one a layer and kind, best first; `modules` says how many each stands for.

    Modules that share a cell (experts that are modules of their own) are added up where their scores add up; the row is
    named after the best of them.
    """
    table = energy.table[energy.table["stack"] == stack].dropna(subset=["layer"]).assign(modules=1)
    at = ["layer", "kind"]
    if not table.duplicated(at).any():
        return table
    summed = ["energy", "share", "parameters"] if energy.probe.additive else []
    groups = table.groupby(at, sort=False)
    table = table.drop_duplicates(at).set_index(at)
    table["modules"] = groups["modules"].sum()
    for column in summed:
        table[column] = groups[column].sum()
    table["energy_per_parameter"] = table["energy"] / table["parameters"]
    return table.reset_index()


def axes_of(table: pd.DataFrame) -> tuple[list[str], list[int]]:
    """Kinds of the modules of one stack in order, and all layers from their first to their last."""
    layers = table["layer"].dropna().astype(int)
    return in_order(table["kind"]), list(range(layers.min(), layers.max() + 1))


def cells(table: pd.DataFrame, kinds: Sequence[str], layers: Sequence[int], column: str) -> np.ndarray:
    """A column of numbers as a grid (kinds, layers), added up in a cell; NaN where there is no module."""
    grid = table.groupby(["kind", "layer"])[column].sum(min_count=1).unstack()
    return grid.reindex(index=kinds, columns=layers).to_numpy(dtype=float)


def add_click_targets(figure: go.Figure, table: pd.DataFrame, texts: Sequence[str]) -> None:
    """Lays an invisible point over each cell: Streamlit reports a click on points, not on a heatmap.

    The points are as small as Plotly measures them, and the nearest one to the pointer is meant, however far (see
    `finish_grid`): of points on a grid, that is the one whose cell the pointer is in, whatever the size of the cells.
    Cells without a module have a point of their own, or a neighbour would answer for them.

    Args:
        table: one row a module; its name becomes the point's `customdata`.
        texts: what is shown over each point.
    """
    kinds, layers = axes_of(table)
    taken = set(zip(table["layer"], table["kind"], strict=True))
    empty = [(layer, kind) for kind in kinds for layer in layers if (layer, kind) not in taken]
    figure.add_scatter(
        x=[*table["layer"], *(layer for layer, _ in empty)], y=[*table["kind"], *(kind for _, kind in empty)],
        customdata=[*table["module"], *[NO_MODULE] * len(empty)],
        hovertext=[*texts, *(f"layer {layer} has no {kind}" for layer, kind in empty)],
        mode="markers", hovertemplate="%{hovertext}<extra></extra>", showlegend=False,
        marker={"size": 5, "opacity": 0},
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
    if probe.additive:
        what = " of the energy" if probe.name == "page" else ""
        start = "" if probe.name == "page" else f"{probe.title}: "
        if energy.level == "diffuse" and best["share"] < STANDS_OUT:
            return f"{start}no module stands out; {where} has most, {best['share']:.1%}{what}"
        return f"{start}{where} leads with {best['share']:.1%}{what}"
    end = "lowest" if probe.prefers == "low" else "highest"
    return f"{probe.title}: {where} has the {end} score, {best['energy']:.3g}"


def finish_grid(figure: go.Figure, title: str, layers: Sequence[int], kinds: Sequence[str]) -> go.Figure:
    """Axes of a map of layers by kinds, the first kind on top."""
    figure.update_layout(hovermode="closest", hoverdistance=-1)  # see `add_click_targets`
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
    figure = heatmap(energy, energy.dominant["stack"], next(iter(measures_of(energy.probe))), log=None)
    figure.data[0].showscale = False
    figure.update_xaxes(title=None, dtick=tick_step(energy.provenance.layers, 6))
    figure.update_yaxes(title=None)
    title = f"{energy.provenance.model} on {energy.provenance.task}"
    return finish(figure, cut(title, TITLE), 230)


def tick_step(layers: int, ticks: int) -> int:
    """Layers between two ticks, so that there are at most `ticks`; whole ones, as there is no layer 1.5."""
    return next((step for step in (1, 2, 5, 10, 20, 50) if layers <= step * ticks), 100)
