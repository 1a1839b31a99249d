import numpy as np

from ml_platform.selection.probes import features_before_noise, is_probe, plant_probes
from ml_platform.testing.selectors import names_of, train_sample


def test_probes_are_real_columns_in_another_order():
    sample = train_sample()
    planted = plant_probes(sample, seed=4)
    real = len(sample.features)
    assert names_of(planted)[:real] == names_of(sample)
    assert [is_probe(name) for name in names_of(planted)] == [False] * real + [True] * 20
    np.testing.assert_array_equal(planted.matrix[:, :real], sample.matrix)
    np.testing.assert_array_equal(planted.labels, sample.labels)
    columns = [np.sort(sample.matrix[:, n]) for n in range(real)]
    for probe in range(real, real + 20):
        column = planted.matrix[:, probe]
        assert any(np.array_equal(np.sort(column), other, equal_nan=True) for other in columns)
        assert not any(np.array_equal(column, sample.matrix[:, n], equal_nan=True) for n in range(real))


def test_the_same_seed_plants_the_same_probes():
    sample = train_sample()
    np.testing.assert_array_equal(plant_probes(sample, 1).matrix, plant_probes(sample, 1).matrix)


def test_noise_begins_at_the_first_probe():
    assert features_before_noise(["a", "b", "_probe_03", "c"]) == 2
    assert features_before_noise(["_probe_00"]) == 0
    assert features_before_noise(["a", "b"]) is None
