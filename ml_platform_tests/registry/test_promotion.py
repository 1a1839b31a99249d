import json

import numpy as np
import pytest

from ml_platform.models.figures.clustered import clustered_error
from ml_platform.models.figures.ranking import auc_influence
from ml_platform.registry.promotion import JudgedRows, decide, decide_first, decide_leaky


def days_of_rows(rng: np.random.Generator, days: int = 28, rows: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return days, the true log-odds and labels; rows of one day share their luck."""
    day = np.repeat(np.arange(days), rows)
    signal = rng.normal(size=day.size) + rng.normal(0, 0.8, days)[day]
    return day, signal, (rng.random(day.size) < 1 / (1 + np.exp(-signal))).astype(float)


def model_of(rng: np.random.Generator, signal: np.ndarray, day: np.ndarray, error: float) -> np.ndarray:
    """Return probabilities that miss the truth by something of their own per row, and something that a whole day shares."""
    days = int(day.max()) + 1
    wrong = rng.normal(0, error, day.size) + rng.normal(0, 0.7 * error, days)[day] * np.sign(signal)
    return 1 / (1 + np.exp(-(signal + wrong) / (1 + error**2)))


def judged(day: np.ndarray, labels: np.ndarray, **slices: np.ndarray) -> JudgedRows:
    return JudgedRows(labels, day, "classification", slices)


@pytest.mark.slow
def test_equal_models_are_rarely_promoted():
    # A/A: both models are drawn alike, so every promotion is a false one; of 400 at 5 % one standard error is 1.1 points.
    rng = np.random.default_rng(0)
    beyond_zero = beyond_margin = 0
    for _ in range(400):
        day, signal, labels = days_of_rows(rng)
        challenger, champion = (model_of(rng, signal, day, 0.6) for _ in range(2))
        decision = decide(judged(day, labels), challenger, champion, margin=0.0)
        assert decision.comparison is not None
        beyond_zero += decision.comparison.lower > 0
        beyond_margin += decision.comparison.lower > 0.002
    assert 0.01 <= beyond_zero / 400 <= 0.08
    assert beyond_margin < beyond_zero


def test_the_same_trials_by_rows_instead_of_days_would_promote_far_too_often():
    # What the clusters are for: DeLong's test takes each row for an observation of its own.
    rng = np.random.default_rng(0)
    by_rows = 0
    for _ in range(100):
        day, signal, labels = days_of_rows(rng)
        challenger, champion = (model_of(rng, signal, day, 0.6) for _ in range(2))
        (first, a), (second, b) = auc_influence(labels, challenger), auc_influence(labels, champion)
        by_rows += (first - second) / clustered_error(a - b, np.arange(labels.size)) > 1.645
    assert by_rows / 100 > 0.12


def test_a_better_model_is_promoted():
    rng = np.random.default_rng(1)
    verdicts = []
    for _ in range(20):
        day, signal, labels = days_of_rows(rng)
        decision = decide(judged(day, labels), model_of(rng, signal, day, 0.4), model_of(rng, signal, day, 1.2), margin=0.002)
        verdicts.append(decision.verdict)
    assert verdicts.count("promoted") >= 18


def test_a_worse_model_is_refused_with_its_figures():
    rng = np.random.default_rng(2)
    day, signal, labels = days_of_rows(rng)
    decision = decide(judged(day, labels), model_of(rng, signal, day, 1.5), model_of(rng, signal, day, 0.3), margin=0.002)
    assert decision.verdict == "refused"
    assert decision.reasons[0].startswith("Against the champion on 3,360 untouched rows: AUC 0.")
    assert "the lower bound must be above +0.0020: not better beyond chance" in decision.reasons[0]
    assert "they fit less well" in decision.reasons[1]


def test_a_better_order_with_worse_probabilities_is_refused():
    rng = np.random.default_rng(3)
    day, signal, labels = days_of_rows(rng)
    good, poor = model_of(rng, signal, day, 0.3), model_of(rng, signal, day, 1.5)
    decision = decide(judged(day, labels), good**8, poor, margin=0.002)
    assert decision.comparison is not None
    assert decision.comparison.lower > 0.002
    assert decision.verdict == "refused"
    assert "they fit less well" in decision.reasons[1]


def test_proven_harm_to_a_part_blocks():
    rng = np.random.default_rng(4)
    day, signal, labels = days_of_rows(rng, rows=200)
    airport = rng.choice(np.array(["EWR", "JFK", "LGA"], dtype=object), day.size, p=[0.45, 0.45, 0.1])
    challenger, champion = model_of(rng, signal, day, 0.2), model_of(rng, signal, day, 1.5)
    harmed = np.where(airport == "LGA", 1 - challenger, challenger)
    assert decide(judged(day, labels, origin=airport), challenger, champion, margin=0.002).verdict == "promoted"
    decision = decide(judged(day, labels, origin=airport), harmed, champion, margin=0.002)
    assert decision.verdict == "refused"
    assert [finding.value for finding in decision.slices if finding.finding == "harmed"] == ["LGA"]
    assert any(reason.startswith("Blocked: worse beyond chance for origin LGA") for reason in decision.reasons)


@pytest.mark.parametrize(("days", "step"), [(9, 2), (13, 1)])
def test_too_few_days_are_held(days, step):
    rng = np.random.default_rng(5)
    day, signal, labels = days_of_rows(rng, days=days)
    scores = model_of(rng, signal, day, 0.2)
    decision = decide(judged(day * step, labels), scores, 1 - scores, margin=0.002)
    assert (decision.verdict, decision.comparison) == ("held", None)
    assert (
        f"untouched rows of {days} days over {(days - 1) * step + 1} days, a judgement needs 10, over at least 14 days"
        in decision.reasons[0]
    )


def test_no_rows_are_held():
    nothing = np.array([])
    assert decide(judged(nothing, nothing), nothing, nothing, margin=0.0).verdict == "held"
    assert decide_first(judged(nothing, nothing), nothing, nothing, nothing).verdict == "held"


def test_a_model_against_itself_is_refused():
    rng = np.random.default_rng(6)
    day, signal, labels = days_of_rows(rng)
    scores = model_of(rng, signal, day, 0.5)
    assert decide(judged(day, labels), scores, scores, margin=0.0).verdict == "refused"


def test_the_first_champion_must_beat_the_constant():
    rng = np.random.default_rng(7)
    day, signal, labels = days_of_rows(rng, days=14)
    good, poor, constant = model_of(rng, signal, day, 0.3), model_of(rng, signal, day, 1.0), np.full(day.size, 0.4)
    rows = judged(day, labels)
    first = decide_first(rows, good, poor, constant)
    assert first.verdict == "promoted"
    assert set(first.comparisons) == {"constant", "baseline"}
    assert first.role == "model"
    worthless = decide_first(rows, rng.random(day.size), rng.random(day.size), constant)
    assert worthless.verdict == "refused"
    assert worthless.reasons[-1] == "So nothing serves yet: neither of the two is known to be worth more than the constant."
    assert decide_first(rows, poor, poor, constant, same_kind=True).role == "model"


def test_where_the_baseline_is_no_worse_it_becomes_the_first_champion():
    rng = np.random.default_rng(7)
    day, signal, labels = days_of_rows(rng, days=14)
    good, poor, constant = model_of(rng, signal, day, 0.3), model_of(rng, signal, day, 1.0), np.full(day.size, 0.4)
    rows = judged(day, labels)
    decision = decide_first(rows, poor, good, constant)
    assert (decision.verdict, decision.role, decision.against) == ("promoted", "baseline", "constant")
    # The figures that decided are the baseline's, by the stricter bound of a second candidate.
    auc = decide_first(rows, good, poor, constant).comparison
    found = decision.comparison
    assert auc is not None
    assert found is not None
    assert found.challenger == auc.challenger
    assert (found.confidence, auc.confidence) == (0.975, 0.95)
    assert found.lower < auc.lower
    assert decision.reasons[1].endswith("the baseline contends: it is no worse, and simpler.")
    assert decision.reasons[2].startswith("The baseline against the constant on 1,680 untouched rows")
    assert "one-sided 97.5 % bounds" in decision.reasons[2]
    assert decide_first(rows, poor, poor, constant).role == "baseline"


def test_a_baseline_that_clears_only_the_bound_of_a_first_candidate_is_refused():
    # Few noisy days: the difference is above zero by 95 %, not by 97.5 %.
    rng = np.random.default_rng(0)
    for _ in range(200):
        day, signal, labels = days_of_rows(rng, days=4, rows=60)
        weak = model_of(rng, signal, day, 3.0)
        decision = decide_first(judged(day, labels), 1 - weak, weak, np.full(day.size, 0.4))
        found = decision.comparison
        assert found is not None
        if decision.role == "baseline" and found.lower <= 0 < found.with_confidence(0.95).lower:
            assert decision.verdict == "refused"
            break
    else:
        raise AssertionError("no trial fell between the two bounds")


def test_a_later_baseline_takes_the_place_of_a_champion_that_it_beats():
    rng = np.random.default_rng(1)
    day, signal, labels = days_of_rows(rng)
    good, worse, old = (model_of(rng, signal, day, error) for error in (0.3, 0.9, 1.5))
    rows = judged(day, labels)
    decision = decide(rows, worse, old, margin=0.002, baseline=good)
    assert (decision.verdict, decision.role) == ("promoted", "baseline")
    assert decision.comparison is not None
    assert decision.comparison.confidence == 0.975
    assert decision.comparison.challenger == decide(rows, good, old, margin=0.002).comparison.challenger  # type: ignore[union-attr]
    assert set(decision.comparisons) == {"champion", "baseline", "champion, log-loss"}
    assert decide(rows, good, old, margin=0.002, baseline=worse).role == "model"
    assert decide(rows, worse, old, margin=0.002, baseline=worse, same_kind=True).role == "model"
    assert decide(rows, worse, good, margin=0.002, baseline=old).verdict == "refused"


def test_leakage_refuses_whatever_the_figures():
    decision = decide_leaky(["arr_delay alone predicts the label.", "tailnum is missing."])
    assert (decision.verdict, decision.against, decision.comparison) == ("refused", "leakage", None)
    assert decision.reasons[0].startswith("Refused for leakage: ")
    assert "  - arr_delay alone predicts the label.\n  - tailnum is missing." in decision.reasons[0]


def test_numbers_are_judged_by_their_squared_errors():
    rng = np.random.default_rng(8)
    day = np.repeat(np.arange(28), 50)
    labels = rng.normal(size=day.size)
    good, poor = labels + rng.normal(0, 0.5, day.size), labels + rng.normal(0, 0.8, day.size)
    rows = JudgedRows(labels, day, "regression")
    decision = decide(rows, good, poor, margin=0.05)
    assert decision.verdict == "promoted"
    assert decision.comparison is not None
    assert decision.comparison.difference == pytest.approx(0.64 - 0.25, abs=0.03)
    assert decide(rows, good, poor, margin=0.7).verdict == "refused"
    assert decide_first(rows, good, poor, np.zeros(day.size)).verdict == "promoted"


def test_a_decision_is_plain_values():
    rng = np.random.default_rng(9)
    day, signal, labels = days_of_rows(rng)
    airport = np.where(signal > 0, "JFK", "LGA").astype(object)
    decision = decide(judged(day, labels, origin=airport), model_of(rng, signal, day, 0.3), model_of(rng, signal, day, 1.0), margin=0.0)
    plain = json.loads(json.dumps(decision.to_mapping(), allow_nan=False))
    assert plain["verdict"] == decision.verdict
    assert set(plain["comparisons"]) == {"champion", "champion, log-loss"}
    assert {part["value"] for part in plain["slices"]} == {"JFK", "LGA"}
