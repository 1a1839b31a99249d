"""Times as people write them: each through the contract, the day and the window to the same features."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from ml_platform.core.errors import DeclarationError
from ml_platform.core.intervals import shift_day
from ml_platform.pipeline.delivery.raw import materialize_raw
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.tables.table import materialize_table
from ml_platform_tests.components.made_project import make_project

pytestmark = pytest.mark.slow

# One at each end of a day, one in summer time, two on one day.
TIMES = [
    datetime(2024, 3, 29, 0, 0, tzinfo=UTC), datetime(2024, 3, 30, 23, 59, tzinfo=UTC), datetime(2024, 3, 31, 12, 30, tzinfo=UTC),
    datetime(2024, 4, 2, 6, 0, tzinfo=UTC), datetime(2024, 4, 2, 18, 0, tzinfo=UTC),
]  # fmt: skip
DAYS = [shift_day("2024-03-29", n) for n in range(6)]
BERLIN = ZoneInfo("Europe/Berlin")
WRITTEN = {
    "iso": ("timestamp", "sold", [t.isoformat() for t in TIMES]),
    "berlin": ("timestamp, zone: Europe/Berlin", "sold", [t.astimezone(BERLIN).strftime("%Y-%m-%d %H:%M:%S") for t in TIMES]),
    "seconds": ("timestamp, format: epoch_s", "sold", [str(int(t.timestamp())) for t in TIMES]),
    "millis": ("timestamp, format: epoch_ms", "sold", [str(int(t.timestamp() * 1000)) for t in TIMES]),
    "micros": ("timestamp, format: epoch_us", "sold", [str(int(t.timestamp() * 1_000_000)) for t in TIMES]),
    "german": (
        "timestamp, format: '%d.%m.%Y %H:%M', zone: Europe/Berlin",
        "sold",
        [t.astimezone(BERLIN).strftime("%d.%m.%Y %H:%M") for t in TIMES],
    ),
    "two": ("timestamp, made_of: [day, clock]", "day,clock", [t.strftime("%Y-%m-%d,%H:%M:%S") for t in TIMES]),
    "digits": ("timestamp, made_of: [day, clock], format: '%Y%m%d %H%M%S'", "day,clock", [t.strftime("%Y%m%d,%H%M%S") for t in TIMES]),
}  # fmt: skip
TABLE = """
type: ml_platform.Table
attributes:
  name: NAME
  source: {files: "NAME.csv"}
  partitions: {start: "2024-03-29", end: "2024-05-01"}
  contract: NAME.contract.yaml
  event_time: sold
  available_at: sold + interval 1 hour
---
type: ml_platform.FeatureView
attributes:
  name: NAME_recent
  source: NAME
  entities: [[customer]]
  windows: [1d]
  refresh: 1h
  features:
    - {column: amount, functions: [sum, count]}
"""


def test_every_way_to_write_a_time_makes_the_same_features(tmp_path: Path) -> None:
    project = make_project(tmp_path, "shop")
    contracts = {
        name: f"columns:\n  customer: {{type: string, nullable: false}}\n  sold: {{type: {type_}}}\n  amount: {{type: int64}}\n"
        for name, (type_, _, _) in WRITTEN.items()
    }
    project.declare("---".join(TABLE.replace("NAME", name) for name in WRITTEN), **contracts)
    project.set_clock("2024-04-20")
    for name, (_, header, written) in WRITTEN.items():
        lines = [f"customer,{header},amount", *(f"a,{text},{2**n}" for n, text in enumerate(written))]
        project.land(f"{name}.csv", "\n".join(lines) + "\n", "2024-04-03")
    workspace = project.open().workspace
    found = {}
    for name in WRITTEN:
        materialize_raw(workspace, name, [None])
        outcome = materialize_table(workspace, name, DAYS)
        assert not outcome.checks[0].numbers["rejected"], outcome.checks[0].rows
        rows = workspace.lake.read(workspace.table("tables", name), partition_column="day").pl().sort("amount")
        assert rows["sold"].to_list() == TIMES, name
        assert rows["day"].to_list() == [t.date().isoformat() for t in TIMES], name
        materialize_features(workspace, f"{name}_recent", ["customer"], DAYS)
        features = workspace.lake.read(workspace.table("features", f"{name}_recent__customer")).pl()
        found[name] = features.rename({c: c.replace(f"{name}_", "") for c in features.columns}).rows()
    first, *others = found.values()
    assert first
    assert all(rows == first for rows in others)


@pytest.mark.parametrize(
    ("type_", "values", "days"),
    [
        ("date, format: '%Y%m%d'", [18721130, 19970101, 1997011], ["1872-11-30", "1997-01-01"]),
        ("date", ["1872-11-30", "1997-01-01", "1997-13-01"], ["1872-11-30", "1997-01-01"]),
        ("timestamp, format: epoch_s", [-3_064_176_000, 852_076_800.5, None], ["1872-11-25", "1997-01-01"]),
    ],
)
def test_dates_since_1800_as_numbers_of_parquet_and_text(tmp_path: Path, type_: str, values: list[object], days: list[str]) -> None:
    project = make_project(tmp_path, "old")
    declared = TABLE.partition("---")[0].replace("NAME.csv", "t.parquet").replace("NAME", "t").replace("2024-03-29", "1800-01-01")
    project.declare(declared, t=f"columns:\n  sold: {{type: {type_}}}\nmax_rejected: 0.5\n")
    path = project.root / "data" / "landing" / "t.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame({"sold": [None if v is None else type(values[-2])(v) for v in values]}).write_parquet(path)
    workspace = project.open().workspace
    materialize_raw(workspace, "t", [None])
    materialize_table(workspace, "t", days)
    rows = workspace.lake.read(workspace.table("tables", "t"), partition_column="day").pl()
    assert rows["day"].to_list() == days
    assert workspace.lake.read(workspace.table("quarantine", "t")).pl().height == 1


@pytest.mark.parametrize(
    ("type_", "told"),
    [
        ("string, format: '%Y'", "a format says how a number, a date or a timestamp is written, but the type is 'string'"),
        ("timestamp, format: unix", "the format 'unix' is not known. Write a pattern in quotes, such as '%Y%m%d'"),
        ("timestamp, format: '%Q'", "the format '%Q' cannot be read: .*Unrecognized format"),
        ("timestamp, made_of: [day]", "made_of joins two or more delivered columns to a date or timestamp"),
    ],
)
def test_a_format_that_reads_nothing_is_refused(tmp_path: Path, type_: str, told: str) -> None:
    project = make_project(tmp_path, "wrong")
    project.declare(TABLE.partition("---")[0].replace("NAME", "t"), t=f"columns:\n  sold: {{type: {type_}}}\n")
    with pytest.raises(DeclarationError, match=told):
        project.open()
