"""A lake with one problem in it: models, scores and matured outcomes of a small world that can change."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from ml_platform.core.clock import FixedClock
from ml_platform.core.intervals import day_start, shift_day
from ml_platform.lake.lake import Lake
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import CompiledProblem, Project
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Table
from ml_platform.training.problem import Label, Problem, RowsSpine

PROBLEM = "late"
ROWS = 300
IMPORTANCE = {"temp": 0.6, "code": 0.38, "noise": 0.02}


def project() -> Project:
    contract = Contract(columns=(Column("flight_id", "int64"), Column("late", "bool")), key=("flight_id",))
    table = Table("flights", FileSource("flights/{day}.csv"), contract)
    problem = Problem(
        PROBLEM, RowsSpine("flights", "scheduled_at"), Label("flights", ("flight_id",), "max(late)", timedelta(hours=36)), ("flights.temp",)
    )
    return Project("air", Path(), problems={PROBLEM: CompiledProblem(problem, table, table, ("flight_id",), ())})


@dataclass
class World:
    """Scores of every day by one model until another is trained; ``shift`` moves a feature, ``flip`` a share of the labels."""

    root: Path
    shift: dict[str, tuple[str, float]] = field(default_factory=dict)
    flip: tuple[str, float] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        self.lake = Lake.open(self.root)
        self.project = project()
        self.models: list[Version] = []

    def workspace(self, day: str) -> Workspace:
        """Stand at the end of a day."""
        return Workspace(self.project, self.lake, FixedClock(day_start(day) + timedelta(days=1, hours=3)), self.root)

    def rows(self, day: str, size: int = ROWS) -> pl.DataFrame:
        rng = np.random.default_rng([self.seed, *map(int, day.split("-"))])
        temp, noise = rng.normal(size=size), rng.normal(size=size)
        code = rng.choice(["UA", "AA", "DL"], size)
        score = 1 / (1 + np.exp(-2 * temp))
        label = (rng.random(size) < score).astype(float)
        if self.flip and day >= self.flip[0]:
            label = np.where(rng.random(size) < self.flip[1], 1 - label, label)
        moved = {name: by if day >= since else 0.0 for name, (since, by) in self.shift.items()}
        return pl.DataFrame(
            {
                "flight_id": np.arange(size) + 10_000 * int(day.replace("-", "")),
                "_cutoff": pl.Series([day_start(day) + timedelta(minutes=4 * i) for i in range(size)]).cast(pl.Datetime("us", "UTC")),
                "temp": temp + moved.get("temp", 0.0),
                "code": np.where(rng.random(size) < moved.get("code", 0.0), "UAL", code),
                "noise": noise + moved.get("noise", 0.0),
                "_score": score,
                "_label": label,
            }
        )

    def train(self, date: str, features: Sequence[str] = ("temp", "code", "noise"), test_from: str | None = None) -> Version:
        learnt = pl.concat([self.rows(shift_day(date, -back)) for back in range(1, 8)])
        buffer = io.BytesIO()
        learnt.select(*features, "_label", "_score").write_parquet(buffer)
        splits = [{"name": "test", "first": f"{test_from} 05:00"}] if test_from else []
        card = {
            "features": [{"name": n, "importance": IMPORTANCE[n]} for n in features],
            "model": {"task": "classification"},
            "splits": splits,
        }
        staged = self.lake.writing.stage_artifact(
            self.project.lake_table("models", PROBLEM), date,
            {"reference.parquet": buffer.getvalue(), "card.json": json.dumps(card).encode()},
            properties={"training_date": date},
        )  # fmt: skip
        (model,) = self.lake.writing.publish([staged]).versions
        self.models.append(model)
        return model

    def score(self, days: Sequence[str], model: Version | None = None, features: Sequence[str] = ("temp", "code", "noise")) -> None:
        """Score some days, and let all of their labels mature."""
        model = model or self.models[-1]
        staged = []
        for day in days:
            rows = self.rows(day).with_columns(
                pl.lit(model.id, pl.Int64).alias("_model_version"), (pl.col("_cutoff") + timedelta(hours=1)).alias("_scored_at")
            )
            given = ["flight_id", "_cutoff", "_score", "_model_version"]
            for layer, columns in (("predictions", [*given, "_scored_at", *features]), ("outcomes", [*given, "_label"])):
                staged.append(
                    self.lake.writing.stage(
                        self.project.lake_table(layer, PROBLEM), day, rows.select(columns).to_arrow(), key=["flight_id"], inputs=[model]
                    )
                )
        self.lake.writing.publish(staged)


def days_from(first: str, count: int) -> list[str]:
    return [shift_day(first, i) for i in range(count)]
