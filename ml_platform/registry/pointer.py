"""The champion's pointer: a history of judgements, of which the last says who serves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from ml_platform.models.contender import Role
from ml_platform.registry.promotion import PromotionDecision

if TYPE_CHECKING:
    import pyarrow as pa

# A model is judged only if it is newer than all that were (`is_due`), so this is the order of the judgements even where the platform's
# clock stood still, or was set back, between two of them.
# A person decides after the rules, even where the clock did not move in between.
KEY = ("training_date", "model_version", "decided_at", "decided_by")


@dataclass(frozen=True)
class Judgement:
    """One row of the history: a model version was judged, and ``champion_version`` serves after that (None: nobody yet).

    ``difference``, ``lower`` and ``upper`` are against the champion of then, or against the constant where there was none; None where no
    comparison was possible. ``reasons`` is the whole decision as JSON. ``role`` says which of the version's two fitted models was judged,
    and serves if it was promoted; ``decided_by`` is the person who decided about a held model, and empty where the rules did.
    """

    decided_at: datetime
    training_date: str
    model_version: int
    verdict: str
    champion_version: int | None
    difference: float | None
    lower: float | None
    upper: float | None
    reasons: str
    role: Role = "model"
    decided_by: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """The reasons as sentences."""
        return tuple(json.loads(self.reasons)["reasons"])


def judgement_of(
    decision: PromotionDecision, *, decided_at: datetime, training_date: str, model_version: int, champion_version: int | None
) -> Judgement:
    """Return the row of a decision; ``champion_version`` is who served before it."""
    compared = decision.comparison
    return Judgement(
        decided_at=decided_at,
        training_date=training_date,
        model_version=model_version,
        verdict=decision.verdict,
        champion_version=model_version if decision.verdict == "promoted" else champion_version,
        difference=compared.difference if compared else None,
        lower=compared.lower if compared else None,
        upper=compared.upper if compared else None,
        reasons=json.dumps(decision.to_mapping(), ensure_ascii=False, allow_nan=False),
        role=decision.role,
    )


def decided_by_hand(
    held: Judgement, verdict: Literal["promoted", "refused"], *, by: str, reason: str, role: Role, decided_at: datetime
) -> Judgement:
    """Return the row of a person's decision about a model that the rules held; who served before it stays unless it is promoted."""
    done = "Approved" if verdict == "promoted" else "Rejected"
    told = {"verdict": verdict, "role": role, "against": "a person", "by": by, "reason": reason}
    return Judgement(
        decided_at=decided_at,
        training_date=held.training_date,
        model_version=held.model_version,
        verdict=verdict,
        champion_version=held.model_version if verdict == "promoted" else held.champion_version,
        difference=None,
        lower=None,
        upper=None,
        reasons=json.dumps({**told, "reasons": [f"{done} by {by}: {reason}", *held.words]}, ensure_ascii=False),
        role=role,
        decided_by=by,
    )


def in_order(history: Iterable[Judgement]) -> tuple[Judgement, ...]:
    """Return judgements in the order in which they were made."""
    return tuple(sorted(history, key=lambda judgement: tuple(getattr(judgement, name) for name in KEY)))


def last_promotion(history: Sequence[Judgement]) -> Judgement | None:
    """Return the judgement that made the model that serves the champion; None if nobody was ever promoted."""
    return next((judgement for judgement in reversed(history) if judgement.verdict == "promoted"), None)


def is_due(training_date: str, model_version: int, history: Sequence[Judgement]) -> bool:
    """Say whether a model version is still to be judged.

    Once a training date was judged, models of earlier ones are history (a backfill makes them late); a newer version of the same date is
    judged again, because it is another model.
    """
    newest = max(((judgement.training_date, judgement.model_version) for judgement in history), default=None)
    return newest is None or (training_date, model_version) > newest


def schema() -> pa.Schema:
    """Return the Arrow schema of the history."""
    import pyarrow as pa

    fields = {
        "decided_at": pa.timestamp("us", tz="UTC"), "training_date": pa.string(), "model_version": pa.int64(), "verdict": pa.string(),
        "champion_version": pa.int64(), "difference": pa.float64(), "lower": pa.float64(), "upper": pa.float64(), "reasons": pa.string(),
        "role": pa.string(), "decided_by": pa.string(),
    }  # fmt: skip
    return pa.schema(fields)


def to_arrow(history: Sequence[Judgement]) -> pa.Table:
    """Return the history as a table, one row per judgement in their order."""
    import pyarrow as pa

    return pa.Table.from_pylist([asdict(judgement) for judgement in in_order(history)], schema=schema())


def from_rows(rows: Sequence[Mapping[str, Any]]) -> tuple[Judgement, ...]:
    """Read the history from its rows."""
    return in_order(map(_from_row, rows))


def _from_row(row: Mapping[str, Any]) -> Judgement:
    # Rows of before a baseline could serve, or a person decide, lack these columns, or have no value in them.
    values = {**row, "role": row.get("role") or "model", "decided_by": row.get("decided_by") or ""}
    return Judgement(**{name: values[name] for name in schema().names})
