"""What pages keep of the store: an answer is made anew when anything was written that it is made of."""

import pytest

from dashboard.find import queries as find_queries
from dashboard.shared import queries
from domlora.comparison.run import Evaluation
from domlora.energy.files import read
from domlora.paths import sample_data_path
from domlora.search.facts import FINAL
from domlora.store.store import Store
from tests.helpers.compared import fill
from tests.helpers.stored_searches import stored


@pytest.fixture(scope="module")
def energy():
    return read(sample_data_path() / "maps" / "smollm2-135m-math.parquet")


def evaluate_on_code(run) -> None:
    """As a sweep does it after its last variant has ended."""
    names = ["base", *(variant.name for variant in run.variants)]
    Store().runs.add_evaluations(run.id, [Evaluation(name, "code", (1.0,) * 4, (0.5,) * 4) for name in names])


def test_a_comparison_follows_evaluations_facts_and_warnings(energy):
    run = fill(energy, steps=20, ended=True)
    first = queries.comparison(run, None)
    assert queries.comparison(queries.run(run.id), None) is first, "nothing was written: nothing is computed"
    evaluate_on_code(run)
    second = queries.comparison(queries.run(run.id), None)
    assert set(first.forgetting["task"]) == {"chat"} and set(second.forgetting["task"]) == {"chat", "code"}
    Store().runs.set_facts(run.id, {"remarks": ["two rows are copies"]}, ["one seed says little"])
    third = queries.comparison(queries.run(run.id), None)
    assert third.run.facts["remarks"] and third.run.warnings == ("one seed says little",)


def test_the_answer_of_a_search_follows_what_its_finals_write_last(energy):
    race = stored(energy, judged=True)
    assert set(find_queries.answer(race).final.forgetting["task"]) == {"chat"}
    evaluate_on_code(queries.run(race.facts[FINAL]["run"]))
    assert set(find_queries.answer(race).final.forgetting["task"]) == {"chat", "code"}
