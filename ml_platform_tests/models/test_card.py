import json
from dataclasses import replace

import numpy as np

from ml_platform.models.card import Card, CardFeature, CardSource, CardSplit, metric_rows, write_card
from ml_platform.models.figures.evaluation import evaluate

RNG = np.random.default_rng(0)
LABELS, DAYS = (RNG.random(400) < 0.3).astype(float), np.repeat(np.arange(10), 40)
MODEL = evaluate(LABELS, np.clip(0.3 * LABELS + 0.4 * RNG.random(400), 0, 1), DAYS, "classification")
CONSTANT = evaluate(LABELS, np.full(400, 0.3), DAYS, "classification")
CARD = Card(
    problem="late_arrival",
    description="Will the flight land late?",
    label="`max(arr_delay) > 15` over the rows of `arrivals`",
    training_date="2013-12-01",
    trainer="lightgbm",
    baseline="logistic",
    splits=(CardSplit("train", 1200, "2013-04-05 10:00", "2013-10-01 23:59", 0.2512),),
    features=(
        CardFeature("carrier", "carrier of schedule | as known", 0.1, 0.25),
        CardFeature("origin_late_share_7d", "Share late", 0.9, 0.75),
    ),
    candidates=150,
    model=MODEL,
    against={"baseline": CONSTANT, "constant": CONSTANT},
    timeless=("planes",),
    made_from=(
        CardSource("flights/tables/arrivals", 240, "2013-04-05", "2013-11-30", 190_000),
        CardSource("flights/tables/planes", 1, None, None, 3322),
    ),
    limits=("It knows rows from 2013-04-05 to 2013-11-29 only.",),
)


def test_the_card_tells_what_a_reader_asks():
    text = write_card(CARD)
    auc = MODEL.metrics["auc"]
    assert text.startswith("# late_arrival: lightgbm of 2013-12-01\n\nWill the flight land late?\n")
    assert f"| AUC | {auc.value:.4f} [{auc.lower:.4f}, {auc.upper:.4f}] | 0.5000 [0.5000, 0.5000] |" in text
    assert "| metric | lightgbm | logistic (baseline) | constant |" in text
    assert "| train | 1,200 | 2013-04-05 10:00 | 2013-10-01 23:59 | 0.2512 |" in text
    assert "clustered by the 10 days of the 400 test rows" in text
    assert "## Features: 2 of 150" in text
    assert "| feature | importance | in logistic | what it is |" in text
    assert text.index("`origin_late_share_7d` | 90.0% | 75.0%") < text.index("`carrier` | 10.0% | 25.0% | carrier of schedule / as known")
    assert "The lightgbm model contends for the champion's place." in text
    assert "| flights/tables/arrivals | 240 | 2013-04-05 to 2013-11-30 | 190,000 |" in text
    assert "declared timeless): planes." in text
    assert "- It knows rows from 2013-04-05 to 2013-11-29 only." in text


def test_what_is_not_there_leaves_no_empty_heading():
    text = write_card(replace(CARD, description="", limits=(), timeless=(), features=(), made_from=()))
    assert "## Limits" not in text
    assert "Features: 0 of 150\n\nNone." in text
    assert "every value was available before" in text
    assert "\n\n\n" not in text


def test_the_card_says_which_of_the_two_contends():
    text = write_card(replace(CARD, contender="baseline"))
    assert "The logistic baseline is no worse on these rows, and simpler: it contends for the champion's place." in text
    assert replace(CARD, contender="baseline").to_mapping()["contender"] == "baseline"


def test_figures_without_interval_stand_alone():
    one_day = evaluate(LABELS, np.full(400, 0.3), DAYS * 0, "classification")
    rows = {row["metric"]: row["model"] for row in metric_rows({"model": one_day})}
    assert rows["AUC"] == "0.5000"
    assert rows["calibration error"].count(".") == 1


def test_the_mapping_is_json():
    plain = json.loads(json.dumps(CARD.to_mapping(), allow_nan=False))
    assert plain["model"]["task"] == "classification"
    assert plain["features"][0] == {
        "name": "carrier",
        "sentence": "carrier of schedule | as known",
        "importance": 0.1,
        "baseline_importance": 0.25,
    }
    assert set(plain["against"]) == {"baseline", "constant"}


def test_the_card_says_what_it_was_made_with_if_that_is_known():
    environment = {"python": "3.11.2", "packages": {"polars": "2.1.0"}, "git": {"commit": "a" * 40, "dirty": True}, "seed": 0}
    text = write_card(replace(CARD, environment=environment))
    assert (
        "## Made with\n\n| what | was |\n|---|---|\n| python | 3.11.2 |\n| polars | 2.1.0 |\n| git commit | aaaaaaaaaaaa with changes |"
        in text
    )
    assert replace(CARD, environment=environment).to_mapping()["environment"] == environment
    assert "## Made with" not in write_card(CARD)
    assert "git commit" not in write_card(replace(CARD, environment={"python": "3.11.2", "git": None}))
