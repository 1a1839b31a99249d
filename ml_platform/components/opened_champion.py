"""The champion of a problem in a notebook: which model it is, what it is worth, what it looks at."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from ml_platform.pipeline.models.champion import Champion
    from ml_platform.pipeline.workspace import Workspace


@dataclass(frozen=True)
class OpenChampion:
    """The model that scores a problem now."""

    workspace: Workspace
    champion: Champion

    @property
    def name(self) -> str:
        """The model in words, such as ``lightgbm`` or ``logistic (baseline)``."""
        return self.champion.name

    @property
    def training_date(self) -> str:
        """The day for which it was trained, from rows before it."""
        return self.champion.training_date

    @property
    def version(self) -> int:
        """Its version in the lake, as ``ml-platform explain PROBLEM@VERSION`` takes it."""
        return self.champion.version.id

    @property
    def since(self) -> datetime:
        """When it was promoted, by the platform's clock."""
        return self.champion.since

    @property
    def metrics(self) -> pl.DataFrame:
        """Its metrics on rows that it had not seen, one row each, beside those of the model that it left behind and of the constant."""
        import polars as pl

        from ml_platform.pipeline.models.worth import model_metrics

        return pl.DataFrame(model_metrics(self.champion.version, self.champion.role))

    @property
    def features(self) -> pl.DataFrame:
        """Its features, the most important first: name, importance as a share, and what it is in a sentence."""
        import polars as pl

        kept = "importance" if self.champion.role == "model" else "baseline_importance"
        rows = [
            {"feature": one["name"], "importance": one.get(kept), "what it is": one.get("sentence", "")} for one in self._card["features"]
        ]
        return pl.DataFrame(rows).sort("importance", descending=True, nulls_last=True)

    @property
    def card(self) -> str:
        """Its model card, as Markdown."""
        return self.workspace.lake.versions.artifact(self.champion.version, "card.md").decode()

    @cached_property
    def _card(self) -> dict[str, Any]:
        return json.loads(self.workspace.lake.versions.artifact(self.champion.version, "card.json"))

    def __repr__(self) -> str:
        """Say which model it is, and its first metric."""
        first = self.metrics.row(0, named=True)
        return f"Champion {self.name} of {self.training_date}, version {self.version}: {first['metric']} {first['champion']}"
