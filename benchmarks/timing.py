"""How the benchmarks of the lake measure: medians of wall time, and CPU seconds of the process (all its threads) beside them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple


class Timed(NamedTuple):
    """The last result of some work, and its median wall and CPU time in milliseconds."""

    result: Any
    wall: float
    cpu: float


def timed(label: str, work: Callable[[], Any], *, times: int = 1, warm: int = 0, per: int = 1) -> Timed:
    """Run ``work`` (``warm`` times unmeasured), print its median wall and CPU time, and per piece if it has several."""
    walls, cpus, result = [], [], None
    for _ in range(warm):
        work()
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    wall, cpu = (1e3 * statistics.median(values) for values in (walls, cpus))
    each = f"   {wall / per:7.2f} ms each" if per > 1 else ""
    print(f"  {label:<66}{wall:9.2f} ms {cpu:9.2f} ms CPU{each}", flush=True)
    return Timed(result, wall, cpu)


def measure(label: str, work: Callable[[], Any], *, times: int = 1, per: int = 1) -> Any:
    """Print what `timed` prints and return the last result."""
    return timed(label, work, times=times, per=per).result


def compared(label: str, ours: Timed, peer: Timed) -> None:
    """Print how many times as long as its peer something took."""
    print(f"  {label:<66}{ours.wall / peer.wall:9.2f} x  {ours.cpu / peer.cpu:9.2f} x CPU", flush=True)
