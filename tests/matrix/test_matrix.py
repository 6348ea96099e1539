"""Architectures × tasks: which map is in which cell, where its winner sits, and how sure the winner is."""

import numpy as np
import pytest

from domlora.data.remarks import Remark
from domlora.errors import ProbeError
from domlora.matrix.matrix import Matrix, cells
from domlora.matrix.resampling import draw, resampled, scores
from domlora.matrix.winners import same_winner, winner_sentence, winners
from tests.helpers.maps import make_map as one_map
from tests.helpers.matrix_maps import around, make_map, peak

DOWN = 6  # row of layer 0's down-projection


def two_by_two() -> Matrix:
    return Matrix(
        [
            make_map(around(peak(DOWN, 2)), "alpha", "math"),
            make_map(around(peak(DOWN, 2)), "alpha", "code"),
            make_map(around(peak(3, 3)), "beta", "code"),
        ]
    )


def test_rows_and_columns_come_in_order_of_appearance_and_the_rest_is_missing():
    matrix = two_by_two()
    assert matrix.models == ("alpha", "beta")
    assert matrix.tasks == ("math", "code")
    assert matrix.missing == [("beta", "math")]
    assert matrix.get("beta", "math") is None
    assert [(model, task) for model, task, _ in matrix.present] == [
        ("alpha", "math"),
        ("alpha", "code"),
        ("beta", "code"),
    ]


def test_given_order_and_names_without_a_map_are_kept():
    matrix = Matrix(two_by_two().maps, models=("gamma", "beta"), tasks=("chat", "code"))
    assert matrix.models == ("gamma", "beta", "alpha")
    assert matrix.tasks == ("chat", "code", "math")
    assert ("gamma", "chat") in matrix.missing


def test_the_newest_of_several_maps_counts_whatever_their_order():
    old, new = (make_map(peak(at, 2), created=f"202{at}-01-01T00:00:00+00:00") for at in (1, 2))
    for maps in ([old, new], [new, old]):
        assert Matrix(maps).get("alpha", "math") is new


def test_maps_of_two_probes_are_refused_and_differences_in_settings_named():
    page, fisher = make_map(peak(0, 2)), make_map(peak(0, 2), task="code", probe="fisher")
    with pytest.raises(ProbeError, match=r"one probe.*page, fisher: choose one"):
        Matrix([page, fisher])
    more = make_map(peak(0, 2), task="code", samples=8, reduction="mean_gradient", model_revision="other")
    notes = "; ".join(Matrix([page, more]).differences)
    assert "reduction: per_sample in 1, mean_gradient in 1 of 2" in notes
    assert "2 revisions" in notes
    assert not two_by_two().differences


def test_cells_hold_every_module_once_with_its_relative_depth():
    matrix = two_by_two()
    table = cells(matrix)
    assert len(table) == 14 + 14 + 21
    assert list(table.columns) == [
        "model",
        "task",
        "stack",
        "layer",
        "depth",
        "kind",
        "module",
        "energy",
        "share",
        "rank",
    ]
    beta = table[table["model"] == "beta"]
    assert list(beta.groupby("layer")["depth"].first()) == [0, 0.5, 1]
    for (model, task), part in table.groupby(["model", "task"]):
        assert part["share"].sum() == pytest.approx(1)
        assert sorted(part["rank"]) == list(range(1, len(part) + 1))
        assert part.loc[part["rank"] == 1, "module"].item() == matrix.get(model, task).dominant["module"]
    assert list(cells(Matrix([])).columns) == list(table.columns)


def test_winners_say_what_each_map_says():
    matrix = two_by_two()
    for row in winners(matrix).itertuples():
        energy = matrix.get(row.model, row.task)
        best = energy.dominant
        assert (row.module, row.layer, row.kind) == (best["module"], best["layer"], best["kind"])
        assert row.share == pytest.approx(best["share"])
        assert row.low < row.share < row.high
        assert row.runner_up == energy.table.iloc[1]["module"]
        assert row.lead == pytest.approx(energy.lead)
        assert row.frequency == 1
        assert row.could_lead == 1


def test_a_probe_that_prefers_low_scores_wins_with_the_lowest():
    means = np.ones(14)
    means[[3, 9]] = 0.1, 0.2
    matrix = Matrix([make_map(around(means, spread=0.01), probe="plop")])
    (row,) = winners(matrix).to_dict("records")
    assert row["module"] == "layers.0.o" == matrix.get("alpha", "math").dominant["module"]
    assert row["lead"] == pytest.approx(matrix.get("alpha", "math").lead)
    assert matrix.could_lead("alpha", "math") == {"layers.0.o"}


def test_a_map_without_single_samples_has_a_winner_but_no_interval():
    matrix = Matrix([make_map(peak(2, 2), samples=8)])
    (row,) = winners(matrix).to_dict("records")
    assert row["module"] == "layers.0.v"
    assert np.isnan(row["low"])
    assert np.isnan(row["frequency"])
    assert draw(matrix.get("alpha", "math")) is None


def test_resampling_per_sample_energies_is_a_weighted_mean():
    each = around(peak(0, 2), samples=5)
    counts = np.array([[5, 0, 0, 0, 0], [1, 1, 1, 1, 1], [0, 2, 0, 3, 0]])
    found = resampled(make_map(each), counts)
    for row, count in zip(found, counts, strict=True):
        rows = np.repeat(np.arange(5), count)
        np.testing.assert_allclose(row, each[rows].mean(axis=0))


def test_resampling_a_mean_gradient_matches_gradients_averaged_in_a_loop():
    gradients = np.random.default_rng(0).normal(size=(7, 4, 10))  # (modules, samples, entries)
    kernels = np.einsum("mie,mje->mij", gradients, gradients)
    energy = make_map((gradients.mean(axis=1) ** 2).sum(axis=1), kernels=kernels, samples=4, reduction="mean_gradient")
    np.testing.assert_allclose(resampled(energy, np.ones((1, 4)))[0], scores(energy))
    (found,) = resampled(energy, np.array([[0, 3, 1, 0]]))
    for module, value in enumerate(found):
        mean = (3 * gradients[module, 1] + gradients[module, 2]) / 4
        assert value == pytest.approx((mean**2).sum())


def test_models_on_the_same_rows_are_resampled_alike_and_tasks_independently():
    one, other = make_map(around(peak(0, 2)), "alpha"), make_map(around(peak(3, 3)), "beta")
    np.testing.assert_array_equal(draw(one).counts, draw(other).counts)
    for unlike in ({"task": "code"}, {"seed": 1}, {"dropped": 1}):
        assert (draw(make_map(around(peak(0, 2)), **unlike)).counts != draw(one).counts).any()


def test_who_could_lead_holds_a_near_tie_and_not_the_rest():
    means = np.ones(14)
    means[[2, 5]] = 5.0, 4.9
    assert Matrix([make_map(around(means, spread=0.2))]).could_lead("alpha", "math") == {"layers.0.v", "layers.0.up"}


def test_the_sentence_counts_tasks_and_says_how_sure_that_is():
    def matrix(*winners_at, spread=0.1):
        tasks = ("instruction", "math", "code", "chat")
        maps = [make_map(around(peak(at, 2), spread=spread, seed=i), task=tasks[i]) for i, at in enumerate(winners_at)]
        return Matrix(maps, models=("alpha", "beta"))

    sure = winner_sentence(matrix(6, 6, 6, 6), "alpha")
    assert sure.startswith(
        "alpha: layers.0.down leads on all 4 tasks; one and the same module leads on all of them in 100%"
    )
    most = winner_sentence(matrix(6, 2, 6, 6), "alpha")
    assert most.startswith("alpha: layers.0.down leads on 3 of 4 tasks (layers.0.v on math); ")
    assert "in 0% (95 % interval 0% to " in most  # to what so few samples allow
    assert "another module leads on each of 2 tasks" in winner_sentence(matrix(1, 2), "alpha")
    assert winner_sentence(matrix(1), "alpha") == "alpha: layers.0.k leads on instruction, the one task measured."
    assert winner_sentence(matrix(1), "beta") == "beta: not measured on any of these tasks."


def test_one_winner_on_all_tasks_is_as_sure_as_counting_in_a_loop_says():
    means = np.ones(14)
    means[[0, 1]] = 2.0, 1.9
    matrix = Matrix([make_map(around(means, spread=0.3, seed=i), task=task) for i, task in enumerate(("math", "code"))])
    found = same_winner(matrix, "alpha")
    first, second = (matrix.draws("alpha", task) for task in ("math", "code"))
    agreed = [a.argmax() == b.argmax() for a, b in zip(first.scores, second.scores, strict=True)]
    assert found.value == pytest.approx(np.mean(agreed))
    assert 0 < found.low < found.value < found.high < 1


def test_what_of_the_rows_is_not_used_is_said_once_a_task():
    lost = Remark("row", "with label false left out", 2, 3, lost=True)
    hidden = Remark("thought", "that the chat template does not show", 1, 1, lost=False)
    made = [
        one_map([1, 2], model="a", task="own", remarks=(lost, hidden)),
        one_map([1, 2], model="b", task="own", remarks=(lost,)),
        one_map([1, 2], model="a", task="math"),
    ]
    assert Matrix(made).remarks == [
        "own: 2 rows with label false left out (such as row 3)",
        "own for a: 1 thought that the chat template does not show (row 1)",
    ]
