"""The examples of docs/how_to/other_stores.md against loops that are written from each store's own rule."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml

from ml_platform.components.declarations.feature_view import FeatureModel, FeatureView
from ml_platform.features.compile import compile_view
from ml_platform.features.declared.compile_expressions import expression_definitions
from ml_platform.features.declared.compiled_view import CompiledView
from ml_platform.features.engine.change_points import read_at
from ml_platform.features.engine.engine import compute
from ml_platform.features.engine.expressions import evaluate_expression
from ml_platform.features.own_views.handmade import compute_handmade, hand_over
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Availability, Table

DOCS = Path(__file__).parents[2] / "docs" / "how_to" / "other_stores.md"
EXAMPLES: dict[str, str] = dict(re.findall(r"```yaml\n# like: (\w+)\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL))
ORDERS = Table(
    "orders", FileSource("-"), Contract((Column("customer", "string"), Column("happened_at", "timestamp"), Column("amount", "float64"))),
    event_time="happened_at", availability=(Availability("happened_at"),),
)  # fmt: skip
T0 = datetime(2024, 3, 10, 12, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY, HOUR, MICRO = timedelta(days=1), timedelta(hours=1), timedelta(microseconds=1)
TIMES = pl.Datetime("us", "UTC")

Row = tuple[datetime, float]
Rule = Callable[[list[Row], datetime], object]


def a_world(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return orders and cutoffs on and beside the edges of the windows, schedules, delays and hops above."""
    draw = random.Random(seed)
    lengths = [DAY, 2 * DAY, 3 * DAY, 7 * DAY, DAY + 2 * HOUR, 2 * HOUR, HOUR, timedelta(0), 12 * HOUR, 10 * HOUR]
    edges = [T0 - length + shift for length in lengths for shift in (-MICRO, timedelta(0), MICRO)]
    orders = [(draw.choice("ab"), draw.choice(edges), float(draw.randrange(100))) for _ in range(40)]
    asked = [(draw.choice("abc"), draw.choice([T0, T0 + MICRO, T0 + 2 * HOUR, T0 - 10 * HOUR, *edges])) for _ in range(40)]
    rows = pl.DataFrame(orders, schema={"customer": pl.String, "happened_at": TIMES, "amount": pl.Float64}, orient="row")
    return (
        rows.with_columns(pl.col("happened_at").alias("_available_at"), (pl.col("amount") >= 0).alias("where amount IS NOT NULL")),
        pl.DataFrame(asked, schema={"customer": pl.String, "_cutoff": TIMES}, orient="row"),
    )


def the_view(example: str) -> CompiledView:
    words = yaml.safe_load(EXAMPLES[example])
    words["features"] = [FeatureModel(**feature) for feature in words["features"]]
    return compile_view(FeatureView(**{"entities": [], **words}).to_core(), {"orders": ORDERS})


def values_of(example: str, rows: pl.DataFrame, spine: pl.DataFrame) -> pl.DataFrame:
    events = rows.with_columns(week_before="amount")
    return compute(events, spine, the_view(example).definitions(("customer",)))


def expressions_of(example: str, below: str, rows: pl.DataFrame, spine: pl.DataFrame) -> pl.DataFrame:
    words = yaml.safe_load(EXAMPLES[example])
    words["features"] = [FeatureModel(**feature) for feature in words["features"]]
    view = FeatureView(**{"entities": [], **words}).to_core()
    made = expression_definitions(view, {"orders": ORDERS}, {below: the_view(below)})
    return evaluate_expression(spine.hstack(values_of(below, rows, spine)), made)


def floor(time: datetime, grid: timedelta) -> datetime:
    return EPOCH + (time - EPOCH) // grid * grid


def feast(ttl: timedelta | None) -> Rule:
    def rule(rows: list[Row], cutoff: datetime) -> object:
        seen = [(t, i, v) for i, (t, v) in enumerate(rows) if t <= cutoff and (ttl is None or cutoff - ttl <= t)]
        return max(seen)[2] if seen else None

    return rule


def continuous(what: Callable[[list[float]], object]) -> Rule:
    return lambda rows, cutoff: what([v for t, v in rows if cutoff - DAY < t <= cutoff])


def batch(what: Callable[[list[float]], object], length: timedelta, offset: timedelta = timedelta(0)) -> Rule:
    def rule(rows: list[Row], cutoff: datetime) -> object:
        end = floor(cutoff - 2 * HOUR, DAY) - offset
        return what([v for t, v in rows if end - length <= t < end])

    return rule


def tecton_latest(rows: list[Row], cutoff: datetime) -> object:
    effective = [(t, i, v) for i, (t, v) in enumerate(rows) if floor(t, DAY) + DAY + 2 * HOUR <= cutoff]
    if not effective:
        return None
    event, _, value = max(effective)
    return value if cutoff < event + 2 * DAY else None


def chronon(what: Callable[[list[float]], object]) -> Rule:
    def rule(rows: list[Row], cutoff: datetime) -> object:
        inside = [v for t, v in rows if floor(cutoff - DAY, HOUR) <= t < cutoff]
        return what(inside) if inside else None

    return rule


def population_variance(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return sum((v - mean) ** 2 for v in values) / len(values)


def largest(values: list[float]) -> float | None:
    return max(values, default=None)


CASES: dict[str, tuple[str, str | None, dict[str, Rule]]] = {
    "feast": ("feast", None, {"customer_amount_last_row_7d": feast(7 * DAY), "customer_amount_last_row_all": feast(None)}),
    "tecton_continuous": (
        "tecton_continuous",
        None,
        {
            "customer_amount_count_1d": continuous(len),
            "customer_amount_sum_1d": continuous(sum),
            "customer_amount_max_1d": continuous(largest),
        },
    ),
    "tecton_batch": (
        "tecton_batch",
        None,
        {
            "customer_amount_count_1d": batch(len, DAY),
            "customer_amount_sum_3d": batch(sum, 3 * DAY),
            "customer_amount_max_1d": batch(largest, DAY),
            "customer_week_before_sum_1d_offset_1d": batch(sum, DAY, DAY),
        },
    ),
    "tecton_ttl": ("tecton_ttl", "tecton_latest", {"amount": tecton_latest}),
    "chronon": ("chronon", None, {"customer_amount_max_1d": chronon(max)}),
    "chronon_rules": (
        "chronon_rules",
        "chronon",
        {"orders_1d": chronon(len), "amount_1d": chronon(sum), "variance_1d": chronon(population_variance)},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("seed", range(6))
def test_the_examples_compute_what_the_stores_do(case: str, seed: int):
    rows, spine = a_world(seed)
    example, below, rules = CASES[case]
    found = values_of(example, rows, spine) if below is None else expressions_of(example, below, rows, spine)
    for name, rule in rules.items():
        answers = []
        for customer, cutoff in spine.iter_rows():
            mine = rows.filter(pl.col("customer") == customer).select("happened_at", "amount").rows()
            answers.append(rule(mine, cutoff))
        assert found[name].to_list() == pytest.approx(answers), name
        assert any(a not in {None, 0} for a in answers), "a world in which nothing happens"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_windows_over_event_time_hold_what_happened_within_them_and_was_known(seed: int):
    known_later = replace(ORDERS, contract=Contract((*ORDERS.contract.columns, Column("known_at", "timestamp"))),
                          availability=(Availability("known_at"),))  # fmt: skip
    draw = random.Random(seed)
    delays = [timedelta(0), MICRO, HOUR, 10 * HOUR, DAY, 3 * DAY]
    rows, spine = a_world(seed)
    rows = rows.with_columns(known_at=pl.Series([t + draw.choice(delays) for t in rows["happened_at"]], dtype=TIMES))
    view = FeatureView(**yaml.safe_load(EXAMPLES["event_time"])).to_core()
    made = compile_view(view, {"orders": known_later}).definitions(("customer",))
    handed = hand_over(known_later, rows.with_columns(_available_at="known_at"))
    refreshes = sorted({floor(cutoff, HOUR) for cutoff in spine["_cutoff"]})
    found = read_at(compute_handmade({"orders": handed}, made, refreshes, pl.Schema({"customer": pl.String()})), spine, made)
    late = 0
    for (customer, cutoff), orders, amount, most in zip(spine.iter_rows(), *(found[d.name] for d in made), strict=True):
        at = floor(cutoff, HOUR)
        mine = rows.filter(customer=customer).select("happened_at", "known_at", "amount").rows()
        inside = [v for t, known, v in mine if at - DAY <= t < at and known < at]
        late += sum(at - DAY <= t < at <= known for t, known, _ in mine)
        assert (orders, amount, most) == ((len(inside), sum(inside), max(inside)) if inside else (None, None, None))
    assert late, "a world in which nothing is late"


def test_every_example_is_run():
    assert set(EXAMPLES) == {example for example, _, _ in CASES.values()} | {below for _, below, _ in CASES.values() if below} | {
        "event_time"
    }
