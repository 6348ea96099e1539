"""The Find page with searches that a real store holds: asked for, running, ended early, judged."""

import json

import pytest
from peft import LoraConfig
from streamlit.testing.v1 import AppTest

from dashboard.find.result import config_json
from domlora.energy.files import read
from domlora.jobs.queue import Queue
from domlora.jobs.spec import FindRequest, ProbeRequest
from domlora.paths import sample_data_path
from domlora.placements.place import place
from domlora.search.config import find_config
from domlora.store.store import Store
from domlora.training.lock import alone, run_folder
from tests.helpers.compared import fill
from tests.helpers.pages import page, text
from tests.helpers.stored_searches import stored

SMALL = {"model": "ref-llama", "task": "math", "validation_rows": "8", "test_rows": "8", "max_length": "64"}


@pytest.fixture(scope="module")
def energy():
    return read(sample_data_path() / "maps" / "smollm2-135m-math.parquet")


@pytest.fixture
def no_worker(monkeypatch):
    monkeypatch.setattr("domlora.jobs.local.ensure_worker", lambda: None)


def queued() -> Queue:
    return Queue(Store())


def asked_for() -> FindRequest:
    return FindRequest(model="smollm2-135m", task="math", config=find_config({"minutes": 5}))


def figures(app: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def titles(app: AppTest) -> list[str]:
    return [figure["layout"]["title"]["text"].replace("<br>", " ") for figure in figures(app)]


def links(app: AppTest) -> dict[str, str]:
    return {link.proto.label: link.proto.query_string for link in app.get("page_link")}


def test_without_any_search_the_page_says_what_it_does_and_asks():
    app = page("find")
    assert not app.exception
    assert "where the adapter should go" in text(app)
    assert "No search yet" in app.info[0].value
    assert not app.button(key="start").disabled


def test_start_submits_what_was_asked_and_the_address_names_the_job(no_worker):
    app = page("find", **SMALL, minutes="5", parameters="50000", keep="code", rank="4")
    app.button(key="start").click().run()
    assert not app.exception
    (job,) = queued().list()
    assert dict(app.query_params) == {"job": job.id}
    wanted = {"minutes": 5, "parameters": 50000, "keep": ("code",), "rank": 4, "validation_rows": 8, "test_rows": 8,
              "max_length": 64}  # fmt: skip
    assert job.request.config == find_config(wanted)
    assert (job.request.model, job.request.task) == ("ref-llama", "math")
    assert "Waiting for a worker" in text(app)


def test_what_is_wrong_is_a_line_each_and_nothing_starts(tmp_path):
    app = page("find", model="another one", own_model="/no/such/folder", task="another one", own_task="/no/rows.jsonl")
    assert app.button(key="start").disabled
    assert len(app.error) == 2
    rows = tmp_path / "two.jsonl"
    rows.write_text('{"prompt": "a", "completion": "b"}\n{"prompt": "c", "completion": "d"}\n', encoding="utf-8")
    app = page("find", **SMALL | {"task": "another one", "own_task": str(rows)})
    assert app.button(key="start").disabled
    assert len(app.error) == 1
    assert "rows" in app.error[0].value


def test_what_is_to_be_learned_is_no_task_to_keep():
    options = page("find", model="ref-llama", task="math").multiselect(key="keep").options
    assert "code" in options
    assert "math" not in options


def test_earlier_searches_are_listed_with_what_they_found_and_open(energy):
    run = stored(energy, judged=True)
    fill(energy, steps=20, ended=True, key="cd")  # a comparison, and no search
    app = page("find")
    assert "Adapt " in text(app)
    assert [button.key for button in app.button if button.key.startswith("open-")] == [f"open-{run.id}"]
    app.button(key=f"open-{run.id}").click().run()
    assert dict(app.query_params) == {"search": run.id}
    assert app.markdown[0].value.startswith("### Adapt ")
    app.button(key="back").click().run()
    assert not app.query_params
    assert app.button(key="start")


@pytest.mark.parametrize("done", [0, 1, 2])
def test_while_it_runs_the_race_the_candidates_and_the_map_are_shown(energy, done):
    run = stored(energy, done=done)
    with alone(run_folder(run.id), lambda: None):
        app = page("find", search=run.id)
    assert not app.exception
    assert not app.error
    said = text(app)
    assert "runs from the command line" in said
    assert ("leads with a validation loss" if done else "Nothing is known yet") in said
    assert len(app.dataframe[0].value) == 4
    assert "Takes no part: embed" in said
    assert any("In the race: " in title for title in titles(app))
    if done:
        assert titles(app)[0] == f"Rung {done} of about 3 has ended: {[6, 3][done - 1]} of 9 adapters go on"


def test_a_job_that_runs_shows_how_far_it_is_and_can_be_cancelled(energy):
    job = queued().submit(asked_for())
    queued().claim("here:1", "cpu")
    stored(energy, done=1, job=job.id)
    app = page("find", job=job.id)
    assert not app.exception
    assert titles(app)[0].startswith("Rung 1 of about 3")
    app.button(key=f"cancel-{job.id}").click().run()
    assert queued().get(job.id).cancel_requested


def test_a_cancelled_search_shows_what_it_has_and_can_go_on(energy, no_worker):
    job = queued().submit(asked_for())
    run = stored(energy, done=1, job=job.id)
    queued().cancel(job.id)
    app = page("find", search=run.id)
    assert "It was cancelled" in text(app)
    assert "Rung 1 of about 3" in titles(app)[0]
    app.button(key="go_on").click().run()
    again = next(one for one in queued().list() if one.id != job.id)
    assert again.request == job.request
    assert dict(app.query_params) == {"job": again.id}


def test_a_search_that_nobody_computes_any_more_says_so(energy):
    run = stored(energy, done=1)
    assert "Ended early" in text(page("find", search=run.id))


def test_a_judged_search_says_what_to_adapt_and_gives_it_away(energy):
    run = stored(energy, judged=True)
    app = page("find", search=run.id)
    assert not app.exception
    assert not app.error
    assert app.markdown[0].value.startswith("### Adapt ")
    assert "- " in app.markdown[1].value
    assert "beyond their 95 % interval" in titles(app)[0]
    assert "the finalists are named" in titles(app)[1]
    assert titles(app)[2].startswith("What to adapt: ")
    assert "LoraConfig(" in app.code[0].value
    final = Store().runs.get(run.id).facts["final"]["run"]
    assert final in links(app)["The finals on Compare"]
    assert run.id in links(app)["The race on Compare"]
    assert energy.id in links(app)["Its energy map"]
    assert app.get("download_button")[0].proto.label == "adapter_config.json"


def test_finalists_have_one_colour_on_the_whole_page(energy):
    app = page("find", search=stored(energy, judged=True).id)
    differences, race = figures(app)[:2]
    colours = {one["name"]: one["marker"]["color"] for one in differences["data"]}
    named = {one["name"]: one["line"]["color"] for one in race["data"] if one["name"] in colours}
    assert named
    assert named == {name: colours[name] for name in named}


def test_the_config_that_is_taken_away_is_one_that_peft_reads(energy, tmp_path):
    placement = place(energy, "qv", rank=4)
    (tmp_path / "adapter_config.json").write_text(config_json(placement, 0.1), encoding="utf-8")
    read_back = LoraConfig.from_pretrained(tmp_path)
    assert read_back.r == 4
    assert read_back.lora_dropout == 0.1
    assert set(read_back.target_modules) == {module.module for module in placement.modules}


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ({"search": "nothing"}, "no run 'nothing'"),
        ({"search": "comparison"}, "the page Compare shows it"),
        ({"job": "nothing"}, "no job 'nothing'"),
        ({"job": "probe"}, "the page Jobs shows it"),
    ],
)
def test_an_address_that_names_no_search_is_one_line_above_the_form(energy, address, line):
    probe, run = queued().submit(ProbeRequest(model="ref-llama", task="math")), fill(energy, steps=20, ended=True)
    known = {"comparison": run.id, "probe": probe.id}
    app = page("find", **{name: known.get(value, value) for name, value in address.items()})
    assert not app.exception
    assert len(app.error) == 1
    assert line in app.error[0].value
    assert app.button(key="start")


def test_the_overview_leads_here_first():
    app = page("find").switch_page("overview/page.py").run()
    assert [button.label for button in app.button][:2] == ["Find my placement", "Measure a model"]
    app.button(key="find").click().run()
    assert app.title[0].value == "Find"
