"""How long things will take, by what was measured: another size, other settings, another machine."""

import pytest

from dashboard.shared import estimates, queries
from domlora.comparison.config import SweepConfig
from domlora.energy.files import read
from domlora.paths import sample_data_path
from domlora.store.store import Store
from domlora.training.meter import passes_until
from tests.helpers.compared import fill
from tests.helpers.maps import make_map

FEW = SweepConfig(steps=20, validation_rows=8, test_rows=8, forgetting_rows=0, answers=0)


@pytest.fixture(scope="module")
def energy():
    return read(sample_data_path() / "maps" / "smollm2-135m-math.parquet")


def middle(found):
    return (found.low * found.high) ** 0.5


def test_a_comparison_takes_as_much_longer_as_it_has_more_to_do(energy):
    fill(energy, steps=20, ended=True)
    run = Store().runs.list()[0]
    same = estimates.of_sweep(run.model, run.task, run.config, len(run.variants))
    assert same.low < run.facts["seconds"] < same.high
    twice = estimates.of_sweep(run.model, run.task, run.config, 2 * len(run.variants))
    assert 1.8 < middle(twice) / middle(same) <= 2
    more_rows = run.config.model_copy(update={"validation_rows": 10 * run.config.validation_rows})
    assert middle(estimates.of_sweep(run.model, run.task, more_rows, len(run.variants))) > 1.3 * middle(same)
    other = estimates.of_sweep(run.model, "another task", run.config, len(run.variants))
    assert other.high / other.low > same.high / same.low


def test_passes_are_those_that_the_meter_counts():
    class Rows:
        validation, test = range(8), range(8)

    more = FEW.model_copy(update={"steps": 60})
    found = estimates._passes(more, 10) - estimates._passes(FEW, 10)
    counted = [passes_until(config, Rows, config.steps, config.steps) for config in (FEW, more)]
    assert found == 10 * (counted[1] - counted[0])


def test_without_a_comparison_a_row_is_cheaper_than_a_probed_one():
    Store().maps.add(make_map([1.0, 2.0], model="own", task="rows"))
    p = Store().maps.list()[0]
    seconds = estimates.energy(p.id).provenance.seconds / p.samples
    found = estimates.of_sweep("own", "rows", FEW, 10)
    trained = 10 * FEW.steps * FEW.rows_per_step
    assert found.high < 2 * seconds * trained
    assert "no comparison of this model yet" in found.sentence


def test_what_was_measured_elsewhere_tells_less():
    here = make_map([1.0, 2.0], model="smollm2-135m", task="math")
    away = estimates.of_probe("smollm2-135m", "math", 32, 512)
    assert "elsewhere" in away.basis and away.high / away.low > 4
    Store().maps.add(here)
    queries.forget_lists()
    near = estimates.of_probe("smollm2-135m", "math", 32, 512)
    assert near.high / near.low < 2
    assert estimates.of_probe("unheard of", "math", 32, 512) is None


def test_shorter_samples_take_less():
    whole, half = (estimates.of_probe("smollm2-135m", "chat", 32, length) for length in (512, 100))
    assert middle(half) == pytest.approx(middle(whole) * 100 / (6405 / 32), rel=1e-3)
