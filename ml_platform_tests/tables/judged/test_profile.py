import math

import polars as pl
import pytest

from ml_platform.sql.duck import session
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.judged.profile import describe_profile, merge_profiles, profile_partitions

CONTRACT = Contract((Column("delay", "int32"), Column("carrier", "string"), Column("landed_at", "timestamp")))


@pytest.fixture
def frame():
    values = [(day, delay, carrier) for day in ("1", "2", "3") for delay, carrier in ((int(day), "AA"), (-5, None), (None, "UA"))]
    return pl.DataFrame(values, schema=["_partition", "delay", "carrier"], orient="row").with_columns(
        landed_at=pl.lit("2013-01-05T10:00:00Z").str.to_datetime(time_zone="UTC")
    )


def profiled(frame):
    with session(threads=1) as con:
        con.register("rows", frame)
        return profile_partitions(con, "rows", CONTRACT, times=["landed_at"])


def test_the_days_add_up_to_the_whole(frame):
    days = [p["profile"] for p in profiled(frame).values()]
    whole = profiled(frame.with_columns(_partition=pl.lit("")))[""]["profile"]
    assert len(days) == 3
    assert merge_profiles(days) == whole


def test_a_profile_is_described_as_polars_would(frame):
    rows = {r["column"]: r for r in describe_profile(merge_profiles(p["profile"] for p in profiled(frame).values()))}
    delay = frame["delay"]
    assert math.isclose(rows["delay"]["mean"], delay.mean())
    assert math.isclose(rows["delay"]["std"], delay.std(ddof=0))
    assert (rows["delay"]["min"], rows["delay"]["max"]) == (-5, 3)
    assert rows["carrier"] == {"column": "carrier", "rows": 9, "null_share": 3 / 9}


def test_times_have_a_first_and_a_last(frame):
    assert profiled(frame)["1"]["times"]["landed_at"] == ["2013-01-05T10:00:00+00:00"] * 2


def test_no_rows_have_no_profile(frame):
    assert profiled(frame.clear()) == {}
