"""Whether what lies in the landing zone has been taken in: told by names, sizes and times where they agree, else by content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from ml_platform.core.hashing import content_hash
from ml_platform.core.intervals import to_micros
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.delivery.deliveries import recorded_files

# What one tick of a sensor reads at most to compare it: it has a minute, and a slow disk gives 20 MiB a second.
BYTES_PER_TICK = 256 * 2**20

Verdict = Literal["taken in", "new", "later"]


@dataclass(frozen=True)
class Delivery:
    """The files of one partition as they lie there: name, size in bytes and time of change (ns) of each."""

    files: tuple[tuple[str, int, int], ...]

    @property
    def signature(self) -> str:
        """A short text that changes when a file comes, goes, grows or is written again."""
        return content_hash(self.files, length=8)


@dataclass
class Comparison:
    """Compares deliveries with the versions that were made from them, within what one tick may read."""

    landing: Path
    bytes_left: int = field(default=BYTES_PER_TICK)

    def verdict(self, delivery: Delivery, head: Version | None) -> Verdict:
        """Tell whether the newest raw version was made from just these files.

        A copy, a restore or a checkout gives files another time and leaves what they hold: only their content says that they are new.

        Parameters
        ----------
        delivery : Delivery
            The files of a partition as they lie there.
        head : Version or None
            The newest raw version of the partition.

        Returns
        -------
        str
            ``later`` where the files would have to be read and this tick has read enough. What is too large for any tick is ``new``: the
            run that is asked for compares it, and publishes nothing if it is what it was.
        """
        recorded = recorded_files(head)
        if head is None or {(name, size) for name, size, _ in delivery.files} != {(f["name"], f["size"]) for f in recorded.values()}:
            return "new"
        moved = [(name, size) for name, size, at in delivery.files if at // 1000 != _micros(recorded[name]["delivered_at"])]
        size = sum(size for _, size in moved)
        if size > BYTES_PER_TICK:
            return "new"
        if size > self.bytes_left:
            return "later"
        self.bytes_left -= size
        return "taken in" if all(self._digest(name) == recorded[name]["sha256"] for name, _ in moved) else "new"

    def _digest(self, name: str) -> str | None:
        """Return the digest of a file; None for one that cannot be read, which the run will say."""
        try:
            with (self.landing / name).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return None


def _micros(time: str) -> int:
    return to_micros(datetime.fromisoformat(time))
