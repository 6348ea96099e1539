"""One energy map: where the energy is, how sure that is, why, and the adapter that follows."""

import pandas as pd
import streamlit as st

from dashboard import charts, queries, words
from domlora.errors import DomLoRAError

IMAGE_FORMATS = ("SVG", "PNG")
SPACES = str.maketrans({"Ġ": " ", "▁": " ", "Ċ": "\n"})  # how vocabularies write white space
CHART_WIDTH = 460  # of charts that stand side by side where there is room

try:
    rows = queries.map_rows()
except DomLoRAError as error:
    st.error(str(error))
    st.stop()
if not rows:
    st.title("Energy map")
    st.info("No energy map yet: measure one first.")
    st.page_link("views/launch.py", label="Launch a probe", icon=":material/play_arrow:")
    st.stop()

labels = {row.label: row.id for row in rows}
# The newest map stands in the URL like any other and is no default of the widget: a default is left out of the URL, so
# that a link would lead elsewhere once there is a newer map.
if st.session_state.get("map") not in labels and st.query_params.get("map") not in labels:
    st.session_state.pop("map", None)
    st.switch_page("views/energy_map.py", query_params={**st.query_params.to_dict(), "map": rows[0].label})
label = st.selectbox("Energy map", list(labels), index=None, key="map", bind="query-params") or rows[0].label
try:
    energy = queries.energy(labels[label])
except DomLoRAError as error:
    st.error(str(error))
    st.stop()

p = energy.provenance
name = f"{p.model}-{p.task}-{energy.id}"
image = st.session_state.get("image", IMAGE_FORMATS[0])  # chosen further down, on the data tab
CHART = {
    "displayModeBar": True, "modeBarButtons": [["toImage"]], "displaylogo": False,
    "toImageButtonOptions": {"format": image.lower(), "filename": name, "scale": 1 if image == "SVG" else 2},
}  # fmt: skip
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


with st.container(horizontal=True, vertical_alignment="bottom"):
    measure = st.segmented_control("Colour", list(charts.MEASURES), key="measure", bind="query-params", required=True,
                                   default="share", format_func=lambda m: m.replace("_", " "))  # fmt: skip
    log = st.toggle("Log scale", key="log", bind="query-params")


def within(key: str, largest: int) -> None:
    """What was set for another module, or stands in a link, may be too large for this one."""
    if st.session_state.get(key) is not None and st.session_state[key] > largest:
        st.session_state[key] = largest


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
facts = {"Share of all energy": f"{row['share']:.2%}", "Rank": f"{row['rank']} of {len(modules)}"}
if energy.bootstrap is not None:
    low, high = energy.bootstrap.low[row.name], energy.bootstrap.high[row.name]
    facts["95 % interval"] = f"{low * 100:.1f} to {high:.1%}"
    facts["Leads in resamples"] = f"{energy.bootstrap.winner_frequency[row.name]:.0%}"
facts["Shape (in → out)"] = f"{row['in_features']} → {row['out_features']}"
with st.container(horizontal=True, gap="medium"):  # wraps in a narrow window, where columns would cut the numbers
    for fact, value in facts.items():
        st.metric(fact, value, width="content")

why_tab, ranking_tab, adapter_tab, data_tab = st.tabs(
    ["Why here", "Ranking", "Adapter", "Data and provenance"], key="tab", on_change="rerun", bind="query-params"
)
with why_tab:
    st.markdown(words.why(energy, module))
    with st.container(horizontal=True):
        if "positions" in energy.modules:
            st.plotly_chart(charts.positions(energy, module), key="positions", width=CHART_WIDTH, config=CHART)
        st.plotly_chart(charts.maxima(energy, row["kind"], module), key="maxima", width=CHART_WIDTH, config=CHART)
    if "positions" in energy.modules:
        carrier = energy.modules.loc[row.name]
        tokens = [repr(token.translate(SPACES)) for token in carrier["top_tokens"]]
        top = pd.DataFrame({"token": tokens, "share of its energy": 100 * carrier["top_token_shares"]})
        st.caption("Tokens that carry most of this module's energy")
        columns = {
            "token": st.column_config.TextColumn(width="medium"),
            "share of its energy": st.column_config.NumberColumn(format="%.1f%%"),
        }
        st.dataframe(top, key="top_tokens", hide_index=True, width="content", column_config=columns)
with ranking_tab:
    most = max(2, min(60, len(modules)))
    within("top", most)
    count = st.slider("Modules shown", 1, most, min(15, most), key="top", bind="query-params")
    if ranking_tab.open:
        st.plotly_chart(charts.ranked_bars(energy, count), key="bars", width="stretch", config=CHART)
        st.plotly_chart(charts.cumulative(energy), key="cumulative", width="stretch", config=CHART)
with adapter_tab:
    limit = int(min(row["in_features"], row["out_features"]))
    within("rank", limit)
    rank = st.number_input("Rank", 1, limit, min(8, limit), key="rank", bind="query-params")
    st.markdown(f"{rank * (row['in_features'] + row['out_features']):,} trainable parameters, in this module alone.")
    st.code(words.lora_snippet(energy, module, rank), language="python")
with data_tab:
    st.markdown("Measure it again:")
    st.code(words.repeat_command(energy), language="bash")
    figure = charts.heatmap(energy, energy.dominant["stack"], measure, log, module)
    files = (
        ("CSV", "csv", lambda: queries.download(energy.id, "csv")),
        ("Parquet", "parquet", lambda: queries.download(energy.id, "parquet")),
        ("Figure as HTML", "html", lambda: figure.to_html()),
    )
    for column, (text, suffix, data) in zip(st.columns(3), files, strict=True):
        # No rerun on a click: it would throw away the contents that a second click asks for.
        column.download_button(text, data, f"{name}.{suffix}", key=suffix, on_click="ignore", width="stretch")
    st.segmented_control("The camera button at the upper right of each chart saves it as", IMAGE_FORMATS, key="image",
                         default=IMAGE_FORMATS[0], required=True, bind="query-params")  # fmt: skip
    if p.skipped:
        st.markdown(f"**Not probed: {len(p.skipped)} modules**")
        st.dataframe(pd.DataFrame([s.model_dump() for s in p.skipped]), key="skipped", hide_index=True, width="stretch")
    if data_tab.open:
        st.dataframe(energy.table, key="table", hide_index=True, width="stretch")
        st.json(p.model_dump(mode="json"), expanded=False)
