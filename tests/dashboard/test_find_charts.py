"""The chart of a race and the map under it: no entry is lost, who leads keeps its colour, no name is over another."""

import numpy as np
import pytest

from dashboard.find import charts, tables
from dashboard.shared.figures import COLOURS
from domlora.energy.files import read
from domlora.paths import sample_data_path
from domlora.search.answer import make_answer
from tests.helpers import stored_searches as searches


@pytest.fixture(scope="module")
def energy():
    return read(sample_data_path() / "maps" / "smollm2-135m-math.parquet")


@pytest.fixture(scope="module")
def answer(energy):
    return make_answer(searches.race(energy), None)


@pytest.fixture(scope="module")
def points(answer):
    return tables.points(answer.race, answer.rungs)


@pytest.fixture(scope="module")
def figure(answer, points):
    return charts.tournament(points, tables.palette(answer), "who leads", to_come=[32])


def trace(figure, name):
    return next(one for one in figure.data if one.name and one.name.startswith(name))


def drawn(figure):
    """All points that have a loss, over all traces, with what is said of them."""
    return [(x, y, text) for one in figure.data for x, y, text in zip(one.x, one.y, one.hovertext, strict=True)
            if x is not None]  # fmt: skip


def test_every_entry_has_a_point_for_the_start_and_for_each_rung_that_it_finished(points):
    found = points.groupby("entry")["rung"].apply(list).to_dict()
    assert found["qv lr=0.01"] == [0, 1, 2]
    assert found["mlp lr=0.01"] == [0, 1]
    assert searches.JOINED.name not in found  # it diverged before the end of its first rung
    assert set(points[points["rung"] == 0]["loss"]) == {searches.BASE}


def test_before_the_first_rung_there_is_no_point_and_no_failure(energy):
    race = searches.race(energy, done=0)
    points = tables.points(race, ())
    assert points.empty
    assert not charts.tournament(points, {}, "none yet", to_come=[8]).data


def test_every_point_is_drawn_once_and_says_in_words_what_became_of_it(points, figure):
    assert len(drawn(figure)) == len(points)
    text = next(text for x, _, text in drawn(figure) if x == 1 and "mlp</b> at a learning rate of 0.01<" in text)
    assert "validation loss 2.300 at step 8, the end of rung 1" in text
    assert "falls out for want of time" in text
    assert any("goes on, as it cannot be told apart" in text for _, _, text in drawn(figure))


def test_who_falls_out_ends_in_a_cross_and_who_stays_does_not(figure):
    out = trace(figure, "fell out")
    ends = [i for i in range(len(out.x) - 1) if out.x[i + 1] is None]
    assert [out.marker.symbol[i] for i in ends] == ["x"] * 5
    assert "x" not in trace(figure, "qv").marker.symbol
    assert out.opacity < 0.5 < trace(figure, "qv").opacity


def test_a_loss_above_the_base_model_lies_at_the_edge_and_is_told_as_it_is(figure):
    top = figure.layout.yaxis.range[1]
    assert searches.BASE < top < 3
    assert next(y for _, y, text in drawn(figure) if "9.000" in text) < top
    assert "1 of them above the upper edge" in trace(figure, "fell out").name


def test_rungs_stand_at_equal_distances_with_their_steps(figure):
    assert list(figure.layout.xaxis.ticktext) == ["start", "8", "16", "32"]
    assert [shape.x0 for shape in figure.layout.shapes] == [1, 2, 3]


def test_a_leader_keeps_its_colour_when_another_overtakes_it(energy):
    both = [tables.palette(make_answer(searches.race(energy, done=done), None)) for done in (1, 2)]
    assert both[0]["all-linear"] == both[1]["all-linear"] == COLOURS[0]
    assert both[0]["qv"] == both[1]["qv"]
    assert set(both[1]) == {"qv", "all-linear", "dominant"}
    assert len(set(both[1].values())) == 3


def test_leaders_are_named_at_the_end_of_their_best_line(figure, answer):
    labels = {label.text: label for label in figure.layout.annotations}
    assert set(labels) == {"qv lr=0.01", "all-linear lr=0.01", "dominant lr=0.01"}
    assert labels["qv lr=0.01"].font.color == tables.palette(answer)["qv"]


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.1, 5.0, 5.01], [-0.2, 0.3]])
def test_names_are_moved_apart_in_their_order_and_no_further_than_needed(values):
    moved = charts.spread(np.array(values), 0.5, 0.0)
    assert np.all(np.diff(moved) >= 0.5 * (1 - 1e-5))
    assert moved[0] >= 0
    far = np.array([1.0, 3.0, 7.0])
    assert np.array_equal(charts.spread(far, 0.5, 0.0), far)
    assert len(charts.spread(np.array([]), 0.5, 0.0)) == 0


def test_candidates_still_in_the_race_are_those_with_an_entry_that_goes_on(answer):
    assert tables.placements_left(answer.race, answer.rungs) == ["dominant", "qv", "all-linear"]
    assert tables.steps_to_come(answer.race, answer.rungs) == [32]


def test_lit_cells_have_full_colour_and_all_others_are_dim(energy):
    modules = [energy.dominant["module"]]
    figure = charts.lit_map(energy, energy.dominant["stack"], modules, modules, "#123456", "where")
    lit, dim = (one for one in figure.data if one.type == "heatmap")
    assert np.isfinite(np.asarray(lit.z, dtype=float)).sum() == 1
    assert np.nanmax(np.asarray(lit.z, dtype=float)) == pytest.approx(energy.dominant["share"])
    assert np.isfinite(np.asarray(dim.z, dtype=float)).sum() == len(energy.modules)
    assert dim.opacity < 0.3
    assert (lit.zmin, lit.zmax) == (dim.zmin, dim.zmax)
    assert [shape.line.color for shape in figure.layout.shapes] == ["#123456"]


def test_a_placement_of_half_of_all_modules_lights_nothing():
    assert charts.narrow({"one": ["a"], "half": ["a", "b"], "all": ["a", "b", "c", "d"]}, 4) == {"one": ["a"]}
