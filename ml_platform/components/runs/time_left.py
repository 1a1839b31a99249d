"""Progress of runs in this process: what is being made, what it says of itself, and about how long the rest takes."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import dagster as dg

from ml_platform.components.runs.past_cost import past_seconds
from ml_platform.components.steps.progress import listening
from ml_platform.core.layers import LAYERS, TableName, flow_place

_AROUND = 1.0
# Shorter ones need no word of how long.
_WORTH_TELLING = 4.0
# Of what steps say no more than a line in so many seconds is passed on.
_QUIET = 2.0
# Nobody waits longer than this without a word.
_SILENT = 15.0


@dataclass
class Course:
    """What has been run and what it took, against what it was expected to take.

    ``ahead`` are the seconds that each layer is expected to take; a step takes its layers, and those before them, off.
    """

    instance: dg.DagsterInstance
    say: Callable[[str], None]
    ahead: dict[str, float] = field(default_factory=dict)
    _expected: float = 0.0
    _taken: float = 0.0
    _spoken: float = 0.0

    def expect(self, keys: Sequence[dg.AssetKey], days: int) -> None:
        """Count assets that are still to be made, of so many days."""
        for key in keys:
            layer = TableName.of_parts(key.path).layer
            self.ahead[layer] = self.ahead.get(layer, 0.0) + self._seconds(key, days)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Pass on what steps say, but not more than a line a second."""
        with listening(self._hear):
            yield

    @contextmanager
    def step(self, keys: Sequence[dg.AssetKey], days: int, what: str) -> Iterator[None]:
        """Say what is made now and about how long all takes that is left; learn from how long it took."""
        expected = _AROUND + sum(self._seconds(key, days) for key in keys)
        reached = max(flow_place(TableName.of_parts(key.path).layer) for key in keys)
        after = sum(seconds for layer, seconds in self.ahead.items() if flow_place(layer) > reached)
        pace = self._taken / self._expected if self._expected else 1.0
        left = (expected + after) * pace
        self.say(f"{what}{f'; about {_length(left)} left in all' if left >= _WORTH_TELLING else ''}")
        self._spoken = began = time.perf_counter()
        with self._not_silent(began, what.partition(",")[0]):
            yield
        self._expected += expected
        self._taken += time.perf_counter() - began

    @contextmanager
    def _not_silent(self, began: float, what: str) -> Iterator[None]:
        """Say now and then that something is still being made that says nothing of itself."""
        ended = threading.Event()

        def speak() -> None:
            while not ended.wait(max(_SILENT - (time.perf_counter() - self._spoken), _SILENT / 10)):
                if (now := time.perf_counter()) - self._spoken >= _SILENT:
                    self._spoken = now
                    self.say(f"  still making {what}: {_length(now - began)} so far")

        thread = threading.Thread(target=speak, name="still making", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _seconds(self, key: dg.AssetKey, days: int) -> float:
        known = past_seconds([self.instance], key, max(days, 1))
        # What has never been run takes what its layer usually does; the first steps correct it.
        alone, each = LAYERS[TableName.of_parts(key.path).layer].seconds
        return alone + each * days if known is None else max(known, alone / 4)

    def _hear(self, text: str) -> None:
        now = time.perf_counter()
        if now - self._spoken >= _QUIET:
            self._spoken = now
            self.say(f"  {text}")


def _length(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
