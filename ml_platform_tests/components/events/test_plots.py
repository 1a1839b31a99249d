import math
import re
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from ml_platform.components.events.plots import draw
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
    "classes": {
        "classes": [f"a class with quite a long name {i}" for i in range(60)],
        "reference": [1 / 60] * 60,
        "current": [i / 1830 for i in range(60)],
    },
    "bands": {
        "at": [str(i) for i in range(90)],
        "along": "rows by tenth, from the lowest to the highest median",
        "shown": "2024-02-29",
        "reference": {end: [1e6 * (i % 7 + n) for i in range(90)] for n, end in enumerate(("low", "middle", "high"))},
        "current": {end: [1e6 * (i % 5 + n) for i in range(90)] for n, end in enumerate(("low", "middle", "high"))},
    },
    "confusion": {
        "classes": [f"a class with quite a long name {i}" for i in range(12)],
        "counts": [[90 if i == j else 10 * ((i + j) % 3) for j in range(12)] for i in range(12)],
    },
    "rejected": {"partitions": [f"day {i}" for i in range(365)], "rows": [900] * 365, "rejected": [i % 7 for i in range(365)]},
}
HOLES = {
    "importance": {"features": ["a", "b"], "values": [0, None]},
    "calibration": {"predicted": [0.1, None], "observed": [math.nan, 0.2], "rows": [0, None]},
    "roc": {"false_positive_rate": [0, 1], "true_positive_rate": [0, 1], "auc": None},
    "size_curve": {"sizes": [8], "auc": [math.nan], "chosen": 30, "baseline": None},
    "drift": {"columns": ["a"], "effects": [math.inf], "drifted": [True], "importance": [None]},
    "scores": {"edges": [0, 1], "reference": [1.0], "current": [None]},
    "classes": {"classes": ["a", "b"], "reference": [1.0, None], "current": [None, None]},
    "bands": {
        "at": ["1", "2"],
        "reference": {"low": [None, 1.0], "middle": [None, 2.0], "high": [None, math.inf]},
        "current": {"low": [None, None], "middle": [1.0, None], "high": [None, None]},
    },
    "confusion": {"classes": ["a", "b"], "counts": [[0, 0], [1, 0]]},
    "rejected": {"partitions": [None], "rows": [0], "rejected": [0]},
}

SVG = "{http://www.w3.org/2000/svg}"
# The second form of a kind.
KINDS = {"curves": "roc", "quality": "size_curve"}


def plot(name, data):
    return Plot(KINDS.get(name, name), data)


def picture(markdown):
    """Read the SVG out of a Markdown image, as a browser does."""
    assert len(markdown) < 1000, "the UI of Dagster hides longer Markdown behind a link"
    address = re.fullmatch(r"!\[[a-z ]+\]\(<data:image/svg\+xml,([^<>\n]*)>\)", markdown)
    assert address is not None
    return ElementTree.fromstring(unquote(address[1]))  # noqa: S314 - it is our own


def words(svg):
    return [element.text for element in svg.iter(f"{SVG}text")]


def numbers(svg):
    """Return the numbers of the paths' absolute steps."""
    return [float(n) for path in svg.iter(f"{SVG}path") for n in re.findall(r"-?\d+", path.get("d"))]


@pytest.mark.parametrize("kind", DATA)
def test_every_kind_is_shown_in_place_with_something_on_it(kind):
    svg = picture(draw(plot(kind, DATA[kind])))
    assert sum(len(path.get("d")) for path in svg.iter(f"{SVG}path")) > 20
    assert "background:white" in svg.get("style"), "its own background, so that it can be read whatever the page's is"
    _, _, width, height = map(float, svg.get("viewBox").split())
    assert -height <= min(numbers(svg))
    assert max(numbers(svg)) <= max(width, height)


@pytest.mark.parametrize("kind", HOLES)
def test_missing_values_are_left_out(kind):
    assert not {"nan", "inf", "None"} & set(re.findall(r"[A-Za-z]+", draw(Plot(kind, HOLES[kind]))))
    picture(draw(Plot(kind, HOLES[kind])))


def test_bars_are_as_long_as_the_shares_they_stand_for():
    svg = picture(draw(Plot("importance", {"features": ["b", "a", "<&>"], "values": [1, 2, 1]})))
    assert words(svg) == ["Importance", "a 50%", "b 25%", "<&> 25%"]
    (path,) = svg.iter(f"{SVG}path")
    assert re.findall(r"h(\d+)", path.get("d")) == ["140", "70", "70"]


def test_what_drifted_stands_first_and_is_orange():
    data = {"columns": ["a", "b", "c"], "effects": [0.5, 2.0, 30.0], "drifted": [False, True, True], "importance": [0.5, 0.1, 0.4]}
    svg = picture(draw(Plot("drift", data)))
    assert words(svg) == ["Drift: 2 of 3 columns; the line is what matters", "c 40%", "b 10%", "a 50%"]
    drawn = {path.get("stroke"): path.get("d") for path in svg.iter(f"{SVG}path")}
    # 140 units stand for six times the size that matters: more is cut there.
    assert drawn["chocolate"] == "M200 22h140M200 34h47"
    assert drawn["royalblue"] == "M200 46h12"
    assert drawn["black"].startswith("M223 ")


def test_a_curve_goes_through_its_points():
    svg = picture(draw(Plot("roc", DATA["roc"])))
    assert words(svg)[0] == "ROC, area 0.770"
    curve = next(path for path in svg.iter(f"{SVG}path") if path.get("stroke") == "royalblue")
    assert curve.get("d") == "M30 130L61 85 154 40 340 18"


def test_many_days_are_put_together_and_no_row_is_lost():
    svg = picture(draw(Plot("rejected", DATA["rejected"])))
    assert words(svg)[0] == f"Rejected: {sum(DATA['rejected']['rejected']):,} rows of {365 * 900:,} delivered"
    assert words(svg)[-2:] == ["day 0", "day 364"]


def test_the_longest_names_still_fit():
    names = [f"{'origin_dest_carrier_arrival_delay' * 3}_{n}" for n in range(60)]
    svg = picture(draw(Plot("importance", {"features": names, "values": [1] * 60})))
    assert len(words(svg)) > 6


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
