"""The verdicts on the paper's claims, on made-up maps whose truth is known."""

import json

import pytest

from domlora.cli.output import plain
from domlora.matrix.claims import NOT_ON_TASK, ON_ARCHITECTURE, SHALLOW_DOWN, claims
from domlora.matrix.matrix import Matrix
from tests.helpers.matrix_maps import around, make_map, peak

TASKS = ("instruction", "math", "code", "chat")


def verdicts(matrix: Matrix) -> dict[str, str]:
    return {claim.claim: claim.verdict for claim in claims(matrix)}


def matrix(places: dict[str, list[int]], *, height=5.0, spread=0.1, **facts) -> Matrix:
    """Models whose winner is the module at the given row on each task."""
    maps = [
        make_map(
            around(peak(at, 4, height=height), spread=spread, seed=7 * i + j), model, TASKS[j],
            architecture=facts.get("architecture", f"{model}ForCausalLM"),
        )
        for i, (model, rows) in enumerate(places.items())
        for j, at in enumerate(rows)
    ]  # fmt: skip
    return Matrix(maps)


def test_one_winner_on_all_tasks_and_another_per_architecture_support_both_claims():
    found = claims(matrix({"alpha": [6] * 4, "beta": [13] * 4, "gamma": [9] * 4}))
    assert [claim.verdict for claim in found[:2]] == ["supported", "supported"]
    assert "on 3 of 3 models one module leads on every task (alpha, beta and gamma)" in found[0].sentence
    assert "in 0% (95 % interval 0% to 0%) of 12 pairs" in found[1].sentence
    assert "100 (100 to 100) percentage points more" in found[1].sentence


def test_another_winner_per_task_contradicts_the_first_and_the_same_everywhere_the_second():
    assert verdicts(matrix({"alpha": [1, 2, 3, 4], "beta": [1, 2, 3, 4]}))[NOT_ON_TASK] == "contradicted"
    found = verdicts(matrix({"alpha": [6] * 4, "beta": [6] * 4}))
    assert (found[NOT_ON_TASK], found[ON_ARCHITECTURE]) == ("supported", "contradicted")


def test_models_that_differ_in_this_are_a_mixed_answer():
    (claim, *_) = claims(matrix({"alpha": [6] * 4, "beta": [1, 2, 3, 4]}))
    assert claim.verdict == "mixed"
    assert "on 1 of 2 models no module can lead on every task (beta)" in claim.sentence


def test_near_ties_decide_nothing():
    (claim, *_) = claims(matrix({"alpha": [6, 6, 5, 6]}, height=1.02, spread=0.5))
    assert claim.verdict == "undecided"


def test_what_was_not_measured_is_not_tested():
    assert set(verdicts(Matrix([])).values()) == {"not tested"}
    one_task = verdicts(matrix({"alpha": [6], "beta": [13]}))
    assert (one_task[NOT_ON_TASK], one_task[ON_ARCHITECTURE]) == ("not tested", "undecided")
    same_class = matrix({"alpha": [6] * 2, "beta": [13] * 2}, architecture="LlamaForCausalLM")
    assert verdicts(same_class)[ON_ARCHITECTURE] == "not tested"


@pytest.mark.parametrize(
    ("at", "height", "verdict"), [(6, 5000, "supported"), (27, 5000, "contradicted"), (6, 3, "contradicted")]
)
def test_a_shallow_down_projection_with_most_of_the_energy_is_what_the_paper_saw(at, height, verdict):
    assert verdicts(matrix({"alpha": [at, at]}, height=height))[SHALLOW_DOWN] == verdict


@pytest.mark.parametrize(("layer", "verdict"), [(2, "supported"), (3, "contradicted")])
def test_shallow_is_the_first_third_of_the_depth(layer, verdict):
    """The first block is at depth 0 and the last at 1: of eight blocks the third is at 2 / 7, the fourth at 3 / 7."""
    down = 7 * layer + 6
    maps = [make_map(around(peak(down, 8, height=5000)), task=task) for task in TASKS[:2]]
    claim = claims(Matrix(maps))[2]
    assert (claim.claim, claim.verdict) == (SHALLOW_DOWN, verdict)
    assert claim.numbers["down"] == 2


def test_claims_of_maps_without_single_samples_have_no_interval():
    maps = [make_map(peak(at, 2), model, task) for model, at in (("alpha", 6), ("beta", 3)) for task in TASKS[:2]]
    found = claims(Matrix(maps))
    assert found[0].verdict == "supported"
    assert "in 100% of 2 pairs" in found[0].sentence
    assert all("nan" not in claim.sentence for claim in found)


def test_claims_that_a_probe_cannot_speak_of_are_not_tested():
    def by(probe):
        maps = [make_map(around(peak(6, 2)), task=task, probe=probe) for task in TASKS]
        return verdicts(Matrix(maps))

    assert by("weight-norm")[NOT_ON_TASK] == "not tested"
    assert by("plop")[SHALLOW_DOWN] == "not tested"
    assert by("fisher")[NOT_ON_TASK] == "supported"


def test_every_claim_is_json():
    json.dumps(plain(claims(matrix({"alpha": [6, 6], "beta": [13, 13]}))), allow_nan=False)
