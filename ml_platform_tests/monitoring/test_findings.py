from datetime import UTC, datetime

from ml_platform.monitoring.decision import Decision
from ml_platform.monitoring.findings import decision_text
from ml_platform.monitoring.incidents import Incident

NOW = datetime(2013, 12, 2, tzinfo=UTC)


def test_a_decision_in_words():
    decision = Decision("abc", True, ("drift: temp",), ("error: no", "age: no"), "2013-12-02", NOW)
    performance = {
        "task": "classification", "rows": 1200, "days": 3,
        "error": {"value": 0.2, "error": 0.01, "lower": 0.18, "upper": 0.22},
        "auc": {"value": 0.7, "error": None, "lower": None, "upper": None},
    }  # fmt: skip
    text = decision_text(decision, Incident("i1", "open", "2013-12-01", ("drift",)), performance)
    assert text.splitlines()[0] == "**Retrain with the rows before 2013-12-02** (decided after 2013-12-01, abc)"
    assert "Reasons:\n\n* drift: temp" in text
    assert "Why not:\n\n* error: no\n* age: no" in text
    assert "Incident i1: open, since 2013-12-01 (drift)." in text
    assert "1,200 rows of 3 days, error 20.0% (18.0% to 22.0%, days as clusters), AUC 0.700." in text


def test_no_retraining_in_words():
    assert decision_text(Decision("abc", False, (), ("quiet",), "2013-12-02", NOW), None, None).startswith("**No retraining**")
