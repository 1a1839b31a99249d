"""A small lake with every layer: two days of orders from landing file to prediction, two models of which one serves."""

from __future__ import annotations

import atexit
import copy
import functools
import json
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from ml_platform.core.intervals import day_start
from ml_platform.features.declared.kinds import ColumnFeature, WindowFeature
from ml_platform.lake.lake import Lake
from ml_platform.lake.ledger.version import Version
from ml_platform.registry.pointer import Judgement, to_arrow

DAYS = ("2024-01-01", "2024-01-02")
RUN = "6a3a3c3e-7d9b-4c55-9f6e-0a1b2c3d4e5f"
AMOUNT = WindowFeature(
    name="customer_amount_mean_7d", entity=("customer",), type="DOUBLE", view="spend", table="orders", value="amount",
    columns=("amount",), function="mean", window=timedelta(days=7), available_at=("_available_at",), event_time="ordered_at",
    description="Mean of amount within the 7d before the cutoff, per customer, from orders.",
)  # fmt: skip
SINCE = WindowFeature(
    name="customer_time_since_7d", entity=("customer",), type="INTERVAL", view="spend", table="orders",
    function="time_since", window=timedelta(days=7), available_at=("_available_at",), event_time="ordered_at",
)  # fmt: skip
COUNTRY = ColumnFeature(name="country", entity=("customer",), type="VARCHAR", table="customers", value="country", columns=("country",))
FEATURES = (AMOUNT, SINCE, COUNTRY)
_TIME = pa.timestamp("us", tz="UTC")


def made_shop(root: Path) -> Shop:
    """Return a copy at ``root`` of a shop that is made once."""
    made = _made()
    shutil.copytree(made.lake._opened.root, root)
    shop = copy.copy(made)
    shop.lake = Lake.open(root)
    return shop


@functools.cache
def _made() -> Shop:
    root = Path(tempfile.mkdtemp(prefix="made_shop_"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    shop = Shop(root)
    shop.lake.close()
    return shop


class Shop:
    """Publishes what a pipeline would, layer by layer; every version is an attribute or an entry under its day."""

    def __init__(self, root: Path) -> None:
        self.lake = Lake.open(root)
        self.raw = self.land()
        self.orders = self._typed()
        self.customers = self._publish("tables/customers", None, {"customer": ["c"], "country": ["NO"]})
        self.features = {day: self._features(day) for day in DAYS}
        self.first, self.second = self.train("2024-02-01"), self.train("2024-02-02")
        self.champion = self.judge((self.first, "promoted"), (self.second, "held"))
        self.predictions = {day: self.predict(day) for day in DAYS}

    def land(self, size: int = 120) -> dict[str, Version]:
        """Publish what was delivered: one commit, two files on the second day."""
        staged = []
        for number, day in enumerate(DAYS):
            files = [
                {
                    "name": f"orders/{day}{part}.csv", "size": size + len(part), "sha256": f"{number}{len(part)}" * 32, "rows": 2,
                    "delivered_at": f"{day}T12:00:00+00:00", "schema": 0,
                }
                for part in ["", "-b"][: number + 1]
            ]  # fmt: skip
            rows = pa.table({"customer": ["c", "d"], "amount": ["1", str(size)], "_file": ["f", "f"], "_row": [0, 1]})
            staged.append(
                self.lake.writing.stage("shop/raw/orders", day, rows, properties={"format": "csv", "files": files, "replaced": []})
            )
        return dict(zip(DAYS, self.lake.writing.publish(staged, run_id=RUN, message="raw orders").versions, strict=True))

    def _typed(self) -> dict[str, Version]:
        """Publish the typed orders of both days and a row of the second in quarantine, as one commit."""
        staged = [
            self.lake.writing.stage(
                "shop/tables/orders", day,
                pa.table({
                    "customer": ["c", "d"], "amount": [1.0, float(number)], "ordered_at": pa.array([day_start(day)] * 2, _TIME),
                    "_available_at": pa.array([day_start(day)] * 2, _TIME), "_file": ["f", "f"], "_row": [0, 1],
                }),
                inputs=[self.raw[day]], code_version="typed",
            )
            for number, day in enumerate(DAYS)
        ]  # fmt: skip
        broken = pa.table({"customer": ["x"]})
        staged.append(self.lake.writing.stage("shop/quarantine/orders", DAYS[1], broken, inputs=[self.raw[DAYS[1]]]))
        return dict(zip(DAYS, self.lake.writing.publish(staged, run_id=RUN, message="table orders").versions, strict=False))

    def _features(self, day: str) -> Version:
        rows = {
            "customer": ["c"], "valid_from": pa.array([day_start(day)], _TIME), AMOUNT.stored_name: [float(day[-1])],
            SINCE.stored_name: pa.array([day_start(day)], _TIME), "customer_other_7d": [1.0],
        }  # fmt: skip
        return self._publish("features/spend__customer", day, rows, [self.orders[day]])

    def train(self, date: str) -> Version:
        """Publish training set, selection and model of a date."""
        rows = {"customer": ["c"], "_label": [1.0], **{d.name: ["v"] for d in FEATURES}, "training": [date]}
        training = self._publish("training/churn", date, rows, [*self.features.values(), self.customers])
        selected = self._publish("selected/churn", date, {"feature": [d.name for d in FEATURES], "date": [date] * 3}, [training])
        definitions = json.dumps([d.to_dict() for d in FEATURES]).encode()
        properties = {
            "training_date": date,
            "trainer": "lightgbm",
            "metrics": {"auc": {"value": 0.71, "lower": 0.7, "upper": 0.72}},
            "baseline_metrics": {"auc": {"value": 0.65, "lower": None, "upper": None}},
            "features": [d.name for d in FEATURES],
        }
        staged = self.lake.writing.stage_artifact(
            "shop/models/churn", date, {"model.txt": date.encode(), "definitions.json": definitions},
            inputs=[training, selected], properties=properties, code_version="trainer",
        )  # fmt: skip
        return self.lake.writing.publish([staged], run_id=RUN, message="models churn").versions[0]

    def judge(self, *judged: tuple[Version, str]) -> Version:
        """Publish the judgements of models, in order."""
        serving: int | None = None
        rows = []
        for model, verdict in judged:
            serving = model.id if verdict == "promoted" else serving
            at = day_start(str(model.partition))
            rows.append(Judgement(at, str(model.partition), model.id, verdict, serving, None, None, None, '{"reasons": []}'))
        staged = self.lake.writing.stage("shop/champion/churn", None, to_arrow(rows), inputs=[model for model, _ in judged])
        return self.lake.writing.publish([staged], run_id=RUN, message="champion churn").versions[0]

    def predict(self, day: str) -> Version:
        """Publish a day of scores of the first model."""
        rows = {"customer": ["c"], "_score": [0.5], "_model_version": [self.first.id], **{d.name: ["v"] for d in FEATURES}, "day": [day]}
        return self._publish("predictions/churn", day, rows, [self.first, self.features[day], self.customers])

    def _publish(self, table: str, partition: str | None, rows: dict, inputs: list[Version] | None = None) -> Version:
        staged = self.lake.writing.stage(f"shop/{table}", partition, pa.table(rows), inputs=inputs or [], code_version=table)
        return self.lake.writing.publish([staged], run_id=RUN, message=table).versions[0]
