import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from ml_platform.registry.pointer import (
    Judgement,
    decided_by_hand,
    from_rows,
    in_order,
    is_due,
    judgement_of,
    last_promotion,
    schema,
    to_arrow,
)
from ml_platform.registry.promotion import JudgedRows, PromotionDecision, decide_first

START = datetime(2013, 12, 1, tzinfo=UTC)


def judgement(day: int, version: int, verdict: str, champion: int | None) -> Judgement:
    reasons = json.dumps({"reasons": ["because"]})
    at = START + timedelta(days=day)
    return Judgement(at, f"2013-12-{day + 1:02d}", version, verdict, champion, 0.01, None, 0.02, reasons)


HISTORY = (
    judgement(0, 4, "refused", None),
    judgement(3, 9, "promoted", 9),
    judgement(7, 12, "refused", 9),
    judgement(9, 15, "held", 9),
)


def test_the_last_promotion_serves():
    assert last_promotion(()) is None
    assert last_promotion(HISTORY[:1]) is None
    assert last_promotion(HISTORY) == HISTORY[1]
    assert last_promotion((*HISTORY, judgement(10, 20, "promoted", 20))) == judgement(10, 20, "promoted", 20)


def test_a_history_survives_as_a_table():
    table = to_arrow(HISTORY[::-1])
    assert table.schema.equals(schema())
    assert from_rows(table.to_pylist()) == HISTORY
    assert from_rows(to_arrow(()).to_pylist()) == ()
    assert in_order(set(HISTORY)) == HISTORY


def test_a_row_of_before_a_baseline_could_serve_is_of_the_model():
    older = to_arrow(HISTORY).drop_columns(["role", "decided_by"]).to_pylist()
    assert from_rows(older) == HISTORY
    assert from_rows([{**row, "role": None, "decided_by": None} for row in older]) == HISTORY
    baseline = replace(HISTORY[1], role="baseline")
    assert from_rows(to_arrow([baseline]).to_pylist()) == (baseline,)


def test_only_models_that_are_newer_than_every_judged_one_are_due():
    assert is_due("2013-11-01", 2, ())
    assert not is_due("2013-12-10", 15, HISTORY)
    assert is_due("2013-12-10", 16, HISTORY)
    assert is_due("2013-12-11", 3, HISTORY)
    assert not is_due("2013-12-09", 99, HISTORY)


def test_a_person_decides_after_the_rules_even_at_the_same_moment():
    held = HISTORY[-1]
    approved = decided_by_hand(held, "promoted", by="Ada", reason="Two weeks are enough.", role="model", decided_at=held.decided_at)
    assert in_order([approved, *HISTORY]) == (*HISTORY, approved)
    assert from_rows(to_arrow([approved, *HISTORY]).to_pylist()) == (*HISTORY, approved)
    assert last_promotion((*HISTORY, approved)) == approved
    assert (approved.champion_version, approved.words) == (15, ("Approved by Ada: Two weeks are enough.", "because"))
    rejected = decided_by_hand(held, "refused", by="Ada", reason="No.", role="model", decided_at=held.decided_at)
    assert (rejected.champion_version, rejected.words[0]) == (9, "Rejected by Ada: No.")
    assert not is_due("2013-12-10", 15, (*HISTORY, approved))


def test_a_decision_becomes_a_row():
    held = PromotionDecision("held", "champion", None, ("Held: too few.",))
    row = judgement_of(held, decided_at=START, training_date="2013-12-01", model_version=7, champion_version=4)
    assert (row.verdict, row.champion_version, row.difference, row.lower, row.upper) == ("held", 4, None, None, None)
    assert row.words == ("Held: too few.",)

    rng = np.random.default_rng(0)
    labels = (rng.random(700) < 0.3).astype(float)
    rows = JudgedRows(labels, np.repeat(np.arange(14), 50), "classification")
    promoted = decide_first(rows, labels * 0.5 + rng.random(700) / 2, rng.random(700), np.full(700, 0.3))
    row = judgement_of(promoted, decided_at=START, training_date="2013-12-01", model_version=7, champion_version=None)
    assert (row.verdict, row.champion_version) == ("promoted", 7)
    assert promoted.comparison is not None
    assert (row.difference, row.lower, row.upper) == (
        promoted.comparison.difference, promoted.comparison.lower, promoted.comparison.upper,
    )  # fmt: skip
    assert json.loads(row.reasons)["comparisons"]["constant"]["clusters"] == 14
    assert row.role == "model"
    other = decide_first(rows, rng.random(700), labels * 0.5 + rng.random(700) / 2, np.full(700, 0.3))
    row = judgement_of(other, decided_at=START, training_date="2013-12-01", model_version=8, champion_version=None)
    assert (row.verdict, row.role) == ("promoted", "baseline")
