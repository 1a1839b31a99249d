"""What the partition of a version is called: its key, and None where a table has no partitions.

That is the only word for "no partition" in the code. Where a text is needed (in a column of the ledger or of rows, in what a sensor
remembers, to sort by) an empty one stands for it, and these two functions say so.
"""

from __future__ import annotations

Partition = str | None


def partition_text(partition: Partition) -> str:
    """Return a partition as text: what is stored of it, and by what partitions are sorted.

    Examples
    --------
    >>> partition_text("2013-06-01"), partition_text(None)
    ('2013-06-01', '')
    """
    return "" if partition is None else partition


def partition_of(text: str | None) -> Partition:
    """Return the partition that a stored text means.

    Examples
    --------
    >>> partition_of("2013-06-01"), partition_of("")
    ('2013-06-01', None)
    """
    return text or None
