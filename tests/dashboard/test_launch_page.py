"""Launch: presets, any probe, what is measured already, what an address asks for in vain."""

import re
from dataclasses import replace

import pytest

from dashboard.launch import presets
from dashboard.shared import measured
from domlora.comparison.config import SweepConfig
from domlora.data.tasks import NamedTask, load_task
from domlora.energy.files import read
from domlora.jobs.queue import Queue
from domlora.models.origin import ModelOrigin
from domlora.paths import sample_data_path
from domlora.probes.config import ProbeConfig
from domlora.probes.registry import PROBES
from domlora.store.store import Store
from tests.helpers.compared import fill
from tests.helpers.pages import page, text


@pytest.fixture
def queue(monkeypatch):
    monkeypatch.setattr("domlora.jobs.local.ensure_worker", lambda *_: None)
    return Queue(Store())


def test_every_probe_can_be_launched(queue):
    app = page("launch", model="ref-llama", task="math", probe="plop")
    assert not app.exception
    assert app.selectbox(key="probe").options == list(PROBES)
    app.button(key="start").click().run()
    assert queue.list()[0].request.config == ProbeConfig(probe="plop")
    app = page("launch", model="ref-llama", task="math", probe="interference")
    assert app.button(key="start").disabled and "compares two tasks" in app.error[0].value
    app.selectbox(key="against").set_value("code").run()
    app.button(key="start").click().run()
    assert not app.exception
    assert queue.list()[0].request.config == ProbeConfig(probe="interference", against="code")


def test_what_is_measured_already_is_said_and_starts_nothing(queue):
    app = page("launch", model="smollm2-135m", task="math")  # its map comes with domlora
    assert [link.proto.label for link in app.get("page_link") if "Measured on " in link.proto.label]
    app.button(key="start").click().run()
    assert not app.exception
    assert not queue.list()
    app = page("launch", model="smollm2-135m", task="math")
    app.toggle(key="again").set_value(True).run()
    app.button(key="start").click().run()
    (job,) = queue.list()
    assert job.request.refresh
    for other in ({"samples": "16"}, {"task": "code", "seed": "1"}, {"model": "ref-llama"}, {"probe": "plop"}):
        app = page("launch", **{"model": "smollm2-135m", "task": "math"} | other)
        assert not any("Measured" in link.proto.label for link in app.get("page_link")), other


def test_a_comparison_that_was_made_is_found_by_all_its_settings():
    energy = read(sample_data_path() / "maps" / "smollm2-135m-math.parquet")
    made = fill(energy, steps=20, ended=True)
    made = replace(
        made, id="", key="cd" * 32, task_hash=load_task("math").content_hash,
        facts=made.facts | {"energy_map": energy.id}, model_origin=ModelOrigin(kind="builtin", place="smollm2-135m"),
    )  # fmt: skip
    run = Store().runs.start(made)
    subject = _Subject(run)
    assert measured.of_sweep(subject, ProbeConfig(), run.config).id == run.id
    assert measured.of_sweep(subject, ProbeConfig(samples=7), run.config) is None
    assert measured.of_sweep(subject, ProbeConfig(), run.config.model_copy(update={"steps": 21})) is None
    assert measured.of_sweep(_Subject(run, model="someone/smollm2-135m"), ProbeConfig(), run.config) is None


class _Subject:
    def __init__(self, run, model="smollm2-135m"):
        self.model, self.revision, self.name, self.problems = model, None, run.model, ()
        self.task, self.task_name = NamedTask(run.task), run.task


def test_presets_fill_the_form_and_light_up_where_it_holds_them():
    app = page("launch", model="smollm2-135m", task="math")
    assert not app.exception
    (preset,) = [group for group in app.segmented_control if group.key.startswith("preset")]
    assert preset.value == "standard"
    app.segmented_control(key="preset-standard").set_value("quick look").run()
    assert not app.exception
    assert (app.number_input(key="samples").value, app.number_input(key="max_length").value) == (8, 256)
    assert app.segmented_control(key="preset-quick look").value == "quick look"
    app.number_input(key="max_length").set_value(255).run()
    assert app.segmented_control(key="preset-None").value is None


def test_presets_of_a_comparison_say_how_long_each_takes():
    app = page("launch", kind="Comparison", model="smollm2-135m", task="math")
    labels = app.segmented_control(key="preset-standard").options
    assert [label.split(" · ")[0] for label in labels] == list(presets.COMPARISON)
    assert all(re.search(r" \d+ (min|h)", label) for label in labels)
    app.segmented_control(key="preset-standard").set_value("thorough").run()
    assert not app.exception
    assert app.text_input(key="rates").value == "3e-4, 1e-3, 3e-3, 1e-2"


def test_presets_hold_settings_that_are_allowed_and_the_standard_ones_are_the_defaults():
    for settings in presets.PROBE.values():
        ProbeConfig(**settings)
    for settings in presets.COMPARISON.values():
        config = SweepConfig(**settings)
        if settings is presets.COMPARISON["standard"]:
            assert config == SweepConfig()
    assert ProbeConfig(**presets.PROBE["standard"]) == ProbeConfig()


def test_what_an_address_asks_for_in_vain_is_said():
    app = page("launch", kind="Comparison", model="ref-llama", task="math", steps="seven", schedule="zigzag",
               methods="lora2", picked="model.layers.99.x", seeds="0", run_code="perhaps")  # fmt: skip
    assert not app.exception
    said = [caption.value for caption in app.caption if "Left out of the address" in caption.value]
    for name in ("seven", "zigzag", "lora2", "model.layers.99.x", "0", "perhaps"):
        assert any(name.replace("_", "\\_") in line for line in said), name
    assert "zigzag" in text(page("launch", kind="zigzag"))
    app = page("find", model="ref-llama", task="math", keep="nonsense", minutes="-3")
    said = text(app)
    assert "nonsense" in said and "-3" in said
