"""Progress of runs: what is made now is told, and what says nothing of itself is told of all the same."""

from __future__ import annotations

import time

import dagster as dg

from ml_platform.components.runs import time_left
from ml_platform.components.runs.time_left import Course

KEYS = [dg.AssetKey(["shop", "models", "churn"])]


def test_a_step_that_says_nothing_is_told_of_now_and_then(monkeypatch):
    monkeypatch.setattr(time_left, "_SILENT", 0.02)
    said: list[str] = []
    with dg.DagsterInstance.ephemeral() as instance:
        course = Course(instance, said.append)
        with course.step(KEYS, 1, "models/churn, champion/churn of 2024-01-01"):
            for _ in range(500):
                if any("still making" in line for line in said):
                    break
                time.sleep(0.01)
    assert said[0].startswith("models/churn, champion/churn of 2024-01-01")
    assert said[1] == "  still making models/churn: 0 s so far"


def test_a_step_that_fails_ends_what_tells_of_it():
    with dg.DagsterInstance.ephemeral() as instance:
        try:
            with Course(instance, lambda _: None).step(KEYS, 1, "models/churn"):
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
    assert not [thread for thread in time_left.threading.enumerate() if thread.name == "still making"]
