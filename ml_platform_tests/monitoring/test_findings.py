from datetime import UTC, datetime

import numpy as np
import pytest

from ml_platform.monitoring.decision import Decision
from ml_platform.monitoring.findings import decision_text, score_figure
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


def test_scores_are_shares_over_common_bins():
    figure = score_figure(np.array([0.1, 0.2, np.nan]), np.array([0.9, 0.9]), bins=4)
    assert figure["edges"] == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    assert figure["reference"] == [1, 0, 0, 0]
    assert figure["current"] == [0, 0, 0, 1]
    assert score_figure(np.array([np.nan]), np.array([0.9]))["edges"] == []
