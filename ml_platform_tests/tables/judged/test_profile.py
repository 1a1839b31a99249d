import polars as pl
import pytest

from ml_platform.sql.duck import session
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.judged.profile import profile_partitions

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


def test_each_day_says_of_its_columns_what_polars_says(frame):
    found = profiled(frame)
    assert sorted(found) == ["1", "2", "3"]
    assert found["2"]["profile"]["delay"] == {"rows": 3, "nulls": 1, "sum": -3.0, "sum_squares": 29.0, "min": -5.0, "max": 2.0}
    assert found["2"]["profile"]["carrier"] == {"rows": 3, "nulls": 1}


def test_times_have_a_first_and_a_last(frame):
    assert profiled(frame)["1"]["times"]["landed_at"] == ["2013-01-05T10:00:00+00:00"] * 2


def test_no_rows_have_no_profile(frame):
    assert profiled(frame.clear()) == {}
