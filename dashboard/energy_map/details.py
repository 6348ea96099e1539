"""Parts of the Energy map page: facts of the chosen module, and the tabs below the map that need no other map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.energy_map import charts, grid
from dashboard.energy_map import words as map_words
from dashboard.shared import heatmap, queries, report_button
from dashboard.shared.widgets import at_most
from domlora.energy.energy_map import EnergyMap
from domlora.errors import PlacementError
from domlora.placements.place import place

IMAGE_FORMATS = ("SVG", "PNG")
SPACES = str.maketrans({"Ġ": " ", "▁": " ", "Ċ": "\n"})  # how vocabularies write white space
CHART_WIDTH = 460  # of charts that stand side by side where there is room


@dataclass(frozen=True)
class View:
    """What the page shows at the moment.

    Attributes:
        module: the chosen one.
        measure, log: how the map is coloured; without a `log` each map's own structure decides.
        name: of files that are saved.
        config: of plotly charts.
        open: whether the tab that is drawn can be seen; charts wait for it.
    """

    energy: EnergyMap
    module: str
    measure: str
    log: bool | None
    name: str
    config: dict[str, Any]
    open: bool

    @property
    def row(self) -> pd.Series:
        """The chosen module in the energy map's table."""
        return self.energy.table[self.energy.table["module"] == self.module].iloc[0]


def facts(energy: EnergyMap, module: str) -> None:
    """The numbers of a module: what it has and its place large, how sure that is and its shape below."""
    row = energy.table[energy.table["module"] == module].iloc[0]
    probe = energy.probe
    amount = {"Score": f"{row['energy']:.4g}"}
    if probe.additive:
        amount = {f"Share of all {heatmap.measures_of(probe)['energy']}": f"{row['share']:.2%}"}
    with st.container(horizontal=True, gap="medium"):
        for fact, value in {**amount, "Rank": f"{row['rank']} of {len(energy.table)}"}.items():
            st.metric(fact, value, width="content")
    lines = []
    if energy.bootstrap is not None:
        if probe.additive:
            low, high = energy.bootstrap.low[row.name], energy.bootstrap.high[row.name]
            lines.append(f"95 % interval {low:.2%} to {high:.2%}")
        lines.append(f"leads in {energy.bootstrap.winner_frequency[row.name]:.0%} of resamples")
    lines.append(f"{row['in_features']:,} → {row['out_features']:,} ({row['parameters']:,} weights)")
    st.markdown("  \n".join(lines))


def why(view: View) -> None:
    """Token positions, largest outputs, experts: what the map has columns for."""
    energy, module, row = view.energy, view.module, view.row
    st.markdown(map_words.why(energy, module))
    carrier = energy.modules.loc[row.name]
    has_positions = len(_list(carrier.get("positions"))) > 0
    with st.container(horizontal=True):
        if has_positions:
            st.plotly_chart(charts.positions(energy, module), key="positions", width=CHART_WIDTH, config=view.config)
        if pd.notna(row.get("max_output")):
            figure = charts.maxima(energy, row["kind"], module)
            st.plotly_chart(figure, key="maxima", width=CHART_WIDTH, config=view.config)
        if len(_list(carrier.get("expert_energies"))) > 1:
            figure = charts.experts(energy, module)
            st.plotly_chart(figure, key="experts", width=CHART_WIDTH, config=view.config)
    if has_positions and len(_list(carrier.get("top_tokens"))) > 0:
        tokens = [repr(token.translate(SPACES)) for token in carrier["top_tokens"]]
        top = pd.DataFrame({"token": tokens, "share of its energy": 100 * carrier["top_token_shares"]})
        st.caption("Tokens that carry most of this module's energy")
        columns = {
            "token": st.column_config.TextColumn(width="medium"),
            "share of its energy": st.column_config.NumberColumn(format="%.1f%%"),
        }
        st.dataframe(top, key="top_tokens", hide_index=True, width="content", column_config=columns)


def ranking(view: View) -> None:
    """The modules in the probe's order, and how fast their shares add up where they do."""
    most = max(2, min(60, len(view.energy.table)))
    at_most("top", most)
    count = st.slider("Modules shown", 1, most, min(15, most), key="top", bind="query-params")
    if not view.open:
        return
    st.plotly_chart(charts.ranked_bars(view.energy, count), key="bars", width="stretch", config=view.config)
    if view.energy.probe.additive:
        st.plotly_chart(charts.cumulative(view.energy), key="cumulative", width="stretch", config=view.config)


def adapter(view: View) -> None:
    """The `LoraConfig` of the chosen module alone."""
    row = view.row
    limit = int(min(row["in_features"], row["out_features"]))
    at_most("rank", limit)  # what was set for another module may be too large for this one
    rank = st.number_input("Rank", 1, limit, min(8, limit), key="rank", bind="query-params")
    try:
        placement = place(view.energy, f"module:{view.module}", rank=rank)
    except PlacementError as error:
        st.info(f"No adapter of this package can go there: {error}")
        return
    st.markdown(f"{placement.trainable_parameters:,} trainable parameters, in this module alone.")
    st.code(placement.snippet(), language="python")


def data(view: View) -> None:
    """How to measure the map again, its files, what was not probed, the whole table."""
    energy, p = view.energy, view.energy.provenance
    st.markdown("Measure it again:")
    st.code(map_words.repeat_command(energy), language="bash")
    figure = grid.figure(energy, energy.dominant["stack"], view.measure, view.log, view.module)
    files = (
        ("CSV", "csv", lambda: queries.download(energy.id, "csv")),
        ("Parquet", "parquet", lambda: queries.download(energy.id, "parquet")),
        ("Figure as HTML", "html", lambda: figure.to_html()),
    )
    for column, (text, suffix, made) in zip(st.columns(3), files, strict=True):
        # No rerun on a click: it would throw away the contents that a second click asks for.
        column.download_button(text, made, f"{view.name}.{suffix}", key=suffix, on_click="ignore", width="stretch")
    report_button.of_map(energy.id)
    st.segmented_control("The camera button at the upper right of each chart saves it as", IMAGE_FORMATS, key="image",
                         default=IMAGE_FORMATS[0], required=True, bind="query-params")  # fmt: skip
    if p.skipped:
        st.markdown(f"**Not probed: {len(p.skipped)} modules**")
        st.dataframe(pd.DataFrame([s.model_dump() for s in p.skipped]), key="skipped", hide_index=True, width="stretch")
    if view.open:
        st.dataframe(energy.table, key="table", hide_index=True, width="stretch")
        st.json(p.model_dump(mode="json"), expanded=False)


def _list(value: Any) -> Any:
    """A list column's cell; a map that does not have the column, or not for this module, has none."""
    return value if hasattr(value, "__len__") else ()
