import numpy as np
import pytest

from ml_platform.core.errors import EmptySampleError
from ml_platform.models.trainers.task import task_of


def test_zeros_and_ones_are_classes_and_anything_else_is_a_number():
    assert task_of(np.array([0.0, 1.0, 1.0])) == "classification"
    assert task_of(np.array([0.0, 1.0, 2.0])) == "regression"
    assert task_of(np.array([0.5])) == "regression"


def test_labels_must_be_there():
    with pytest.raises(EmptySampleError, match="no labelled rows"):
        task_of(np.array([]))
    with pytest.raises(EmptySampleError, match="1 of 2 rows have no label"):
        task_of(np.array([np.nan, 1.0]))
