"""Architectures × tasks: whether the winner depends on the model or on the task. Maps, winners, agreement, samples."""

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard.matrix import charts, heatmaps, missing
from dashboard.matrix import queries as matrix_queries
from dashboard.matrix.queries import Choice
from dashboard.shared import queries, words
from dashboard.shared.widgets import CLICKABLE, clicked_row, forget_unknown, keep_known
from domlora.data.tasks import builtin_tasks
from domlora.energy.energy_map import EnergyMap
from domlora.errors import DomLoRAError
from domlora.models.catalogue import REFERENCE_MODELS, known_models
from domlora.probes.registry import PROBES

PANELS = ("Maps", "Winners", "Agreement", "Samples")
MODELS_SHOWN, TASKS_SHOWN = 8, heatmaps.TASKS_A_ROW  # until more are chosen
WIDE = 330  # pixels of a chooser that holds several names
VERDICTS = {  # icon and colour; the word stands beside them
    "supported": ("check_circle", "green"), "contradicted": ("cancel", "red"), "mixed": ("contrast", "orange"),
    "undecided": ("help", "gray"), "not tested": ("remove_circle", "gray"),
}  # fmt: skip
SENTENCES_SHOWN = 4  # before the rest folds away
AGREEMENT_WIDTH = 312  # pixels: three side by side in a wide window, one below the other in a narrow one
CHART = {"displayModeBar": True, "modeBarButtons": [["toImage"]], "displaylogo": False,
         "toImageButtonOptions": {"format": "svg", "filename": "domlora-matrix"}}  # fmt: skip
STILL = {"displayModeBar": False}


def choose() -> Choice:
    """Draws the choosers of probe, models and tasks in a row, which wraps in a narrow window."""
    row = st.container(horizontal=True, vertical_alignment="bottom")
    probe = row.selectbox("Probe", probes, key="by", bind="query-params", format_func=matrix_queries.probe_title,
                          width=200)  # fmt: skip
    cells = list(matrix_queries.rows_by(probe))
    with_maps = matrix_queries.models_of(cells)
    measured_tasks = matrix_queries.tasks_of(cells)
    all_tasks = [*measured_tasks, *(task for task in builtin_tasks() if task not in measured_tasks)]
    keep_known("architectures", with_maps)
    keep_known("also", list(known_models()))
    keep_known("matrix_tasks", all_tasks)
    # What came with a shipped comparison is of other rows and models than the shipped matrix: it is there to be added.
    usual = matrix_queries.rows_by(probe, without=queries.OF_RUN) or cells
    models = row.multiselect(
        "Models",
        with_maps,
        matrix_queries.models_of(list(usual))[:MODELS_SHOWN],
        key="architectures",
        bind="query-params",
        width=WIDE,
    )
    tasks = row.multiselect(
        "Tasks",
        all_tasks,
        matrix_queries.tasks_of(list(usual))[:TASKS_SHOWN],
        key="matrix_tasks",
        bind="query-params",
        width=WIDE,
    )
    # All of them, so that a model stays chosen when its first cell has been measured.
    added = row.multiselect(
        "Add built-in models", list(known_models()), key="also", bind="query-params", placeholder="measured or not",
        help="What this probe has not measured of them becomes missing cells, to be measured below.", width=240,
    )  # fmt: skip
    return Choice(probe, tuple(dict.fromkeys([*models, *added])), tuple(tasks))


def claim_cards(choice: Choice) -> None:
    """What the maps say of the paper's claims: a verdict each, its numbers on demand."""
    claims, _ = matrix_queries.findings(choice)
    for column, claim in zip(st.columns(len(claims)), claims, strict=True):
        with column.container(border=True, height="stretch"):
            icon, colour = VERDICTS[claim.verdict]
            st.markdown(f":{colour}-badge[:material/{icon}: {claim.verdict}] {claim.claim}")
            with st.popover("The numbers", type="tertiary", width="content"):
                st.markdown(claim.sentence)


def say(choice: Choice) -> None:
    """A sentence a model, and what makes the maps unequal."""
    _, sentences = matrix_queries.findings(choice)
    lines = [
        f"- **{words.literal(model)}**: {words.literal(text.removeprefix(f'{model}: '))}"
        for model, text in sentences.items()
    ]
    st.markdown("\n".join(lines[:SENTENCES_SHOWN]))
    if lines[SENTENCES_SHOWN:]:
        more = len(lines) - SENTENCES_SHOWN
        with st.expander(f"{more} more model{'s' if more > 1 else ''}"):
            st.markdown("\n".join(lines[SENTENCES_SHOWN:]))
    notes = [note[0].upper() + note[1:] + "." for note in matrix_queries.matrix_of(choice).differences]
    if notes:
        st.warning(notes[0] if len(notes) == 1 else "\n".join(f"- {note}" for note in notes))
    if remarks := matrix_queries.matrix_of(choice).remarks:
        st.caption(f"Rows of {'; '.join(map(words.literal, remarks))}.")


@st.cache_resource(show_spinner=False, max_entries=128)
def drawn(
    ids: tuple[tuple[str, str | None], ...],
    model: str,
    scale: heatmaps.Scale,
    alignment: str,
    deepest: int,
    _maps: Mapping[str, EnergyMap | None],
) -> go.Figure:
    """Building a figure takes longer than all else on a rerun, and the same maps give the same figure."""
    return heatmaps.figure({task: _maps[task] for task, _ in ids}, model, scale, alignment, deepest)


def maps_panel(choice: Choice) -> None:
    """Heatmaps of every cell on one scale."""
    probe = PROBES[matrix_queries.probe_name(choice.probe)]
    measures = heatmaps.measures(probe)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        forget_unknown("colour", measures)  # another probe's measure
        measure = st.segmented_control("Colour", list(measures), key="colour", bind="query-params", required=True,
                                       default=next(iter(measures)), format_func=measures.get)  # fmt: skip
        alignment = st.segmented_control("Align by", heatmaps.ALIGNMENTS, key="align", bind="query-params",
                                         required=True, default=heatmaps.ALIGNMENTS[0])  # fmt: skip
        log = st.toggle("Log scale", key="log_colour", bind="query-params")
    groups = [[m for m in choice.models if (m in REFERENCE_MODELS) is small] for small in (False, True)]
    for models, name in zip(groups, ("", "Small reference models, on a scale of their own"), strict=True):
        if name and all(groups) and _measured(choice, models):
            st.markdown(f"**{name}**")
        _group(choice, models, measure, alignment, log)
    low = ", lowest scores brightest: the probe would put an adapter there" if probe.prefers == "low" else ""
    st.caption(f"Red frame: the module that leads{low}.")


def _measured(choice: Choice, models: Sequence[str]) -> list[EnergyMap]:
    return [energy for model, _, energy in matrix_queries.matrix_of(choice).present if model in models]


def _group(choice: Choice, models: Sequence[str], measure: str, alignment: str, log: bool) -> None:
    """The heatmaps of models that share one scale."""
    found, measured = matrix_queries.matrix_of(choice), _measured(choice, models)
    if not measured:
        return
    scale = heatmaps.Scale.of(measured, measure, log)
    deepest = max(energy.provenance.layers for energy in measured)
    st.plotly_chart(heatmaps.colour_bar(scale), key=f"colours-{models[0]}", width="stretch", config=STILL)
    for model in models:
        energies = {task: found.get(model, task) for task in choice.tasks}
        if not any(energies.values()):
            continue  # one of the missing cells below
        for block in heatmaps.blocks(choice.tasks):
            ids = tuple((task, energy.id if (energy := energies[task]) else None) for task in block)
            st.plotly_chart(
                drawn(ids, model, scale, alignment, deepest, energies),
                key=f"maps-{model}-{block[0]}",
                width="stretch",
                config=CHART,
            )


def winners_panel(choice: Choice) -> None:
    """Where the leading module of each cell sits."""
    additive = PROBES[matrix_queries.probe_name(choice.probe)].additive
    table = matrix_queries.winners(choice)
    models = [model for model in choice.models if model in set(table["model"])]
    tasks = [task for task in choice.tasks if task in set(table["task"])]
    figure = charts.winners(table, models, tasks, shares=additive)
    st.plotly_chart(figure, key="winners", width="stretch", config=CHART)
    shown = pd.DataFrame(
        {
            "model": table["model"], "task": table["task"], "layer": table["layer"].astype(int), "kind": table["kind"],
            "relative depth": table["depth"], "share": 100 * table["share"],
            "leads in resamples": 100 * table["frequency"], "effective modules": table["effective_modules"],
            "module": table["module"], "runner-up": table["runner_up"],
        }
    )  # fmt: skip
    if not additive:
        shown = shown.drop(columns=["share", "effective modules"])
    number = st.column_config.NumberColumn
    st.caption("Click a row to open its map.")
    event = st.dataframe(
        shown, key="winners_table", hide_index=True, width="stretch", on_select="rerun", selection_mode=CLICKABLE,
        column_config={
            "relative depth": number(format="%.2f", help="0 the first layer, 1 the last"),
            "share": number(format="%.1f%%", help="of the sum of all scores"),
            "leads in resamples": number(format="%.0f%%", help="how often it leads when the samples are drawn anew"),
            "effective modules": number(format="%.0f", help="over how many equal modules the energy would spread"),
        },
    )  # fmt: skip
    if (clicked := clicked_row(event)) is not None:
        row = table.iloc[clicked]
        label = matrix_queries.rows_by(choice.probe)[row["model"], row["task"]].label
        st.switch_page("energy_map/page.py", query_params={"map": label})


def agreement_panel(choice: Choice) -> None:
    """How alike tasks are on a model, and models on a task."""
    cells = [(model, task) for model, task, _ in matrix_queries.matrix_of(choice).present]
    measured_models = [model for model in choice.models if any(cell[0] == model for cell in cells)]
    measured_tasks = [task for task in choice.tasks if any(cell[1] == task for cell in cells)]
    st.subheader("Between tasks")
    if len(measured_tasks) < 2:
        st.info("Agreement between tasks needs maps of two tasks: choose or measure another one.")
    else:
        model = one_of("Model", "agree_model", measured_models)
        figures(matrix_queries.between_tasks(choice, model), "tasks")
    st.subheader("Between models")
    if len(measured_models) < 2:
        st.info("Agreement between models needs maps of two models: choose or measure another one.")
    else:
        task = one_of("Task", "agree_task", measured_tasks)
        figures(matrix_queries.between_models(choice, task), "models")
        st.caption(
            "Two models have different modules, so they are compared on kind × relative depth, for the kinds that both "
            "have: fused ones (qkv, gate_up) have no match among split ones. An empty cell has nothing to compare."
        )


def one_of(label: str, key: str, options: list[str]) -> str:
    """A chooser that survives the loss of what was chosen."""
    forget_unknown(key, options)
    return st.selectbox(label, options, key=key, bind="query-params", width=320)


def figures(found: charts.Agreement, between: str) -> None:
    """The three matrices, side by side where there is room."""
    if len(found.labels) < 2:
        st.info(f"{found.subject} is measured on one of these {between} only: two are needed to compare.")
        return
    with st.container(horizontal=True):
        for what in charts.AGREEMENTS:
            figure = charts.agreement(found, what)
            st.plotly_chart(figure, key=f"{between}-{what}", width=AGREEMENT_WIDTH, config=STILL)


def samples_panel(choice: Choice) -> None:
    """How many samples give the answer that all of them give."""
    present = dict.fromkeys(model for model, _, _ in matrix_queries.matrix_of(choice).present)
    model = one_of("Model", "samples_of", list(present))
    curves = matrix_queries.sample_curves(choice, model)
    if PROBES[matrix_queries.probe_name(choice.probe)].needs == "weights":
        st.info("This probe reads the weights alone: its answer is the same for any number of samples.")
        return
    if not curves:
        st.info("The maps of this model keep no single samples, so nothing can be drawn anew: measure them again.")
        return
    enough = {task: matrix_queries.enough(curve) for task, curve in curves.items()}
    figure = charts.sample_curves(curves, enough, matrix_queries.ENOUGH, matrix_queries.PAPER_SAMPLES, model)
    st.plotly_chart(figure, key="sample_curves", width="stretch", config=CHART)
    lines = []
    for task, count in enough.items():
        most = int(curves[task]["samples"].max())
        found = f"{count} samples are enough" if count else f"{most} samples are not enough"
        lines.append(f"- **{task}**: {found} for the same winner in {matrix_queries.ENOUGH:.0%} of draws.")
    st.markdown("\n".join(lines))
    st.caption(
        "Each point draws so many of the map's own samples with replacement, many times, and counts how often the "
        "module that leads with all samples leads. Open marks: enough from there on."
    )


st.title("Architectures × tasks")
try:
    probes = matrix_queries.probes()
    if not probes:
        st.info("No energy map yet: measure a model on two tasks, or two models on one, and see them side by side.")
        st.page_link("launch/page.py", label="Launch a probe", icon=":material/play_arrow:")
        st.stop()
    choice = choose()
    if not choice.models or not choice.tasks:
        st.info("Choose at least one model and one task.")
        st.stop()
    if matrix_queries.ids_of(choice):
        claim_cards(choice)
        panel = st.segmented_control(
            "Panel", PANELS, default=PANELS[0], required=True, key="panel", bind="query-params",
            label_visibility="collapsed",
        )  # fmt: skip
        draw = {"Maps": maps_panel, "Winners": winners_panel, "Agreement": agreement_panel, "Samples": samples_panel}
        draw[panel](choice)
        say(choice)
    st.subheader("Missing cells")
    missing.show(choice)
    if matrix_queries.ids_of(choice):
        with st.container(horizontal=True):
            # No rerun on a click: it would throw away the contents that a second click asks for.
            st.download_button("Cells as CSV", lambda: matrix_queries.cells_csv(choice), "domlora-matrix.csv",
                               key="csv", on_click="ignore")  # fmt: skip
            st.download_button("Agreement as JSON", lambda: matrix_queries.agreement_json(choice),
                               "domlora-agreement.json", key="json", on_click="ignore")  # fmt: skip
except DomLoRAError as error:
    st.error(str(error))
