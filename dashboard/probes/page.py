"""Which probe to trust: what each one's scores foretold of adapters at single modules, and the way to ask it anew."""

import json

import streamlit as st

from dashboard.probes import charts, launch
from dashboard.probes import queries as probe_queries
from dashboard.shared import address, job_view, queries, words
from dashboard.shared.widgets import forget_unknown
from domlora.comparison.run import Run
from domlora.errors import DomLoRAError
from domlora.probes.registry import PROBES
from domlora.ranking.result import Ranking

SINGLES = "singles"  # in the address: the run whose modules are ranked
CHART = {"displayModeBar": True, "modeBarButtons": [["toImage"]], "displaylogo": False,
         "toImageButtonOptions": {"format": "svg", "filename": "domlora-probes"}}  # fmt: skip
WHAT = (
    "**rho**: 1 orders them as training does, 0 no better than chance, below 0 the wrong way round. **Regret**: what "
    "its first pick loses to the best one."
)
COLUMNS = {
    "probe": st.column_config.TextColumn(width="medium", pinned=True),
    "rho": st.column_config.NumberColumn(format="%.2f", help="Spearman's rank correlation with the improvement"),
    "rho within kinds": st.column_config.NumberColumn(
        format="%.2f", help="the same after each kind's mean rank is taken out: does it order the layers of a kind?"
    ),
    "regret (nats)": st.column_config.NumberColumn(
        format="%.3f", help="loss at its top pick minus that at the best module, which other rows chose"
    ),
    "seconds": st.column_config.NumberColumn(format="%.1f", help="of the pass that measured it"),
    "times PAGE": st.column_config.NumberColumn(format="%.2g"),
    "verdict": st.column_config.TextColumn(help="by intervals that hold for all probes at once"),
}


def show(run: Run) -> None:
    """The ranking that a run allows."""
    found = probe_queries.ranked(run)
    st.markdown(found.sentence)
    notes = [note[0].upper() + note[1:] + "." for note in (*found.warnings, *(w.rstrip(".") for w in run.warnings))]
    if notes:
        with st.expander(f"{len(notes)} limits of this evidence", key="limits"):
            st.markdown("\n".join(f"- {note}" for note in notes))
    if remarks := run.facts.get("remarks"):
        st.caption(words.of_rows(remarks))
    table = probe_queries.table(found)
    st.dataframe(
        table, key="ranking", hide_index=True, width="stretch", height=36 * (len(table) + 1), placeholder="",
        column_config=COLUMNS | {
            f"best {found.top} found": st.column_config.NumberColumn(
                format="percent", help=f"share of the {found.top} best modules among its own first {found.top}"
            )
        },
    )  # fmt: skip
    st.caption(
        f"{len(found.modules)} single modules, {run.config.steps} steps, each at its best rate, judged on {found.rows} "
        f"{found.part} rows; in brackets: trivial rules that a probe must beat. {WHAT}"
    )
    st.plotly_chart(charts.rhos(found), key="rhos", width="stretch", config=CHART)
    _scatter(found)
    _files(run, found)


def _scatter(found: Ranking) -> None:
    names = list(found.scores)
    forget_unknown("scored_by", names)  # another run's probe
    titles = found.table.set_index("probe")["title"]
    probe = st.selectbox("Scores of", names, key="scored_by", bind="query-params", format_func=lambda n: titles[n])
    st.plotly_chart(charts.scatter(found, probe), key="scatter", width="stretch", config=CHART)
    info = PROBES[probe.split(" ")[0]]  # type: ignore[index]
    st.caption(f"{info.title}: {info.measures}, {info.formula}. Source: {info.source}.")


def _files(run: Run, found: Ranking) -> None:
    name = words.file_name(f"probes-{run.model}-{run.task}-{run.id}")
    modules = found.modules.join(found.scores, on="module")
    with st.container(horizontal=True):
        # No rerun on a click: it would throw away the contents that a second click asks for.
        st.download_button("Table as CSV", found.table.to_csv(index=False), f"{name}.csv", key="csv", on_click="ignore")
        st.download_button(
            "Modules as CSV", modules.to_csv(index=False), f"{name}-modules.csv", key="modules_csv", on_click="ignore"
        )
        st.download_button(
            "Everything as JSON", json.dumps(found.to_json(), indent=1), f"{name}.json", key="json", on_click="ignore"
        )
        st.page_link(
            "compare/page.py", label="The modules' curves", icon=":material/compare_arrows:",
            query_params={"run": queries.run_label(run)},
        )  # fmt: skip


def jobs() -> bool:
    """The jobs that the URL names, as they go on; whether there are any."""
    ids = [id for id in st.query_params.get("jobs", "").split(",") if id]
    for id in ids:
        with st.container(border=True):
            job_view.show(id)
    if ids and all(queries.queue().get(id).ended for id in ids):
        ranked = next((job.result for id in ids if (job := queries.queue().get(id)).request.kind == "sweep"), None)
        by_id = {run.id: run for run in probe_queries.runs()}
        if ranked in by_id:
            if st.button("Show its ranking", key="show_ranking", type="primary", icon=":material/leaderboard:"):
                st.query_params.from_dict({SINGLES: ranked})  # a link from a page to itself leaves the address as it is
                st.rerun()
        elif st.button("Close", key="close_jobs"):
            del st.query_params["jobs"]
            st.rerun()
    return bool(ids)


def choose(runs: list[Run]) -> Run:
    """The run that the address names, by its id or its label; else the first. From then on the address names it."""
    labels = {queries.run_label(run): run for run in runs}
    ids = {label: run.id for label, run in labels.items()}
    asked = address.text(SINGLES)
    if asked and asked not in (*labels, *ids.values()):
        st.warning(f"The store has no run of single modules {asked!r}; this is another one.")
    address.follow(SINGLES, list(labels), next(iter(labels)), ids.__getitem__)
    if asked is None:
        address.put(SINGLES, ids[st.session_state[SINGLES]])
    return labels[
        st.selectbox("Single modules of", list(labels), key=SINGLES, **address.kept(SINGLES, ids.__getitem__))
    ]


st.title("Probes")
st.caption(
    "Which probe foretells where an adapter works? Adapters are trained at single modules, one each, and every probe's "
    "scores are held against what they achieved."
)
try:
    running = jobs()
    runs = probe_queries.runs()
    if runs:
        run = choose(runs)
        missing = probe_queries.missing(run)
        if len(missing) < len(probe_queries.ONE_TASK):
            show(run)
        if missing:
            titles = ", ".join(PROBES[name].title for name in missing)
            st.info(f"Not measured on {run.model} and {run.task} yet: {titles}.")
            if st.button("Measure them in one pass", key="measure", disabled=running):
                st.query_params["jobs"] = probe_queries.measure(run).id
                st.rerun()
    else:
        st.info(
            "No comparison of single modules yet. To rank probes, train adapters at 30 single modules below (or with "
            "`domlora probes rank MODEL --task TASK`), and every probe is measured on the same model and task."
        )
    with st.expander("All probes: formula and source", key="registry"):
        st.dataframe(probe_queries.registry(), key="probes", hide_index=True, width="stretch")
    with st.expander("Train single modules and rank", expanded=not runs and not running, key="launch"):
        launch.form()
except DomLoRAError as error:
    st.error(str(error))
