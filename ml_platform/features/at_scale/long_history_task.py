"""A slice of a bucket whose windows have no beginning: the events before it are read piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from ml_platform.features.at_scale.bucket_task import ComputeBucket, reached
from ml_platform.features.at_scale.long_history import compute_thinned, compute_with_totals, is_totalled
from ml_platform.features.at_scale.shuffle import read_batches
from ml_platform.features.declared.definition import FeatureDefinition


@dataclass(frozen=True)
class ComputeLongHistory(ComputeBucket):
    """Task: compute features of one slice that all need totals of the events before it, or all need some of those events.

    Of events before ``cut.events_from`` as little as possible is held; ``budget`` is how many bytes may be taken.
    """

    budget: float

    def answers(self, spine: pl.DataFrame, definitions: Sequence[FeatureDefinition]) -> pl.DataFrame:
        """Return the features of the spine's rows."""
        pieces, start = self._pieces(definitions), self.cut.events_from
        if is_totalled(definitions[0]):
            return compute_with_totals(pieces, self.events_schema, spine, definitions, start)
        return compute_thinned(pieces, self.events_schema, spine, definitions, start, self.budget, stored=self.stored)

    def _pieces(self, definitions: Sequence[FeatureDefinition]) -> Iterator[pl.DataFrame]:
        for file in self.events:
            for rows in read_batches(file.path, self.bucket, self.buckets, file.wanted):
                yield rows.filter(reached(rows, definitions, None, self.cut.events_to))
