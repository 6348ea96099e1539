"""The Compare page and the comparison part of Launch, with runs that a real store holds."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save
from streamlit.testing.v1 import AppTest

from dashboard.compare import tables
from dashboard.shared import queries, words
from domlora.comparison.config import variant_name
from domlora.comparison.run import Answer, Evaluation
from domlora.energy.files import read
from domlora.jobs.queue import Queue
from domlora.jobs.spec import SweepRequest
from domlora.paths import sample_data_path
from domlora.store.store import Store
from domlora.training.lock import alone, run_folder
from tests.helpers.compared import CONFIG, VIEWS, fill
from tests.helpers.pages import page, text

LOST = "all-linear lr=0.01 seed=1"


@pytest.fixture(scope="module")
def energy():
    return read(sample_data_path() / "maps" / "smollm2-135m-math.parquet")


def figures(app: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def test_without_any_run_the_page_leads_to_launch():
    app = page()
    assert not app.exception
    assert "No comparison yet" in app.info[0].value
    assert app.get("page_link")[-1].proto.label == "Launch a comparison"


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("state", ["begun", "running", "finished", "diverged", "all diverged", "cancelled job"])
def test_every_view_works_in_every_state(energy, view, state):
    every = [variant_name(p, "lora", r, s) for p in CONFIG.placements for r in CONFIG.learning_rates for s in (0, 1)]
    lost = {"diverged": [LOST], "all diverged": every}.get(state, [])
    job = Queue(Store()).submit(SweepRequest(model="smollm2-135m", task="math", sweep=CONFIG))
    ended = state in ("finished", "diverged", "all diverged")
    run = fill(energy, steps={"begun": -1, "running": 10}.get(state, 20), ended=ended, job=job.id, diverged=lost)
    if state == "cancelled job":
        Queue(Store()).cancel(job.id)
    app = page(run=run.id, view=view)
    assert not app.exception, (view, state)
    assert not app.error


def test_a_finished_run_says_what_can_be_concluded_first(energy):
    run = fill(energy, steps=20, ended=True)
    app = page(run=run.id)
    assert "all-linear has the lowest test loss" in app.markdown[0].value
    assert "below qv and dominant beyond the interval" in app.markdown[0].value
    assert app.segmented_control(key="view").value == "Result"
    assert "240 of 240 optimizer steps; variants: 12 done" in text(app)


def test_curves_show_the_best_rate_of_each_or_all(energy):
    run = fill(energy, steps=20, ended=True)
    best, all_rates = (
        figures(page(run=run.id, view="Curves", rates_shown=shown))[0] for shown in ("best of each", "all")
    )
    names = [[t["name"] for t in f["data"] if t.get("name") and not t.get("fill")] for f in (best, all_rates)]
    assert names[0] == ["dominant, lr=0.001", "qv, lr=0.001", "all-linear, lr=0.001"]
    assert len(names[1]) == 6


def test_a_filter_narrows_the_curves_and_is_never_an_expression(energy):
    run = fill(energy, steps=20, ended=True)
    narrowed = page(run=run.id, view="Curves", variant_filter="^(qv|dominant)")  # as links of before have it
    assert "qv, lr=0.001 is lowest" in json.dumps(figures(narrowed)[0]).replace("<br>", " ")
    app = page(run=run.id, view="Curves", variant_filter="(a+)+$")
    assert not app.exception and not app.error
    assert "No variant fits the filter" in text(app)


def test_chosen_contestants_alone_are_drawn_and_all_are_listed(energy):
    run = fill(energy, steps=20, ended=True)
    for view, table in (("Curves", 0), ("Result", 0)):
        app = page(run=run.id, view=view, show="qv")
        drawn = {t["name"].split(",")[0] for f in figures(app) for t in f["data"] if t.get("name")}
        assert drawn <= {"qv", "Pareto front"} and "qv" in drawn
        assert set(app.dataframe[table].value["contestant"]) == {"dominant", "qv", "all-linear"}


def test_several_runs_are_drawn_in_one_chart_each_by_its_name(energy):
    run = fill(energy, steps=20, ended=True)
    other = fill(energy, steps=10, ended=True, key="cd")
    Store().runs.set_notes([run.id], name="long")
    Store().runs.set_notes([other.id], name="short")
    app = page(run=run.id, view="Curves", **{"with": other.id})
    assert not app.exception
    lines = {t["name"]: t for t in figures(app)[0]["data"] if t.get("name") and not t.get("fill")}
    assert {"long, qv, lr=0.001", "short, qv, lr=0.001"} <= set(lines)
    long, short = lines["long, qv, lr=0.001"], lines["short, qv, lr=0.001"]
    assert long["line"]["color"] == short["line"]["color"] and long["line"]["dash"] != short["line"]["dash"]
    assert set(app.dataframe[0].value["run"]) == {"long", "short"}
    app = page(run=run.id, view="Variants", **{"with": other.id})
    assert not app.exception
    labels = [one["label"] for one in figures(app)[0]["data"][0]["dimensions"]]
    assert labels == ["run", "placement", "parameters", "learning rate", "validation loss"]


def test_another_baseline_turns_the_differences(energy):
    run = fill(energy, steps=20, ended=True)
    app = page(run=run.id, view="Result")
    table = app.dataframe[0].value.set_index("contestant")
    assert table.loc["all-linear", "verdict"] == "baseline"
    app.selectbox(key="baseline").set_value("dominant").run()
    turned = app.dataframe[0].value.set_index("contestant")
    assert turned.loc["all-linear", "difference"] == pytest.approx(-table.loc["dominant", "difference"])
    assert "differ from dominant" in json.dumps(figures(app)[1]).replace("<br>", " ")


def test_settings_of_two_runs_differ_in_what_was_changed(energy):
    run = fill(energy, steps=20, ended=True)
    other = fill(energy, steps=20, ended=True, key="cd", config=CONFIG.model_copy(update={"rank": 4}))
    app = page(run=run.id, view="Settings")
    app.selectbox(key="other").set_value(next(o for o in app.selectbox(key="other").options if other.id in o)).run()
    assert list(app.dataframe[0].value["setting"]) == ["rank"]
    app.toggle(key="differences_only").set_value(False).run()
    assert len(app.dataframe[0].value) > 10


@pytest.mark.parametrize(("view", "key"), [("Result", "baseline"), ("Take away", "variant")])
def test_a_choice_that_another_run_does_not_offer_is_forgotten(energy, view, key):
    run = fill(energy, steps=20, ended=True)
    config = CONFIG.model_copy(update={"placements": ("mlp", "attention")})
    other = fill(energy, steps=20, ended=True, key="cd", config=config)
    app = page(run=run.id, view=view)
    app.selectbox(key=key).set_value(app.selectbox(key=key).options[1]).run()
    app.selectbox(key="run_box").set_value(next(o for o in app.selectbox(key="run_box").options if other.id in o)).run()
    assert not app.exception
    assert app.selectbox(key=key).value.split()[0] in ("mlp", "attention")


def test_answers_stand_side_by_side(energy):
    run = fill(energy, steps=20, ended=True)
    said = [("base", "no idea", False), ("qv lr=0.001 seed=0", "four", True)]
    Store().runs.add_answers(run.id, [Answer(name, 0, "2 + 2?", "4", words, right) for name, words, right in said])
    app = page(run=run.id, view="Answers")
    assert [code.value for code in app.code] == ["2 + 2?", "4", "no idea", "four"]
    assert "**qv lr=0.001 seed=0** · correct" in text(app)


def test_one_variant_or_the_whole_run_can_be_cancelled_while_it_runs(energy):
    job = Queue(Store()).submit(SweepRequest(model="smollm2-135m", task="math", sweep=CONFIG))
    Queue(Store()).claim("host:1", "cpu")
    run = fill(energy, steps=10, ended=False, job=job.id)
    app = page(run=run.id)
    app.multiselect(key="cancel_variants").set_value(["qv lr=0.001 seed=1"]).run()
    app.button(key="cancel_these").click().run()
    assert Store().runs.cancelled(run.id) == {"qv lr=0.001 seed=1"}
    assert not app.exception
    left = app.multiselect(key="cancel_variants")
    assert left.value == [] and "qv lr=0.001 seed=1" not in left.options, "it leaves the list at once"
    app.button(key="cancel_run").click().run()
    assert Queue(Store()).get(job.id).cancel_requested


def test_nothing_can_be_cancelled_once_it_has_ended(energy):
    app = page(run=fill(energy, steps=20, ended=True).id)
    assert not [button for button in app.button if button.key == "cancel_run"]


def test_a_run_whose_job_failed_says_why(energy):
    job = Queue(Store()).submit(SweepRequest(model="smollm2-135m", task="math", sweep=CONFIG))
    Queue(Store()).finish(job.id, "failed", error="the disk is full")
    app = page(run=fill(energy, steps=10, ended=False, job=job.id).id)
    assert "its job failed: the disk is full" in text(app)


def test_a_run_that_python_began_and_nobody_computes_is_not_live(energy):
    run = fill(energy, steps=10, ended=False, job=None)
    app = page(run=run.id)
    assert "no process computes it any more" in text(app)
    assert not [button for button in app.button if button.key == "cancel_these"]
    with alone(run_folder(run.id), lambda: None):
        app = page(run=run.id)
        assert not app.exception
        assert [button for button in app.button if button.key == "cancel_these"]


def test_an_unknown_run_in_a_link_is_said_and_no_other_is_shown(energy):
    run = fill(energy, steps=20, ended=True)
    app = page(run="nothing-like-it")
    assert not app.exception
    assert "no run 'nothing-like-it'" in app.warning[0].value
    assert not figures(app) and app.query_params["run"] == "nothing-like-it"
    app.selectbox(key="run_box").set_value(app.selectbox(key="run_box").options[0]).run()
    assert app.query_params["run"] == run.id and figures(app)


def test_the_address_names_the_run_at_once_and_stays_when_a_newer_one_comes(energy):
    run = fill(energy, steps=20, ended=True)
    app = page()
    assert app.query_params["run"] == run.id
    newer = fill(energy, steps=20, ended=True, key="cd")
    app.run()
    assert app.query_params["run"] == run.id and run.id in app.selectbox(key="run_box").value
    app.segmented_control(key="view").set_value("Curves").run()
    assert app.query_params["view"] == "Curves" and app.query_params["run"] == run.id
    app.selectbox(key="run_box").set_value(None).run()  # the cross in the box
    assert not app.exception and app.query_params["run"] == run.id
    label = f"smollm2-135m on math, 2026-01-02 03:04 ({newer.id})"  # as links of before have it
    assert page(run=label).query_params["run"] == newer.id


def test_what_was_written_after_a_page_was_drawn_is_shown(energy):
    """All variants end before other tasks are read: their number and state say nothing of that."""
    run = fill(energy, steps=20, ended=True)
    app = page(run=run.id, view="Forgetting")
    assert set(app.dataframe[0].value["task"]) == {"chat"}
    names = ["base", *(v.name for v in run.variants)]
    Store().runs.add_evaluations(run.id, [Evaluation(name, "code", (1.0,) * 4, (0.5,) * 4) for name in names])
    assert set(app.run().dataframe[0].value["task"]) == {"chat", "code"}
    Store().runs.set_facts(run.id, warnings=["one row was lost"])
    assert "One row was lost" in text(app.run())


def test_all_runs_stand_in_one_table_that_opens_names_and_archives(energy):
    first, second = (fill(energy, steps=20, ended=True, key=key) for key in ("ab", "cd"))
    Store().runs.set_notes([second.id], pinned=True)
    app = page(run=first.id, view="All runs")
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["id"]) == [second.id, first.id], "the pinned first"
    assert list(table["best placement"]) == ["all-linear"] * 2 and set(table["rows"]) == {"validation"}
    Store().runs.set_notes([first.id], archived=True)
    queries.forget_lists()
    assert list(app.run().dataframe[0].value["id"]) == [second.id]
    assert "1 archived" in text(app)
    app.toggle(key="archived").set_value(True).run()
    assert len(app.dataframe[0].value) == 2 and app.query_params["archived"] == "True"
    app.text_input(key="runs_filter").set_value("nothing|like it").run()
    assert "No run fits the filter" in text(app)


def test_everything_as_json_holds_settings_curves_and_conclusion(energy):
    from domlora.comparison.analysis import compare_run

    run = fill(energy, steps=20, ended=True, diverged=[LOST])
    runs = Store().runs
    data = json.loads(
        tables.everything(run, runs.metrics(run.id), compare_run(run, runs.evaluations(run.id))),
        parse_constant=lambda name: pytest.fail(f"{name} is not JSON"),
    )
    assert data["config"]["steps"] == 20
    assert len(data["variants"]) == 12
    assert len(data["metrics"]) == 12 * 3 - 1
    assert data["conclusion"]


def downloads(app: AppTest) -> list[str]:
    return [button.proto.label for button in app.get("download_button")]


def test_an_adapter_is_offered_with_what_trains_it_again(energy, tmp_path):
    run = fill(energy, steps=20, ended=True)
    (tmp_path / "adapter_config.json").write_text("{}", encoding="utf-8")
    for variant in run.variants:
        Store().runs.set_variant(run.id, variant.name, adapter=str(tmp_path))
    app = page(run=run.id, view="Take away")
    assert not app.exception
    assert "Adapter and recipes as ZIP" in downloads(app) and "Recipes as ZIP" not in downloads(app)


def test_an_adapter_elsewhere_is_named_and_its_recipes_are_offered(energy):
    run = fill(energy, steps=20, ended=True)
    for variant in run.variants:
        Store().runs.set_variant(run.id, variant.name, adapter="/elsewhere/adapter")
    app = page(run=run.id, view="Take away")
    assert "`/elsewhere/adapter`" in text(app)
    assert "Recipes as ZIP" in downloads(app) and "Adapter and recipes as ZIP" not in downloads(app)
    assert any("target_modules=[" in code.value for code in app.code)


def test_where_an_adapter_runs_is_said_with_the_commands(energy, tmp_path):
    run = fill(energy, steps=20, ended=True)
    folder = tmp_path / "adapter"
    folder.mkdir()
    names = [f"base_model.model.model.layers.3.mlp.down_proj.lora_{part}.weight" for part in "AB"]
    (folder / "adapter_model.safetensors").write_bytes(save({name: np.zeros((4, 4), np.float32) for name in names}))
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "use_rslora": True}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    for variant in run.variants:
        Store().runs.set_variant(run.id, variant.name, adapter=str(folder))
    app = page(run=run.id, view="Take away")
    assert not app.exception
    shown = next(frame.value for frame in app.dataframe if "verdict" in frame.value)
    verdicts = dict(zip(shown["server"], shown["verdict"], strict=True))
    assert verdicts["vLLM"] == "loads as it is" and verdicts["llama.cpp"] == "take `adapter_uniform/`"
    commands = next(code.value for code in app.code if "vllm serve" in code.value)
    assert f"domlora runs export {run.id} --variant" in commands and "--merged" in commands


def test_a_damaged_adapter_is_said_on_the_page(energy, tmp_path):
    run = fill(energy, steps=20, ended=True)
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    for variant in run.variants:
        Store().runs.set_variant(run.id, variant.name, adapter=str(tmp_path))
    app = page(run=run.id, view="Take away")
    assert not app.exception
    assert any("damaged" in warning.value for warning in app.warning)


def test_best_rate_so_far_leaves_out_a_rate_that_diverged():
    rows = [("a lr=1", 1.0, "diverged"), ("a lr=2", 2.0, "training"), ("a lr=3", 3.0, "training")]
    table = pd.DataFrame([{"variant": v, "contestant": "a", "learning_rate": r, "status": s} for v, r, s in rows])
    losses = {"a lr=1": [1.0, 0.1], "a lr=2": [1.0, 0.7], "a lr=3": [1.0, 0.5]}
    metrics = pd.DataFrame(
        [(v, step, "eval_loss", x) for v, xs in losses.items() for step, x in zip((5, 10), xs, strict=True)],
        columns=["variant", "step", "name", "value"],
    )
    assert tables.best_rates(table, metrics) == {"a": 3.0}
    assert tables.best_rates(table, metrics.iloc[:0]) == {"a": 1.0}


def test_picked_modules_get_a_short_name():
    assert words.short_name("module:model.layers.3.mlp.down_proj+model.layers.4.mlp.up_proj dora") == (
        "layers.3.mlp.down_proj and 1 more dora"
    )
    assert words.short_name("random-2") == "random-2"


# Launch


def launch(**query: str) -> AppTest:
    return page("launch", kind="Comparison", task="math", **query)


def test_launch_shows_sizes_variants_and_time_judged_by_a_probe():
    app = launch()
    assert not app.exception
    table = app.dataframe[0].value.set_index("placement")
    assert table.loc["dominant", "trainable parameters"] == 16_896
    assert table.loc["all-linear", "trainable parameters"] == 2_442_240
    size = "**30 variants** (6 placements × (3 rates × 1 seed to choose one + 2 seeds to judge it)), 1,800 optimizer"
    assert size in text(app)
    assert "**6 variants** (6 placements × 1 rate × 1 seed)" in text(launch(rates="1e-3", seeds="1"))
    assert "there is no comparison of this model yet" in text(app)
    assert "differ in budget" in text(app)
    assert not app.button(key="start").disabled


def test_launch_judges_time_by_an_earlier_run(energy):
    fill(energy, steps=20, ended=True)  # 12 variants, 20 steps of 4 rows: 120 s
    said = text(launch())  # 30 variants of 60 steps: seven and a half times the training, less of the evaluations
    assert "and 2.0 GB, judging by 12 variants of 20 steps with 4 rows each" in said
    low, high = re.search(r"Takes about (\d+) min to (\d+) min", said).groups()
    assert 7 <= int(low) < 12 < int(high) <= 20


def test_launch_judges_no_time_by_a_run_that_took_most_over(energy):
    run = fill(energy, steps=20, ended=True)
    Store().runs.set_facts(run.id, {"continues": "ab12"})
    assert "there is no comparison of this model yet" in text(launch())


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"rates": "1e-3, fast"}, "'fast' is not a number"),
        ({"rates": "0, 1e-3"}, "a learning rate of 0 trains nothing"),
        ({"rates": "-1"}, "a learning rate of -1 trains nothing"),
        ({"rates": "1e-3, 0.001"}, "named twice"),
        ({"rates": " "}, "name one at least"),
        ({"more_placements": "everywhere"}, "no placement is called 'everywhere'"),
        ({"more_placements": "down@99"}, "down@99 fits no module"),
        ({"more_placements": "module:model.layers.11.mlp.down_proj"}, "are the same placement"),
        ({"budget": "10"}, "a budget of 10 is below rank 1"),
        ({"batch_size": "10000"}, "fewer than one step reads"),
        ({"samples": "100000"}, "100000 probe samples asked for"),
        ({"rank": "577"}, "larger than"),
    ],
)  # fmt: skip
def test_launch_names_what_is_wrong_in_one_line_and_does_not_start(query, words):
    app = launch(**query)
    assert not app.exception
    assert any(words in error.value for error in app.error), [error.value for error in app.error]
    assert app.button(key="start").disabled


def test_launch_puts_picked_cells_among_the_placements():
    app = launch(picked="model.layers.3.mlp.up_proj")
    assert not app.exception
    assert "layers.3.mlp.up_proj" in list(app.dataframe[0].value["placement"])


def test_launch_takes_head_and_embedding_whose_sizes_no_map_knows():
    app = launch(more_placements="lm_head, embed")
    assert not app.exception and not app.error
    assert "The size of lm_head and embed is known once the job has read the model" in text(app)
    assert not app.button(key="start").disabled
    app.multiselect(key="placements").set_value(["lm_head", "embed"]).run()
    assert not app.exception and not app.error and not app.dataframe


def test_launch_submits_what_was_asked(monkeypatch):
    monkeypatch.setattr("domlora.jobs.local.ensure_worker", lambda *_: None)
    app = launch(rates="2e-3", steps="7", more_placements="down@11, top-k:2")
    app.multiselect(key="placements").set_value(["qv", "down@11", "top-k:2"]).run()
    app.button(key="start").click().run()
    assert not app.exception
    request = Queue(Store()).list()[0].request
    assert request.sweep.placements == ("qv", "down@11", "top-k:2")
    assert (request.sweep.learning_rates, request.sweep.steps, request.task) == ((2e-3,), 7, "math")
    assert "as soon as training begins" in text(app)


def test_a_finished_run_is_added_to_on_its_page(energy, monkeypatch):
    monkeypatch.setattr("domlora.jobs.local.ensure_worker", lambda: None)
    run = fill(energy, steps=20, ended=True)
    app = page(run=run.id)
    assert app.button(key="add_start").disabled and "Nothing is added to run" in text(app)
    app.text_input(key="add_placements").set_value("o, nowhere").run()
    assert "No placement is called 'nowhere'" in text(app) and app.button(key="add_start").disabled
    app.text_input(key="add_placements").set_value("o, down@3").run()
    app.text_input(key="add_rates").set_value("3e-2").run()
    app.number_input(key=f"add_steps_{run.id}").set_value(40).run()
    app.button(key="add_start").click().run()
    assert not app.exception
    (job,) = Queue(Store()).list()
    assert job.request.add_to == run.id
    assert job.request.sweep == CONFIG.model_copy(
        update={
            "placements": (*CONFIG.placements, "o", "down@3"), "learning_rates": (*CONFIG.learning_rates, 3e-2),
            "steps": 40, "legs": (20,),
        }
    )  # fmt: skip
    assert job.id in text(app)


def test_a_run_that_goes_on_cannot_be_added_to(energy):
    job = Queue(Store()).submit(SweepRequest(model="smollm2-135m", task="math", sweep=CONFIG))
    run = fill(energy, steps=10, ended=False, job=job.id)
    assert "add_start" not in {button.key for button in page(run=run.id).button}


def test_launch_sends_curves_only_to_services_that_are_installed(monkeypatch):
    monkeypatch.setattr("domlora.jobs.local.ensure_worker", lambda *_: None)
    there = {"tensorboard": object(), "wandb": None, "trackio": None}
    monkeypatch.setattr("domlora.tracking.services.find_spec", there.get)
    app = launch(log_to="wandb")
    assert not app.exception
    assert app.multiselect(key="log_to").options == ["tensorboard"] and app.multiselect(key="log_to").value == []
    assert "`pip install 'domlora[wandb]'`" in text(app)
    app.multiselect(key="log_to").set_value(["tensorboard"]).run()
    app.button(key="start").click().run()
    assert not app.exception
    request = Queue(Store()).list()[0].request
    assert (request.log_to, request.log_project) == (("tensorboard",), None)


def test_take_away_names_the_command_that_sends_curves(energy):
    run = fill(energy, steps=20, ended=True)
    app = page(run=run.id, view="Take away")
    assert not app.exception
    assert any(f"domlora runs send {run.id} --to wandb" in code.value for code in app.code)


def test_launch_leads_to_the_run_as_soon_as_there_is_one(energy, monkeypatch):
    job = Queue(Store()).submit(SweepRequest(model="smollm2-135m", task="math", sweep=CONFIG))
    fill(energy, steps=10, ended=False, job=job.id)
    app = launch(job=job.id)
    assert "Watch it on Compare" in [link.proto.label for link in app.get("page_link")]


def test_launch_of_a_model_without_a_map_says_when_sizes_are_known(tmp_path):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(save({}))
    app = launch(model="another one", own_model=str(tmp_path))
    assert "the job probes first" in text(app)
    assert "no energy map of this model yet" in text(app)
    assert not app.button(key="start").disabled
