"""What is set before LightGBM's threads are there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

LOADED = "import os, sys, ml_platform.project.compile; print('lightgbm' in sys.modules, os.environ['OMP_WAIT_POLICY'])"


@pytest.mark.parametrize(("said", "found"), [(None, "passive"), ("active", "active")])
def test_threads_that_wait_sleep_in_every_process_that_loads_declarations(said: str | None, found: str):
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {} if said is None else {"OMP_WAIT_POLICY": said}
    told = subprocess.run([sys.executable, "-c", LOADED], env=environment, capture_output=True, text=True, check=True).stdout
    assert told.split() == ["False", found]
