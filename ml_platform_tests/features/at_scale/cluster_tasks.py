"""Tasks that go wrong on a worker in known ways; in a module of their own, which the workers import."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_platform.core.errors import FeatureError
from ml_platform.features.at_scale.task_engine import EngineTask


@dataclass(frozen=True)
class Where:
    """Says which process it ran in, and leaves a file."""

    number: int
    folder: str
    seconds: float = 0.0

    @property
    def name(self) -> str:
        return f"step {self.number}"

    def run(self) -> tuple[int, int]:
        time.sleep(self.seconds)
        Path(self.folder, f"ran-{self.number}").touch()
        return self.number, os.getpid()


@dataclass(frozen=True)
class Killed:
    """Kills its worker in the middle: the first time only, or always."""

    task: EngineTask
    marker: str
    always: bool = False

    @property
    def name(self) -> str:
        return self.task.name

    def run(self) -> Any:
        if self.always or not Path(self.marker).exists():
            Path(self.marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.task.run()


@dataclass(frozen=True)
class Stumbles:
    """Fails until it was tried so many times; on purpose (as the platform raises) or by accident."""

    folder: str
    times: int
    on_purpose: bool = False

    @property
    def name(self) -> str:
        return "the task that stumbles"

    def run(self) -> int:
        tries = len(list(Path(self.folder).glob("try-*")))
        Path(self.folder, f"try-{tries}").touch()
        if tries < self.times:
            raise FeatureError("this cannot be") if self.on_purpose else OSError("the disk was away")
        return tries + 1
