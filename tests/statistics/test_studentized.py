"""The table of quantiles against scipy's integration, and against Student's t for two groups."""

import numpy as np
import pytest
from scipy import stats

from domlora.statistics.studentized import all_pairs_quantile


@pytest.mark.parametrize("groups", [2, 3, 12, 37])
def test_quantiles_are_those_of_the_studentized_range(groups):
    freedom = np.array([1.0, 1.7, 3.0, 11.4, 60.0])
    expected = [stats.studentized_range.ppf(0.95, groups, nu) / np.sqrt(2) for nu in freedom]
    assert all_pairs_quantile(groups, freedom) == pytest.approx(expected, rel=1e-3)


def test_two_groups_are_students_t():
    freedom = np.array([1.0, 2.5, 9.0, 1e9])
    assert all_pairs_quantile(2, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-3)
    assert all_pairs_quantile(2, np.array([np.inf]), 0.9) == pytest.approx(stats.norm.ppf(0.95), rel=1e-3)
