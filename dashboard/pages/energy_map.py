"""One energy map: where the energy is, how sure that is, why, and the adapter that follows."""

import pandas as pd
import streamlit as st

from dashboard import charts, queries, words
from domlora.errors import DomLoRAError

CHART = {"toImageButtonOptions": {"format": "svg", "filename": "domlora-energy-map"}, "displaylogo": False}

try:
    rows = queries.map_rows()
except DomLoRAError as error:
    st.error(str(error))
    st.stop()
if not rows:
    st.title("Energy map")
    st.info("No energy map yet: measure one first.")
    st.page_link("pages/launch.py", label="Launch a probe", icon=":material/play_arrow:")
    st.stop()

labels = {row.label: row.id for row in rows}
left, measure_box, scale_box = st.columns([3, 2, 1], vertical_alignment="bottom")
label = left.selectbox("Energy map", list(labels), key="map", bind="query-params")
measure = measure_box.selectbox("Colour", list(charts.MEASURES), key="measure", bind="query-params",
                                format_func=lambda m: m.replace("_", " "))  # fmt: skip
log = scale_box.toggle("Log scale", key="log", bind="query-params")
try:
    energy = queries.energy(labels[label])
except DomLoRAError as error:
    st.error(str(error))
    st.stop()

p = energy.provenance
st.title(f"{p.model} on {p.task}")
st.markdown(energy.verdict.sentence)
for warning in p.warnings:
    st.warning(warning[0].upper() + warning[1:] + ".")

modules = list(energy.table["module"])
if st.session_state.get("module") not in (None, *modules):
    del st.session_state["module"]  # another model's module


def choose(key: str) -> None:
    """A click on a cell chooses its module."""
    points = st.session_state[key].selection.points
    if points:
        st.session_state["module"] = points[0]["customdata"]


for stack in energy.table["stack"].unique():
    key = f"heatmap-{energy.id}-{stack}"
    st.plotly_chart(
        charts.heatmap(energy, stack, measure, log, st.session_state.get("module")),
        key=key,
        width="stretch",
        config=CHART,
        on_select=lambda key=key: choose(key),
        selection_mode="points",
    )

module = st.selectbox("Module (click a cell, or choose here)", modules, key="module", bind="query-params")
row = energy.table[energy.table["module"] == module].iloc[0]
facts = st.columns(5)
facts[0].metric("Share of all energy", f"{row['share']:.2%}")
facts[1].metric("Rank", f"{row['rank']} of {len(modules)}")
if energy.bootstrap is not None:
    low, high = energy.bootstrap.low[row.name], energy.bootstrap.high[row.name]
    facts[2].metric("95 % interval", f"{low * 100:.1f} to {high:.1%}")
    facts[3].metric("Leads in resamples", f"{energy.bootstrap.winner_frequency[row.name]:.0%}")
facts[4].metric("Shape (in → out)", f"{row['in_features']} → {row['out_features']}")

why_tab, ranking_tab, adapter_tab, data_tab = st.tabs(
    ["Why here", "Ranking", "Adapter", "Data and provenance"], key="tab", on_change="rerun", bind="query-params"
)
with why_tab:
    st.markdown(words.why(energy, module))
    chart_left, chart_right = st.columns(2)
    if "positions" in energy.modules:
        chart_left.plotly_chart(charts.positions(energy, module), key="positions", width="stretch", config=CHART)
        carrier = energy.modules.loc[row.name]
        tokens = [repr(token) for token in carrier["top_tokens"]]
        top = pd.DataFrame({"token": tokens, "share of its energy": carrier["top_token_shares"]})
        st.caption("Tokens that carry most of this module's energy")
        columns = {"share of its energy": st.column_config.NumberColumn(format="percent")}
        st.dataframe(top, key="top_tokens", hide_index=True, width="content", column_config=columns)
    chart_right.plotly_chart(charts.maxima(energy, row["kind"], module), key="maxima", width="stretch", config=CHART)
with ranking_tab:
    count = st.slider(
        "Modules shown", 5, min(60, max(6, len(modules))), min(15, len(modules)), key="top", bind="query-params"
    )
    st.plotly_chart(charts.ranked_bars(energy, count), key="bars", width="stretch", config=CHART)
    st.plotly_chart(charts.cumulative(energy), key="cumulative", width="stretch", config=CHART)
with adapter_tab:
    limit = int(min(row["in_features"], row["out_features"]))
    rank = st.number_input("Rank", 1, limit, min(8, limit), key="rank", bind="query-params")
    st.markdown(f"{rank * (row['in_features'] + row['out_features']):,} trainable parameters, in this module alone.")
    st.code(words.lora_snippet(energy, module, rank), language="python")
with data_tab:
    st.markdown("Measure it again:")
    st.code(words.repeat_command(energy), language="bash")
    csv, parquet, html = st.columns(3)
    name = f"{p.model}-{p.task}-{energy.id}"
    csv.download_button("CSV", queries.download(energy.id, "csv"), f"{name}.csv", key="csv", width="stretch")
    parquet.download_button(
        "Parquet", queries.download(energy.id, "parquet"), f"{name}.parquet", key="parquet", width="stretch"
    )
    figure = charts.heatmap(energy, energy.dominant["stack"], measure, log, module)
    html.download_button("Figure as HTML", lambda: figure.to_html(), f"{name}.html", key="html", width="stretch")
    st.caption("SVG of any chart: the camera button at its upper right.")
    if p.skipped:
        st.markdown(f"**Not probed: {len(p.skipped)} modules**")
        st.dataframe(pd.DataFrame([s.model_dump() for s in p.skipped]), key="skipped", hide_index=True, width="stretch")
    st.dataframe(energy.table, key="table", hide_index=True, width="stretch")
    st.json(p.model_dump(mode="json"), expanded=False)
