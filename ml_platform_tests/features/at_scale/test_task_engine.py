from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import pytest

from ml_platform.core.errors import FeatureError
from ml_platform.features.at_scale.task_engine import LocalEngine


@dataclass
class Step:
    number: int
    seen: list = field(default_factory=list)
    fails: bool = False
    seconds: float = 0.0

    @property
    def name(self) -> str:
        return f"step {self.number}"

    def run(self) -> int:
        self.seen.append((self.number, threading.get_ident()))
        time.sleep(self.seconds)
        if self.fails:
            raise ValueError("no")
        return self.number


@pytest.mark.parametrize("workers", [1, 3])
def test_answers_come_in_order(workers):
    assert LocalEngine(workers).run([Step(n, seconds=0.01 * (5 - n)) for n in range(5)]) == list(range(5))
    assert LocalEngine(workers).run([]) == []


def test_no_more_tasks_run_at_once_than_are_asked_for():
    seen: list = []
    engine = LocalEngine(3)
    engine.run([Step(n, seen, seconds=0.02) for n in range(6)])
    assert len({thread for _, thread in seen}) > 1
    seen.clear()
    engine.run([Step(n, seen) for n in range(6)], at_once=1)
    assert {thread for _, thread in seen} == {threading.get_ident()}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_failure_is_named_and_ends_the_job(workers):
    seen: list = []
    tasks = [Step(0, seen), Step(1, seen, fails=True), *(Step(n, seen, seconds=0.02) for n in range(2, 50))]
    with pytest.raises(FeatureError, match="Failed at step 1: ValueError: no"):
        LocalEngine(workers).run(tasks)
    assert len(seen) < 50
