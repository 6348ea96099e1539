"""One energy map: where the energy is, how sure that is, why, what another map has instead, and the adapter."""

import streamlit as st

from dashboard.energy_map import achieved, choice, details, difference, grid, over, pick, training
from dashboard.energy_map import words as map_words
from dashboard.shared import heatmap, queries
from dashboard.shared import words as shared_words
from dashboard.shared.widgets import click_anew, clicked, clicks, forget_unknown
from domlora.errors import DomLoRAError

TABS = ("Why here", "Ranking", "Difference", "Training", "Adapter", "Data and provenance")
SCALES = {"auto": None, "linear": False, "log": True}
# Map and facts stand beside each other where both have room.
SIDE_BY_SIDE = """<style>
@media (max-width: 1150px) {
  .st-key-map_and_facts [data-testid="stColumn"] { min-width: calc(100% - 1.5rem); }
}
</style>"""

try:
    rows = queries.map_rows()
except DomLoRAError as error:
    st.error(str(error))
    st.stop()
if not rows:
    st.title("Energy map")
    st.info("No energy map yet: measure one first.")
    st.page_link("launch/page.py", label="Launch a probe", icon=":material/play_arrow:")
    st.stop()

if "log" in st.query_params and "scale" not in st.session_state:  # a link of an earlier version
    asked = {key: st.query_params.get_all(key) for key in st.query_params if key != "log"}
    st.switch_page(
        "energy_map/page.py", query_params={**asked, "scale": "log" if st.query_params["log"] == "true" else "auto"}
    )
shown = choice.choose(rows)
if shown is None:
    st.stop()
try:
    energy = queries.energy(shown.id)
except DomLoRAError as error:
    st.error(str(error))
    st.stop()

p = energy.provenance
probe = energy.probe
name = f"{p.model}-{p.task}-{energy.id}"
image = st.session_state.get("image", details.IMAGE_FORMATS[0])  # chosen further down, on the data tab
CHART = {
    "displayModeBar": True, "modeBarButtons": [["toImage"]], "displaylogo": False,
    "toImageButtonOptions": {"format": image.lower(), "filename": name, "scale": 1 if image == "SVG" else 2},
}  # fmt: skip
st.title(f"{p.model} on {p.task}")
# What one map has and another lacks lies in containers: a widget whose place on the page moves is taken for a new one,
# and the URL no longer follows it.
with st.container():
    st.markdown(energy.verdict.sentence)
    if probe.name != queries.PAGE:
        st.caption(map_words.about(probe))
    for warning in p.warnings:
        st.warning(warning[0].upper() + warning[1:] + ".")
    if p.remarks:
        st.caption(shared_words.of_rows(remark.words for remark in p.remarks))

modules = list(energy.table["module"])
if st.session_state.get("module", modules[0]) not in modules:  # another model's
    st.session_state["module"] = modules[0]


def choose(key: str) -> None:
    """A click on a cell chooses its module."""
    if module := clicked(key):
        st.session_state["module"] = module


measures = heatmap.measures_of(probe)
forget_unknown("measure", measures)  # another probe's
with st.container(horizontal=True, vertical_alignment="bottom"):
    measure = st.segmented_control("Colour", list(measures), key="measure", bind="query-params", required=True,
                                   default=next(iter(measures)), format_func=measures.get)  # fmt: skip
    scale = st.segmented_control(
        "Scale", list(SCALES), key="scale", bind="query-params", required=True, default="auto",
        help="Auto takes the logarithm where on a linear scale half of all cells would look alike.",
    )  # fmt: skip
    picking = st.toggle(
        "Pick modules", key="pick", bind="query-params", help="A click then picks a cell, to launch a comparison of it."
    )
    trained_alone = achieved.switch(energy)
log = SCALES[scale]

st.html(SIDE_BY_SIDE)
with st.container(key="map_and_facts"):
    left, right = st.columns([0.7, 0.3], gap="medium")
with left:
    maps = st.container()  # drawn last: what a link has chosen is known once the choosers below were drawn
    placements = over.choose(energy)
    with st.container():
        alone = achieved.choose(energy, trained_alone)
with right:
    with st.container():
        picked = pick.show(energy) if picking else None
    module = st.selectbox(
        "Module (click a cell, or choose here)", modules, key="module", bind="query-params", on_change=click_anew
    )
    details.facts(energy, module)
    with st.container():
        achieved.fact(alone, module)
on_click = pick.click if picking else choose
for stack in energy.table["stack"].unique():
    key = f"heatmap-{energy.id}-{stack}-{clicks()}"
    maps.plotly_chart(
        grid.figure(energy, stack, measure, log, module, picked, placements),
        key=key,
        width="stretch",
        config=CHART,
        on_select=lambda key=key: on_click(key),
        selection_mode="points",
    )
with maps:
    achieved.show(alone, energy, module, CHART, on_click)
tabs = st.tabs(TABS, key="tab", on_change="rerun", bind="query-params")
for tab, draw in zip(
    tabs,
    (
        details.why,
        details.ranking,
        difference.show,
        training.show,
        details.adapter,
        details.data,
    ),
    strict=True,
):
    with tab:
        draw(details.View(energy, module, measure, log, name, CHART, tab.open))
