"""What the tests of reports share: a real map, a comparison and a search in the store."""

import pytest

from domlora.comparison.analysis import compare_run
from domlora.comparison.result import Comparison
from domlora.comparison.run import Run
from domlora.energy.files import read
from domlora.paths import sample_data_path
from domlora.store.store import Store


@pytest.fixture(scope="session")
def energy():
    return read(sample_data_path() / "maps" / "smollm2-135m-math.parquet")


@pytest.fixture
def compared():
    """The comparison of a run that is in the store."""

    def made(run: Run) -> Comparison:
        return compare_run(run, Store().runs.evaluations(run.id))

    return made
