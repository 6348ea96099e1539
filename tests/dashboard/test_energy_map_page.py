"""The Energy map page: choice of probe, difference of two maps, energy through training, cells picked for Launch."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.energy_map import charts, pick, tables
from dashboard.energy_map import words as map_words
from dashboard.shared import heatmap, words
from domlora.comparison.config import SweepConfig
from domlora.comparison.placements import place_for
from domlora.comparison.run import BASE, Run, Variant
from domlora.data.origin import TaskOrigin
from domlora.energy.energy_map import EnergyMap
from domlora.energy.files import read
from domlora.errors import UsageError
from domlora.models.origin import ModelOrigin
from domlora.paths import sample_data_path
from domlora.probes.config import ProbeConfig, Trained
from domlora.probes.registry import PROBES
from domlora.store.store import Store
from tests.helpers.maps import make_map
from tests.helpers.pages import page, text
from tests.helpers.ranked import stored_singles

TABS = ("Why here", "Ranking", "Difference", "Training", "Adapter", "Data and provenance")
STEPS = (0, 5, 10)
CONFIG = SweepConfig(placements=("dominant",), learning_rates=(1e-2,), seeds=1, steps=10, energy_every=5)


@pytest.fixture(scope="module")
def energy():
    return read(sample_data_path() / "maps" / "smollm2-135m-math.parquet")


def keep(energy: EnergyMap, key: str, **changes) -> EnergyMap:
    """The map under another key in the store, with changes of its provenance."""
    provenance = energy.provenance.model_copy(update={"key": key.ljust(64, "0"), **changes})
    kept = EnergyMap(energy.modules, provenance)
    Store().maps.add(kept)
    return kept


def peer(energy: EnergyMap, name: str, key: str) -> EnergyMap:
    """A map of another probe as it is stored: scores of its own, no token positions, no outputs."""
    table = energy.modules[["module", "stack", "layer", "kind", "in_features", "out_features"]].copy()
    table["energy"] = np.linspace(1, 3, len(table))
    provenance = energy.provenance.model_copy(
        update={"key": key.ljust(64, "0"), "config": ProbeConfig(probe=name), "created": "2026-01-01T00:00:00+00:00"}
    )
    kept = EnergyMap(table, provenance)
    Store().maps.add(kept)
    return kept


def label(energy: EnergyMap) -> str:
    return f"{energy.provenance.model} on {energy.provenance.task} ({energy.id})"


def opened(energy: EnergyMap | None = None, **query: str) -> AppTest:
    app = page("energy_map", **({"map": label(energy)} if energy else {}), **query)
    assert not app.exception
    return app


def trained_run(energy: EnergyMap) -> Run:
    """A run that measured its energies: layer 3's down projection takes over in its last step."""
    store, p = Store(), energy.provenance
    placements = tuple(place_for(energy, CONFIG))
    variant = Variant("dominant lr=0.01 seed=0", "dominant", "lora", 1e-2, 0, 100, 1)
    run = store.runs.start(
        Run(
            id="ab", key="ab" * 32, model=p.model, model_source=p.model_source, model_revision=p.model_revision,
            task=p.task, task_source=p.task_source, task_hash=p.task_hash, config=CONFIG, placements=placements,
            created=datetime.now(UTC), variants=(variant,),
        )
    )  # fmt: skip
    for step in STEPS:
        table = energy.modules.copy()
        if step == STEPS[-1]:
            table.loc[table["module"] == "model.layers.3.mlp.down_proj", "energy"] = table["energy"].sum()
        trained = Trained(run=run.id, variant=variant.name if step else BASE, step=step)
        keep(EnergyMap(table, p), f"c{step}", trained=trained)
    return run


# Choice of probe


@pytest.mark.parametrize("name", [name for name in PROBES if name != "page"])
@pytest.mark.parametrize("tab", TABS)
def test_a_map_of_any_probe_has_a_page(energy, name, tab):
    app = opened(peer(energy, name, "a1"), tab=tab)
    assert not app.error
    assert app.selectbox(key="probe").value == name
    assert PROBES[name].formula in " ".join(caption.value for caption in app.caption)


def test_plop_prefers_the_lowest_score_and_says_so(energy):
    plop = peer(energy, "plop", "a1")
    app = opened(plop)
    first = plop.modules["module"].iloc[0]  # the lowest score
    assert app.selectbox(key="module").value == first
    assert f'"{first}"' in " ".join(code.value for code in app.code)
    assert "where it is **low**" in " ".join(caption.value for caption in app.caption)
    assert app.segmented_control(key="measure").options == ["score"]
    metrics = {metric.label: metric.value for metric in app.metric}
    assert metrics["Score"] == "1"
    assert not any("Share" in name for name in metrics)


def test_page_comes_first_and_the_newest_peer_changes_nothing(energy):
    peer(energy, "fisher", "a1")
    app = opened()
    assert app.selectbox(key="probe").value == "page"
    assert "(a1" not in app.selectbox(key="map").value


def test_another_probe_shows_its_map_of_the_same_model_and_task(energy):
    peer(read(sample_data_path() / "maps" / "gemma3-270m-chat.parquet"), "fisher", "a1")
    wanted = peer(energy, "fisher", "a2")
    peer(read(sample_data_path() / "maps" / "smollm2-135m-chat.parquet"), "fisher", "a3")
    app = opened(energy)
    app.selectbox(key="probe").set_value("fisher").run()
    assert not app.exception
    assert app.selectbox(key="map").value == label(wanted)
    app.selectbox(key="probe").set_value("page").run()
    assert app.selectbox(key="map").value == label(energy)


def test_a_link_that_names_only_a_probe_opens_its_newest_map(energy):
    wanted = peer(energy, "fisher", "a2")
    app = opened(probe="Fisher")
    assert (app.selectbox(key="probe").value, app.selectbox(key="map").value) == ("fisher", label(wanted))


def test_a_colour_that_the_probe_does_not_have_is_left(energy):
    plop = peer(energy, "plop", "a1")
    app = opened(energy, measure="energy per parameter")
    assert app.segmented_control(key="measure").value == "energy_per_parameter"
    app = opened(plop, measure="energy per parameter")
    assert app.segmented_control(key="measure").value == "energy"


def test_bright_is_where_the_probe_would_put_an_adapter(energy):
    for name in ("plop", "fisher"):
        figure = heatmap.heatmap(peer(energy, name, "a1"), "decoder", "energy", log=False)
        assert bool(figure.data[0].reversescale) == (PROBES[name].prefers == "low")
        assert PROBES[name].title in figure.layout.title.text


def test_command_of_a_peer_names_its_probe(energy):
    assert "--probe plop" in map_words.repeat_command(peer(energy, "plop", "a1"))
    assert "--probe" not in map_words.repeat_command(energy)


def test_experts_have_bars_where_the_map_has_them():
    table = make_map([1, 2]).modules.assign(expert_energies=[np.array([1.0, 3.0]), np.zeros(0)])
    energy = EnergyMap(table, make_map([1, 2]).provenance)
    figure = charts.experts(energy, table["module"].iloc[0])
    assert list(figure.data[0].y) == [0.25, 0.75]
    assert "Expert 1 has 75%" in figure.layout.title.text
    Store().maps.add(energy)
    for module in table["module"]:
        opened(energy, module=module)


# Difference


def test_difference_is_first_minus_second_in_shares():
    one, two = make_map([1, 6, 3]), make_map([2, 2, 4], task="code", key="l" * 64)
    found = tables.difference(one, two)
    assert list(found.table["difference"]) == pytest.approx([0.1 - 0.25, 0.6 - 0.25, 0.3 - 0.5])
    assert found.rho == pytest.approx(pd.Series([1, 6, 3]).corr(pd.Series([2, 2, 4]), method="spearman"))
    told = tables.difference_words(found, one, two)
    assert told.startswith("Layer 1 down leads in math, layer 2 down in code; ")
    assert "More in math: layer 1 down (35.0 points)." in told
    assert "More in code: layer 2 down (20.0 points), layer 0 down (15.0 points)." in told
    figure = charts.difference(found, "decoder", ("math", "code"))
    scale = figure.data[0]
    assert (scale.zmid, scale.zmin, scale.zmax) == (0, pytest.approx(-0.35), pytest.approx(0.35))
    assert "math: 60.00%<br>code: 25.00%<br>difference +35.00 points" in figure.data[1].hovertext[1]


def test_difference_of_a_map_to_itself_is_none():
    energy = make_map([1, 6, 3])
    found = tables.difference(energy, energy)
    assert found.rho == pytest.approx(1)
    assert "leads in both" in tables.difference_words(found, energy, energy)
    assert "No module differs" in tables.difference_words(found, energy, energy)


def test_modules_that_one_map_lacks_are_left_out_and_counted():
    one, two = make_map([1, 6, 3]), make_map([1, 6], task="code", key="l" * 64)
    found = tables.difference(one, two)
    assert (len(found.table), found.only_first, found.only_second) == (2, 1, 0)
    assert "1 modules are in math alone" in tables.difference_words(found, one, two)


def test_scores_without_a_common_unit_are_not_subtracted():
    one = make_map([1, 6, 3])
    two = make_map([1, 6, 3], config=ProbeConfig(probe="plop"), key="l" * 64)
    with pytest.raises(UsageError, match="PAGE and PLoP have no common unit"):
        tables.difference(one, two)
    assert not tables.difference(two, two).shares


def test_difference_tab_compares_with_another_task_of_the_model(energy):
    app = opened(energy, tab="Difference")
    options = app.selectbox(key="other").options
    assert all(option.startswith("smollm2-135m") for option in options[:3])
    assert label(energy) not in options
    assert "Spearman" in text(app)
    assert set(app.dataframe[-1].value.columns) >= {"module", "difference"} or len(app.dataframe) > 1


# Through training


def test_training_tab_without_any_measurement_leads_to_launch(energy):
    app = opened(energy, tab="Training")
    assert any("--energy-every" in info.value for info in app.info)


def test_training_tab_shows_each_step_on_one_scale(energy):
    trained_run(energy)
    app = opened(energy, tab="Training")
    assert app.select_slider(key="step").options == ["0", "5", "10"]
    assert "At step 10 layer 3 down leads with 5" in text(app)
    assert "before training it was layer 11 down" in text(app)
    app.select_slider(key="step").set_value(0).run()
    assert not app.exception
    assert "Before training layer 11 down leads" in text(app)
    app.toggle(key="change").set_value(True).run()
    assert not app.exception


def test_a_step_in_the_link_opens_there(energy):
    trained_run(energy)
    app = opened(energy, tab="Training", step="5")
    assert app.select_slider(key="step").value == 5
    assert "At step 5 layer 11 down leads" in text(app)


def table_through_training() -> pd.DataFrame:
    rows = []
    for step, energies in ((0, [1, 6, 3]), (5, [8, 1, 1])):
        energy = make_map(energies)
        rows.append(energy.modules.assign(step=step, share=energy.shares))
    return pd.concat(rows, ignore_index=True)


def test_all_steps_share_one_scale_and_play_in_order():
    table = table_through_training()
    figures = [charts.training_map(table, "decoder", step, change=False, log=False) for step in (0, 5)]
    for figure in figures:
        assert {(frame.data[0].zmin, frame.data[0].zmax) for frame in figure.frames} == {(0, 0.8)}
        assert (figure.data[0].zmin, figure.data[0].zmax) == (0, 0.8)
        assert [frame.name for frame in figure.frames] == ["0", "5"]
    assert list(figures[1].data[0].z[0]) == pytest.approx([0.8, 0.1, 0.1])
    assert list(figures[1].frames[0].data[0].z[0]) == pytest.approx([0.1, 0.6, 0.3])
    change = charts.training_map(table, "decoder", 5, change=True, log=False)
    assert list(change.data[0].z[0]) == pytest.approx([0.7, -0.5, -0.2])
    assert (change.data[0].zmin, change.data[0].zmax) == (pytest.approx(-0.7), pytest.approx(0.7))
    log = charts.training_map(table, "decoder", 5, change=False, log=True)
    assert list(log.data[0].z[0]) == pytest.approx(np.log10([0.8, 0.1, 0.1]))


def test_lines_show_the_strongest_modules_of_any_step():
    table = table_through_training()
    drawn = tables.strongest(table, 2)
    assert drawn == ["model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj"]
    figure = charts.training_lines(table, drawn, 5)
    assert list(figure.data[0].x) == [0, 5]
    assert list(figure.data[0].y) == pytest.approx([0.1, 0.8])


def test_maps_of_training_are_in_no_list_of_maps(energy):
    trained_run(energy)
    options = opened(energy).selectbox(key="map").options
    assert len(options) == len(list((sample_data_path() / "maps").glob("*.parquet")))


# What training achieved


def test_nothing_was_achieved_where_no_single_module_was_trained(energy):
    assert opened(energy).toggle(key="achieved").disabled


def test_what_single_modules_achieved_is_shown_where_some_were_trained(energy):
    run = stored_singles(energy)
    trained = [placement.modules[0].module for placement in run.placements]
    app = opened(energy, achieved="true", module=trained[0])
    assert "**Trained alone** it lowers the loss by" in text(app)
    assert "30 modules, each trained alone for 7 steps and judged on 40 test rows" in text(app)
    other = next(module for module in energy.modules["module"] if module not in trained)
    app.selectbox(key="module").set_value(other).run()
    assert "It was not trained alone." in text(app)
    another = read(sample_data_path() / "maps" / "smollm2-135m-chat.parquet")
    assert opened(another, achieved="true").toggle(key="achieved").disabled, "it was another task"


# Placements over the map


def test_placements_over_the_map_may_be_typed_and_what_is_wrong_is_said(energy):
    app = opened(energy, over=["dominant", "down@3", "top-k:no"])
    assert app.multiselect(key="over").value == ["dominant", "down@3", "top-k:no"]
    assert "'no' is no count" in text(app)
    assert not app.error


# Links


def test_a_map_is_found_by_its_id_and_a_link_keeps_all_else(energy):
    app = page("energy_map", map=energy.id, cells=PICKED, pick="true", log="true")
    assert not app.exception
    assert app.selectbox(key="map").value == label(energy)
    assert app.multiselect(key="cells").value == PICKED
    assert app.segmented_control(key="scale").value == "log"


def test_another_map_is_never_shown_for_one_that_is_not_there(energy):
    app = page("energy_map", map="smollm2-135m on math (ffffffffffff)")
    assert not app.exception
    assert "There is no energy map" in text(app)
    assert not app.selectbox(key="instead").value
    assert not app.get("plotly_chart")
    app.selectbox(key="instead").set_value(label(energy)).run()
    assert app.selectbox(key="map").value == label(energy)


def test_who_looks_at_the_strongest_module_does_so_on_the_next_map_too(energy):
    other = read(sample_data_path() / "maps" / "gemma3-270m-code.parquet")
    app = opened(energy)
    app.selectbox(key="map").set_value(label(other)).run()
    assert app.selectbox(key="module").value == other.dominant["module"]
    shared = next(m for m in energy.table["module"].iloc[1:] if m in set(other.modules["module"]))
    app.selectbox(key="module").set_value(shared).run()
    app.selectbox(key="map").set_value(label(energy)).run()
    assert app.selectbox(key="module").value == shared, "it was chosen, and exists there"


# Picking cells


PICKED = ["model.layers.3.self_attn.q_proj", "model.layers.11.mlp.down_proj"]


def test_picked_modules_open_launch_as_one_placement(energy):
    query = pick.launch_query(energy, PICKED, singly=False)
    assert query["picked"] == PICKED, "in forward order"
    assert (query["kind"], query["model"], query["task"]) == ("Comparison", "smollm2-135m", "math")
    assert "dominant" in query["placements"]
    alone = pick.launch_query(energy, PICKED[1:], singly=False)
    assert "dominant" not in alone["placements"], "it is the same placement"


def test_picked_modules_open_launch_each_by_itself(energy):
    query = pick.launch_query(energy, PICKED, singly=True)
    assert (query["picked"], query["each"]) == (PICKED, "true")
    assert not query["placements"], "nothing is trained that was not picked"


def test_a_kind_that_is_twice_in_a_layer_is_named_in_full():
    energy = make_map([1, 2, 3])
    energy.modules["layer"] = [0, 0, 1]
    names = list(energy.modules["module"])
    assert [words.single_name(energy, name) for name in names] == [f"module:{names[0]}", f"module:{names[1]}", "down@1"]


def test_launch_of_a_folder_and_a_file_names_both():
    energy = make_map(
        [1, 2], model="tiny", model_source="folder /models/tiny", task="rows", task_source="/d/rows.jsonl"
    )
    query = pick.subject_query(energy.provenance)
    assert query == {
        "kind": "Comparison", "model": "another one", "own_model": "/models/tiny", "task": "another one",
        "own_task": "/d/rows.jsonl",
    }  # fmt: skip


def test_a_gguf_and_a_file_are_measured_again_by_their_whole_paths():
    energy = make_map(
        [1, 2], model="tiny", model_source="GGUF tiny.gguf, de-quantised", task="rows", task_source="rows.jsonl",
        model_origin=ModelOrigin(kind="gguf", place="/models/tiny.gguf", sha256="00"),
        task_origin=TaskOrigin(kind="file", place="/data/my rows.jsonl", format="messages"),
    )  # fmt: skip
    command = map_words.repeat_command(energy)
    assert command.startswith("domlora probe /models/tiny.gguf --task '/data/my rows.jsonl' --samples")
    query = pick.subject_query(energy.provenance)
    assert (query["own_model"], query["own_task"]) == ("/models/tiny.gguf", "/data/my rows.jsonl")


def test_a_task_is_asked_for_again_as_its_rows_were_read():
    origin = TaskOrigin(kind="file", place="/d/rows.jsonl", columns={"a": "prompt", "b": "completion"}, system="drop")
    energy = make_map([1, 2], model="ref-llama", task="rows", task_origin=origin)
    named = "--task /d/rows.jsonl --columns a=prompt,b=completion --system drop --samples"
    assert named in map_words.repeat_command(energy)
    query = pick.subject_query(energy.provenance)
    assert (query["columns"], query["system"]) == ("a=prompt,b=completion", "drop")


@pytest.mark.parametrize("singly", [False, True])
def test_what_launch_gets_is_what_it_would_train(energy, singly):
    app = page("launch", **pick.launch_query(energy, PICKED, singly=singly))
    assert not app.exception
    assert not app.error
    placed = list(app.dataframe[0].value["placement"])
    assert placed == (
        ["q@3", "down@11"] if singly else ["dominant", "all-linear", "layers.3.self_attn.q_proj and 1 more"]
    )


def test_picks_show_as_chips_and_those_of_another_model_are_dropped(energy):
    app = opened(energy, pick="true", cells=PICKED)
    assert app.multiselect(key="cells").value == PICKED
    other = next(option for option in app.selectbox(key="map").options if option.startswith("gemma3"))
    app.selectbox(key="map").set_value(other).run()
    assert not app.exception
    assert set(app.multiselect(key="cells").value) <= set(app.multiselect(key="cells").options)


def test_launch_offers_energy_maps_and_says_when_they_read_too_much():
    app = page("launch", kind="Comparison", task="math", energy_every="20")
    assert not app.exception
    app.number_input(key="energy_samples").set_value(10**6).run()
    assert any("Energy maps of 1000000 samples" in error.value for error in app.error)
