"""Pages one at a time, with Streamlit's own test runner: no data, shipped data, a broken store."""

import pytest
from streamlit.testing.v1 import AppTest

from domlora.energy.files import read
from domlora.paths import sample_data_path
from domlora.store.store import Store
from tests.helpers.maps import make_map
from tests.helpers.pages import APP, typed


def page(name: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=30).run()
    return app if name == "overview" else app.switch_page(f"{name}/page.py").run()


@pytest.mark.parametrize("name", ["overview", "energy_map", "launch", "jobs"])
def test_page_works_on_first_start(name):
    assert not page(name).exception


@pytest.mark.parametrize("name", ["overview", "energy_map", "jobs"])
def test_empty_page_says_what_to_do(no_shipped_maps, name):
    app = page(name)
    assert not app.exception
    assert "o " in app.info[0].value


def test_energy_map_details_follow_the_chosen_module():
    app = page("energy_map")
    other = app.selectbox(key="module").options[5]
    app.selectbox(key="module").set_value(other).run()
    assert not app.exception
    assert app.metric[1].value.startswith("6 of")
    assert f'target_modules=[\n        "{other}",\n    ]' in " ".join(c.value for c in app.code)


def test_energy_map_keeps_working_when_another_model_is_chosen():
    app = page("energy_map")
    chosen = app.selectbox(key="map")
    other = next(option for option in chosen.options if option.split()[0] != chosen.value.split()[0])
    chosen.set_value(other).run()
    assert not app.exception
    assert app.title[0].value.startswith(other.split()[0])


def test_launch_names_what_is_wrong_and_does_not_start():
    app = page("launch")
    typed(app, "model", "/no/such/folder")
    app.number_input(key="samples").set_value(100_000).run()
    words = " ".join(e.value for e in app.error)
    assert "no model '/no/such/folder'" in words
    assert "100000 samples asked for" in words
    assert app.button(key="start").disabled


def test_store_that_cannot_be_opened_is_one_line(home):
    home.mkdir(parents=True)
    (home / "domlora.db").write_text("this is no database, but long enough to be read as one" * 40, encoding="utf-8")
    for name in ("overview", "energy_map", "jobs"):
        app = page(name)
        assert not app.exception
        assert len(app.error) == 1


def test_two_hundred_maps_are_listed(home):
    energy = read(next((sample_data_path() / "maps").glob("*.parquet")))
    store = Store()
    for i in range(200):
        provenance = energy.provenance.model_copy(update={"key": f"{i:064x}"[::-1], "model": f"model-{i}"})
        store.maps.add(type(energy)(energy.modules, provenance))
    app = page("overview")
    assert not app.exception
    assert "208 of 208. Click a row to open it." in [caption.value for caption in app.caption]


def test_a_rank_set_for_a_larger_module_is_lowered_for_a_smaller_one():
    app = page("energy_map")
    app.selectbox(key="module").set_value("model.layers.17.mlp.down_proj").run()
    app.number_input(key="rank").set_value(600).run()
    app.selectbox(key="module").set_value("model.layers.0.self_attn.v_proj").run()
    assert not app.exception
    assert app.number_input(key="rank").value == 256


def test_a_map_of_one_module_and_no_positions_has_a_page(no_shipped_maps):
    Store().maps.add(make_map([2.0]))
    app = page("energy_map")
    assert not app.exception
    assert "1 of 1" in [metric.value for metric in app.metric]
