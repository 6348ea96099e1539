"""The Probes page, its tables and its charts, with runs and maps that a real store holds."""

import json
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.probes import charts
from dashboard.probes import queries as probe_queries
from domlora.comparison.run import Run
from domlora.jobs.queue import Queue
from domlora.jobs.spec import HeldOut
from domlora.probes.registry import PROBES
from domlora.ranking.rank import rank
from domlora.store.store import Store
from tests.helpers import pages
from tests.helpers.pages import text
from tests.helpers.ranked import GAINS, scored, world


def fill(gains=GAINS, *, key="ab", **facts) -> Run:
    """A finished run of single modules in the store."""
    run, evaluations = world(gains, seeds=1)
    store = Store()
    anew = {"model_origin": None, "task_origin": None}  # read from the words in `facts`
    kept = store.runs.start(replace(run, id="", key=key * 32, model="ref", status="running", **anew, **facts))
    store.runs.add_evaluations(kept.id, evaluations)
    return store.runs.finish(kept.id, {"energy_map": "none"})


def measure(run: Run, **scores) -> None:
    """Maps of probes in the store; their names with _ for -."""
    for name, values in scores.items():
        probe = name.replace("_", "-")
        Store().maps.add(scored(run, values, probe, key=(probe.encode().hex() * 8)[:64]))


def page(**query: str) -> AppTest:
    return pages.page("probes", **query)


def figures(app: AppTest) -> dict[str, dict]:
    """By the beginning of their titles."""
    made = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    return {figure["layout"]["title"]["text"].replace("<br>", " "): figure for figure in made}


def test_an_empty_store_explains_and_shows_the_form():
    app = page()
    assert not app.exception and not app.error
    assert "No comparison of single modules yet" in app.info[0].value
    assert "`domlora probes rank MODEL --task TASK`" in app.info[0].value
    assert app.button(key="start_ranking")
    assert list(app.dataframe[0].value["name"]) == list(PROBES)


def test_runs_that_do_not_qualify_are_not_offered():
    fill(GAINS[:4])
    assert "No comparison of single modules yet" in text(page())


def test_a_run_with_maps_shows_sentence_table_and_charts():
    run = fill()
    measure(run, page=np.random.default_rng(0).random(30), plop=-GAINS)
    app = page()
    assert not app.exception and not app.error
    assert "PLoP (rho 1.00) orders modules better than chance on these 30 modules" in text(app)
    table = app.dataframe[0].value.set_index("probe")
    assert table.loc["PLoP", "rho"] == pytest.approx(1, abs=0.01)
    assert table.loc["PLoP", "top pick"] == probe_queries.ranked(run).best
    assert table.loc["PLoP", "its place"] == "1 of 30"
    assert {"(a random module)", "(the largest module first)", "(the first layer first)"} <= set(table.index)
    drawn = figures(app)
    assert any(title.startswith("1 of 2 probes order these modules better than chance") for title in drawn)
    assert any(title.startswith("PAGE: rho") for title in drawn)


def test_state_is_in_the_url():
    other, run = fill(key="cd"), fill(GAINS[::-1], key="ef")
    measure(run, page=GAINS, plop=GAINS)
    for one in (run, other):
        app = page(singles=one.id, scored_by="PLoP")
        assert not app.exception and not app.error
        assert app.selectbox(key="singles").value.endswith(f"({one.id})")
        assert app.selectbox(key="scored_by").value == "plop"
        assert any(title.startswith("PLoP: rho") for title in figures(app))
    assert "no run of single modules 'gone'" in text(page(singles="gone"))
    assert not page(singles=run.id, scored_by="nobody").exception


def test_missing_probes_can_be_measured_in_one_pass(monkeypatch):
    started = []
    monkeypatch.setattr("domlora.jobs.local.ensure_worker", lambda *_: started.append(1))
    fill(model_source="folder /models/ref", task_source="built-in math")
    app = page()
    assert "Not measured on ref and math yet: PAGE, PAGE without the first token" in text(app)
    app.button(key="measure").click().run()
    assert not app.exception
    (job,) = Queue(Store()).list()
    assert {config.probe for config in job.request.configs} == set(probe_queries.ONE_TASK)
    assert (job.request.model, job.request.task) == ("/models/ref", "math")
    assert f"job `{job.id}` · queued" in text(app)
    assert app.query_params["jobs"] == job.id
    assert started


def test_training_and_ranking_queues_the_probes_and_then_the_modules(monkeypatch, tiny_folder, tmp_path):
    from tests.helpers.sweeping import write_task

    monkeypatch.setattr("domlora.jobs.local.ensure_worker", lambda *_: None)
    task = write_task(tmp_path / "rows.jsonl", 60)
    app = page(model="another one", own_model=str(tiny_folder), task="another one", own_task=str(task), modules="8",
               rates="1e-2", steps="3", samples="4", validation_rows="4", test_rows="8")  # fmt: skip
    assert not app.exception and not app.error, text(app)
    assert "**8 variants** (8 placements × 1 rate × 1 seed)" in text(app)
    app.button(key="start_ranking").click().run()
    sweep, probe = Queue(Store()).list()  # newest first
    assert (probe.request.kind, sweep.request.kind) == ("probe", "sweep")
    assert {config.probe for config in probe.request.configs} == set(probe_queries.ONE_TASK)
    assert sweep.request.sweep.placements == ("spread:8",)
    assert sweep.request.probe == probe.request.config
    assert probe.request.without == HeldOut(data_seed=0, validation_rows=4, test_rows=8), "no probe reads test rows"
    assert (sweep.request.sweep.steps, sweep.request.sweep.learning_rates) == (3, (0.01,))
    assert app.query_params["jobs"] == f"{probe.id},{sweep.id}"
    assert text(app).count("· queued") == 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rates": "fast"}, "The learning rate 'fast' is not a number"),
        ({"rates": "0"}, "a learning rate of 0 trains nothing"),
        ({"samples": "99999"}, "99999 probe samples asked for, but there are"),
        ({"model": "another one"}, "Name a model"),
    ],
)
def test_what_is_wrong_with_a_request_is_said_before_the_start(settings, words):
    app = page(**settings)
    assert words in text(app)
    assert app.button(key="start_ranking").disabled


def test_ended_jobs_lead_to_the_ranking():
    from domlora.jobs.spec import SweepRequest

    store = Store()
    job = Queue(store).submit(SweepRequest(model="ref", task="math"))
    run = fill(job=job.id)
    measure(run, page=GAINS)
    assert Queue(store).claim("here:1", "cpu") is not None
    assert Queue(store).finish(job.id, "done", result=run.id)
    app = page(jobs=job.id)
    assert not app.exception and not app.error
    assert app.button(key="show_ranking").label == "Show its ranking"
    assert "no job" in text(page(jobs="ffffffffffff"))


# --- charts -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found():
    run, evaluations = world(GAINS)
    noise = np.random.default_rng(1).random(30)
    maps = [scored(run, np.exp(9 * noise)), scored(run, -GAINS, "plop"), scored(run, GAINS, "interference")]
    return rank(run, evaluations, maps)


def test_bars_tell_probes_from_trivial_baselines_without_colour(found):
    bars = charts.rhos(found).data[0]
    hatched = {name.replace("<br>", " "): shape for name, shape in zip(bars.y, bars.marker.pattern.shape, strict=True)}
    assert hatched["PLoP"] == ""
    assert hatched["(the largest module first)"] == "/"
    assert len(bars.y) == len(found.table) - 1  # a random order is the line at 0
    values = dict(zip(hatched, bars.x, strict=True))
    assert values["PLoP"] == pytest.approx(found.table.set_index("probe").loc["plop", "rho"])
    assert (np.asarray(bars.error_x.array) >= 0).all() and (np.asarray(bars.error_x.arrayminus) >= 0).all()


def test_scatter_has_a_point_a_module_a_symbol_a_kind_and_marks_best_and_pick(found):
    figure = charts.scatter(found, "page")
    kinds = [trace for trace in figure.data if trace.customdata is not None]
    assert sum(len(trace.x) for trace in kinds) == 30
    assert len({trace.marker.symbol for trace in kinds}) == 5
    points = {m: (x, y) for t in kinds for m, x, y in zip(t.customdata, t.x, t.y, strict=True)}
    marked = {trace.name: (trace.x[0], trace.y[0]) for trace in figure.data if trace.customdata is None}
    modules = found.modules.set_index("module")
    assert marked["best found"] == points[modules["improvement"].idxmax()]
    assert marked["top pick of PAGE"] == points[found.scores["page"].idxmax()]
    assert figure.layout.xaxis.type == "log"
    assert "place" in kinds[0].hovertext[0] and "trainable parameters" in kinds[0].hovertext[0]


def test_scatter_of_a_probe_that_prefers_low_scores_turns_its_axis(found):
    figure = charts.scatter(found, "plop")
    assert figure.layout.xaxis.autorange == "reversed"
    assert "lower means" in figure.layout.xaxis.title.text
    marked = [trace.name for trace in figure.data if trace.customdata is None and trace.x[0] is not None]
    assert marked == ["best found and top pick"]
    best = next(text for trace in figure.data if trace.customdata is not None for text in trace.hovertext
                if text.startswith(f"<b>{found.modules['module'].iloc[0]}<"))  # fmt: skip
    assert "place 1 of 30" in best.split("<br>")[2]


def test_charts_work_without_intervals_and_for_probes_of_two_tasks(found):
    charts.scatter(found, "interference with chat")
    run, evaluations = world(GAINS, rows=1)
    single = rank(run, evaluations, [scored(run, GAINS)])
    assert charts.rhos(single).data[0].x is not None
    assert "(" not in charts.scatter(single, "page").layout.title.text
