"""Overview: what is known of each model, three steps for newcomers, everything in one table that can be filtered."""

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.overview import queries as overview
from dashboard.shared import queries
from domlora.energy import files as energy_files
from domlora.paths import sample_data_path
from domlora.store.store import Store
from tests.helpers.compared import fill
from tests.helpers.pages import APP
from tests.helpers.stored_searches import race


@pytest.fixture
def energy():
    return energy_files.read(sample_data_path() / "maps" / "smollm2-135m-math.parquet")


def page() -> AppTest:
    return AppTest.from_file(str(APP), default_timeout=60).run()


def text_of(app: AppTest) -> str:
    return " ".join(element.value for element in (*app.markdown, *app.caption))


def test_each_shipped_model_has_a_card_with_its_map():
    app = page()
    assert not app.exception
    text = text_of(app)
    assert "**smollm2-135m**: layer 11 `down` leads in 3 of 4 maps" in text
    assert "**gemma3-270m**: layer 17" in text
    assert {button.key for button in app.button} >= {"find", "measure", "open-smollm2-135m", "train-smollm2-135m"}


def test_newcomers_are_told_the_three_steps_until_something_is_their_own(energy):
    assert "**1. Measure.**" in text_of(page())
    fill(energy, steps=20, ended=True)
    queries.forget_lists()
    assert "**1. Measure.**" not in text_of(page())


def test_a_card_says_what_training_found_and_where_page_stands_in_it(energy):
    fill(energy, steps=20, ended=True)
    text = text_of(page())
    assert "**Trained** on math, 20 steps: all-linear is best of 3 with" in text
    assert "PAGE's first module alone" in text


def test_the_table_lists_maps_comparisons_and_searches_newest_first(energy):
    fill(energy, steps=20, ended=True)
    Store().runs.start(race(energy))
    app = page()
    table = app.dataframe[0].value
    assert list(table["kind"][:2]) != ["energy map", "energy map"]
    assert set(table["kind"]) == {"comparison", "search", "energy map"}
    finding = table.loc[table["kind"] == "comparison", "finding"].iloc[0]
    assert finding.startswith("all-linear is best of 3: ")
    assert table["made"].str.endswith("(shipped)").sum() == 8
    app.multiselect(key="what").set_value(["search"]).run()
    assert list(app.dataframe[0].value["kind"]) == ["search"]


def test_the_table_is_filtered_by_words():
    app = page()
    app.text_input(key="filter").set_value("gemma MATH | smollm2 code").run()
    table = app.dataframe[0].value
    assert sorted(zip(table["model"], table["task"], strict=True)) == [
        ("gemma3-270m", "math"),
        ("smollm2-135m", "code"),
    ]
    app.text_input(key="filter").set_value("(a+)+$").run()
    assert not app.exception
    assert app.dataframe[0].value.empty


def test_what_is_not_finished_is_said_to_be(energy):
    fill(energy, steps=10, ended=False)
    (thing,) = [thing for thing in overview.things() if thing.what == overview.COMPARISON]
    assert thing.finding == "running, or ended early"
    assert thing.query == {"run": queries.run_label(queries.run_rows()[0])}


def test_a_name_of_a_model_is_text(energy, no_shipped_maps):
    name = "![x](http://example.org/x.png)"
    Store().maps.add(type(energy)(energy.modules, energy.provenance.model_copy(update={"model": name})))
    app = page()
    assert not app.exception
    assert not any("![x](" in element.value for element in app.markdown)
