import numpy as np
from scipy import stats

from ml_platform.models.trainers.encoding import ModelFeature
from ml_platform.selection.clusters import cluster_features, rank_correlation
from ml_platform.selection.sample import Sample


def made(columns: dict[str, np.ndarray]) -> Sample:
    matrix = np.column_stack(list(columns.values()))
    return Sample(
        matrix, tuple(ModelFeature(name, "Float64") for name in columns), np.zeros(len(matrix)), np.zeros(len(matrix)), "regression"
    )


def test_correlations_are_those_of_scipy():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(300, 4))
    matrix[:, 1] += matrix[:, 0]
    matrix[:, 2] = np.round(matrix[:, 2])
    np.testing.assert_allclose(rank_correlation(matrix), stats.spearmanr(matrix).statistic, atol=1e-12)


def test_copies_stand_under_the_better_ranked_feature():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 500))
    sample = made({"a": a, "b": b, "copy": np.exp(a), "mirror": -a, "half": a + b})
    found = cluster_features(sample, [2, 0, 1, 3, 4])
    assert {name: membership.leader for name, membership in found.items()} == {
        "copy": "copy", "a": "copy", "b": "b", "mirror": "copy", "half": "half",
    }  # fmt: skip
    assert found["mirror"].correlation > 0.999
    assert found["b"].correlation == 1.0


def test_chains_of_half_copies_do_not_grow():
    steps = np.random.default_rng(0).normal(size=(4, 2_000))
    chain = [steps[0], steps[0] + 0.45 * steps[1]]
    chain.append(chain[1] + 0.45 * steps[2])
    sample = made({f"x{n}": column for n, column in enumerate(chain)})
    assert rank_correlation(sample.matrix)[1, 2] >= 0.9 > rank_correlation(sample.matrix)[0, 2]
    assert [cluster_features(sample, [0, 1, 2])[f"x{n}"].leader for n in range(3)] == ["x0", "x0", "x2"]


def test_missing_values_and_constants_copy_nothing():
    rng = np.random.default_rng(0)
    a = rng.normal(size=500)
    holes = np.where(rng.random(500) < 0.02, np.nan, a)
    found = cluster_features(made({"a": a, "holes": holes, "same": np.ones(500), "empty": np.full(500, np.nan)}), [0, 1, 2, 3])
    assert {name: membership.leader for name, membership in found.items()} == {"a": "a", "holes": "a", "same": "same", "empty": "empty"}
