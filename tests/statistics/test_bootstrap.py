"""Bootstrap draws that are kept."""

import pytest

from domlora.statistics import bootstrap


def test_kept_draws_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        bootstrap.resample_weights(4, 10, 0)[0, 0] = 1
