import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ml_platform.core.errors import EmptySampleError
from ml_platform.monitoring.significance import chi_square, ks_p_value, two_shares_p_value

COUNTS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), min_size=2, max_size=15)


@given(COUNTS)
def test_chi_square_equals_scipy(pairs):
    table = np.array(pairs).T
    if not table.sum(axis=1).all():
        with pytest.raises(EmptySampleError, match="rows on both sides"):
            chi_square(*table)
        return
    held = table[:, table.sum(axis=0) > 0]
    if held.shape[1] == 1:
        assert chi_square(*table) == (0.0, 1.0)
        return
    expected = stats.chi2_contingency(held, correction=False)
    assert chi_square(*table) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9, abs=1e-12)


@given(st.integers(1, 500), st.integers(1, 500), st.floats(0, 1), st.floats(0, 1))
def test_two_shares_equal_the_two_by_two_table(n, m, share_before, share_now):
    count, other = round(n * share_before), round(m * share_now)
    found = two_shares_p_value(count, n, other, m)
    if count + other in (0, n + m):
        assert found == 1
    else:
        table = [[count, n - count], [other, m - other]]
        assert found == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue, abs=1e-9)


def test_shares_of_no_rows_are_no_evidence():
    assert two_shares_p_value(0, 0, 5, 10) == 1


@pytest.mark.parametrize(("n", "m"), [(300, 300), (20_000, 900), (20_000, 6_300)])
@pytest.mark.parametrize("z", [0.6, 1.0, 1.36, 1.63, 2.2])
def test_ks_p_value_is_near_the_exact_one(n, m, z):
    statistic = z / np.sqrt(n * m / (n + m))
    expected = stats.kstwo.sf(statistic, round(n * m / (n + m)))
    assert ks_p_value(statistic, n, m) == pytest.approx(expected, rel=0.05, abs=1e-4)
