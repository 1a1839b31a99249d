import base64
import io
import math

import pytest
from PIL import Image

from ml_platform.components.plots import draw
from ml_platform.core.errors import MlPlatformError
from ml_platform.pipeline.outcome import Plot

DATA = {
    "importance": {"features": [f"origin_dest_arr_delay_mean_{i}d" for i in range(40)], "values": [1 / (i + 1) for i in range(40)]},
    "calibration": {"predicted": [0.05, 0.2, 0.6], "observed": [0.04, 0.21, 0.66], "rows": [4000, 2000, 100]},
    "roc": {"false_positive_rate": [0, 0.1, 0.4, 1], "true_positive_rate": [0, 0.4, 0.8, 1], "auc": 0.77},
    "size_curve": {"sizes": [8, 15, 30, 60], "auc": [0.74, 0.758, 0.77, 0.775], "chosen": 30, "baseline": 0.7747},
    "curves": {
        "curves": [
            {"name": name, "auc": auc, "false_positive_rate": [0, 0.2, 1], "true_positive_rate": [0, auc, 1]}
            for name, auc in (("lightgbm", 0.77), ("logistic", 0.7), ("constant", 0.5))
        ]
    },
    "quality": {"sizes": [8, 15], "quality": [0.7, 0.8], "error": [0.01, None], "chosen": 15, "before_noise": 12},
    "drift": {
        "columns": [f"a_column_with_quite_a_long_name_that_goes_on_and_on_{i}" for i in range(70)] + ["_score"],
        "effects": [i / 10 for i in range(70)] + [40.0],
        "drifted": [i > 10 for i in range(71)],
        "importance": [1 / 70] * 70 + [None],
    },
    "scores": {"edges": [i / 20 for i in range(21)], "reference": [0.05] * 20, "current": [(20 - i) / 210 for i in range(20)]},
    "rejected": {"partitions": [f"day {i}" for i in range(365)], "rows": [900] * 365, "rejected": [i % 7 for i in range(365)]},
}
HOLES = {
    "importance": {"features": ["a", "b"], "values": [0, None]},
    "calibration": {"predicted": [0.1, None], "observed": [math.nan, 0.2], "rows": [0, None]},
    "roc": {"false_positive_rate": [0, 1], "true_positive_rate": [0, 1], "auc": None},
    "size_curve": {"sizes": [8], "auc": [math.nan], "chosen": 30, "baseline": None},
    "drift": {"columns": ["a"], "effects": [math.inf], "drifted": [True], "importance": [None]},
    "scores": {"edges": [0, 1], "reference": [1.0], "current": [None]},
    "rejected": {"partitions": [None], "rows": [0], "rejected": [0]},
}

# The second form of a kind.
KINDS = {"curves": "roc", "quality": "size_curve"}


def plot(name, data):
    return Plot(KINDS.get(name, name), data)


def image(markdown):
    assert markdown.startswith("![")
    content = base64.b64decode(markdown.split("data:image/png;base64,")[1].removesuffix(")"))
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture, content


@pytest.mark.parametrize("kind", DATA)
def test_every_kind_is_a_small_image_with_something_on_it(kind):
    picture, content = image(draw(plot(kind, DATA[kind])))
    assert picture.width > 600
    assert len(content) < 30_000
    colours = picture.convert("RGB").getcolors()
    assert colours is not None
    assert len(colours) > 5
    # Its own light background, so that it can be read whatever the page's is.
    assert min(max(colours)[1]) > 240


@pytest.mark.parametrize("kind", HOLES)
def test_missing_values_are_left_out(kind):
    image(draw(Plot(kind, HOLES[kind])))


@pytest.mark.parametrize("kind", DATA)
def test_without_data_there_is_a_sentence(kind):
    empty = {key: [] if isinstance(value, list) else value for key, value in DATA[kind].items()}
    assert draw(plot(kind, empty)).startswith("_No data")


def test_the_same_data_is_the_same_image():
    assert draw(Plot("roc", DATA["roc"])) == draw(Plot("roc", DATA["roc"]))


def test_an_unknown_kind_and_a_missing_key_are_named():
    with pytest.raises(MlPlatformError, match=r"No plot is called 'driftt'.*Did you mean 'drift'") as raised:
        draw(Plot("driftt", {}))
    assert "scores" in str(raised.value)
    with pytest.raises(
        MlPlatformError, match="needs curves, or false_positive_rate, true_positive_rate, auc; its data has false_positive_rate, true"
    ):
        draw(Plot("roc", {"false_positive_rate": [0], "true_positive_rate": [0]}))
