import os
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.core.errors import IntegrityError, LakeError
from ml_platform.lake.lake import Lake
from ml_platform.lake.schemas.evolution import was
from ml_platform.sql.duck import session
from ml_platform_tests.effort import examples

T = "p/tables/a"
MICROS = pa.timestamp("us", tz="UTC")


def publish(lake, **partitions):
    return lake.writing.publish([lake.writing.stage(T, key, rows) for key, rows in partitions.items()]).versions


def every_way(reading):
    """The same rows by Arrow, Polars (at once and lazily), pandas and DuckDB, as lists of dicts in a common order."""
    with session() as con:
        frame = pa.Table.from_pandas(reading.df(), reading.schema)
        lazy = reading.lazy().collect()
        assert lazy.schema == reading.pl().schema
        tables = [reading.arrow(), reading.pl().to_arrow(), lazy.to_arrow(), frame, reading.relation(con).to_arrow_table()]
    return [sorted(repr(sorted(row.items())) for row in table.select(reading.schema.names).to_pylist()) for table in tables]


def assert_reads(reading, expected):
    expected = sorted(repr(sorted(row.items())) for row in expected)
    assert every_way(reading) == [expected] * 5
    assert reading.rows == len(expected)
    assert reading.arrow().schema == reading.schema


def test_all_engines_read_the_same_rows(lake):
    one = pa.table({"t": pa.array([0, 10**15], MICROS), "s": ["a", "ü'"], "n": pa.array([1, 2], pa.int16())})
    two = pa.table({"t": pa.array([5], MICROS), "s": [""], "n": pa.array([3], pa.int16())})
    publish(lake, d1=one, d2=two)
    assert_reads(lake.read(T), one.to_pylist() + two.to_pylist())
    assert_reads(lake.read(T, ["d2"], columns=["n", "s"]), [{"n": 3, "s": ""}])
    expected = [{"n": 1, "p": "d1"}, {"n": 2, "p": "d1"}, {"n": 3, "p": "d2"}]
    assert_reads(lake.read(T, columns=["n"], partition_column="p"), expected)
    assert lake.read(T, ["d2", "d1"]).pl()["n"].to_list() == [3, 1, 2]


def test_the_partition_of_an_unpartitioned_table_is_null(lake):
    lake.writing.publish([lake.writing.stage(T, None, pa.table({"x": ["a"]}))])
    assert_reads(lake.read(T, partition_column="p"), [{"x": "a", "p": None}])


KINDS = st.sampled_from([pa.int16(), pa.int32(), pa.int64(), pa.float64(), None])


@pytest.mark.slow
@settings(max_examples=examples(15))
@given(st.lists(st.tuples(KINDS, st.lists(st.none() | st.integers(-5, 5), max_size=3)), min_size=1, max_size=4))
def test_older_versions_read_as_the_newest_schema_in_every_engine(tmp_path_factory, history):
    lake = Lake.open(tmp_path_factory.mktemp("lake"))
    expected = []
    for i, (kind, values) in enumerate([*history, (pa.float64(), [1])]):
        columns = {"k": pa.array([i] * len(values), pa.int64())} | ({} if kind is None else {"v": pa.array(values, pa.int64()).cast(kind)})
        lake.writing.publish([lake.writing.stage(T, f"d{i}", pa.table(columns))])
        expected += [{"k": i, "v": None if kind is None or value is None else float(value)} for value in values]
    assert_reads(lake.read(T), expected)
    assert_reads(lake.read(T, columns=["k"]), [{"k": row["k"]} for row in expected])
    lake.close()


def test_a_selection_of_old_partitions_has_the_newest_schema_of_that_commit(lake):
    publish(lake, d1=pa.table({"x": [1]}))
    publish(lake, d2=pa.table({"x": [2], "y": ["new"]}))
    assert_reads(lake.read(T, ["d1"]), [{"x": 1, "y": None}])
    assert_reads(lake.read(T, ["d1"], at=1), [{"x": 1}])
    publish(lake, d3=pa.table({"y": ["only"]}))
    assert_reads(lake.read(T), [{"y": None}, {"y": "new"}, {"y": "only"}])


def test_columns_that_cannot_become_the_newest_type_are_refused_with_the_ways_out(lake):
    old = publish(lake, d1=pa.table({"x": [1.5], "k": [1]}))
    publish(lake, d2=pa.table({"x": [2], "k": [2]}))
    with pytest.raises(LakeError, match=r"'x' is double in version 1 but int64 in the newest.*Materialize the older"):
        lake.read(T)
    assert_reads(lake.read(T, columns=["k"]), [{"k": 1}, {"k": 2}])
    assert_reads(lake.versions.read(old), [{"x": 1.5, "k": 1}])


def test_types_that_polars_does_not_have_come_back_as_they_were(lake):
    rows = pa.table({"m": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())), "f": pa.array([b"12", None], pa.binary(2))})
    publish(lake, d1=rows)
    assert lake.read(T).arrow().equals(rows)
    assert lake.read(T, partition_column="p").arrow().column("p").to_pylist() == ["d1", "d1"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "values",
    [
        pa.array([Decimal("1.50"), None], pa.decimal128(9, 2)),
        pa.array([[1], None, []], pa.list_(pa.int32())),
        pa.array([{"a": 1, "b": "x"}, None], pa.struct([("a", pa.int64()), ("b", pa.string())])),
        pa.array([None, None], pa.null()),
        pa.array([b"\x00", None]),
        pa.array([float("nan"), float("inf"), -0.0, None]),
        pa.array([1, None], pa.timestamp("ns")),
        pa.array([1, None], pa.duration("us")),
        pa.array([1, None], pa.date32()),
        pa.array([1, None], pa.time64("us")),
        pa.array([1, None], pa.uint64()),
        pa.array([True, None]),
    ],
    ids=lambda values: str(values.type),
)
def test_types_come_back_as_they_were(lake, values):
    rows = pa.table({"c": values, "n": range(len(values))})
    publish(lake, d1=rows)
    assert repr(lake.read(T).arrow().to_pylist()) == repr(rows.to_pylist())
    assert lake.read(T).arrow().schema == rows.schema
    assert lake.read(T).pl().height == len(values)
    with session() as con:
        assert lake.read(T).relation(con).count("n").fetchall()[0] == (len(values),)
        publish(lake, d2=rows.slice(0, 0).append_column("later", pa.array([], pa.int8())))
        kinds = dict(con.sql(f"DESCRIBE ({lake.read(T, ['d2']).sql()})").project("column_name, column_type").fetchall())
        assert kinds["c"] == str(lake.read(T, ["d9"]).relation(con).types[0])


def test_a_known_table_without_rows_keeps_its_columns(lake):
    publish(lake, d1=pa.table({"x": [1], "t": pa.array([0], MICROS)}))
    for reading in (lake.read(T, ["d9"]), lake.read(T, []), lake.read(T, at=0)):
        assert reading.versions == ()
        assert_reads(reading, [])
        assert reading.pl().schema == {"x": pl.Int64, "t": pl.Datetime("us", "UTC")}
    assert lake.read(T, [], columns=["t"], partition_column="p").arrow().schema.names == ["t", "p"]
    unknown = lake.read("p/tables/never", ["d1"], columns=["x"])
    assert (unknown.rows, unknown.pl().shape, unknown.arrow().num_rows) == (0, (0, 0), 0)
    with session() as con, pytest.raises(LakeError, match="has no columns to select yet"):
        unknown.relation(con)


def test_wrong_columns_are_named(lake):
    publish(lake, d1=pa.table({"landed": [1], "_partition": ["x"]}))
    with pytest.raises(LakeError, match=r"has no column 'lended'.*Did you mean 'landed'"):
        lake.read(T, columns=["lended"])
    with pytest.raises(LakeError, match="has a column '_partition' already"):
        lake.read(T, partition_column="_partition")
    with pytest.raises(LakeError, match="No column of"):
        lake.read(T, columns=[])


@pytest.mark.parametrize("way", ["arrow", "pl", "df"])
def test_a_missing_or_cut_file_is_named(lake, way):
    old, new = publish(lake, d1=pa.table({"x": [1]}), d2=pa.table({"x": [2]}))
    path = lake._opened.root / new.files[0].path
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(IntegrityError, match=rf"{path.name} \(1 of 2 files\) is missing or has another size"):
        getattr(lake.read(T), way)()
    os.remove(path)
    with pytest.raises(IntegrityError, match=r"is missing"):
        getattr(lake.read(T), way)()
    with session() as con, pytest.raises(IntegrityError, match=r"is missing"):
        lake.read(T, ["d2"]).relation(con)
    assert lake.versions.read([old]).rows == 1


def test_an_artifact_has_no_rows(lake):
    version = lake.writing.publish([lake.writing.stage_artifact("p/models/m", "d1", {"model.txt": b"x"})]).versions[0]
    reading = lake.read("p/models/m")
    assert reading.versions == (version,)
    with pytest.raises(LakeError, match=r"is an artifact with the files model\.txt"):
        reading.pl()
    with pytest.raises(LakeError, match=r"is an artifact with the files model\.txt"):
        reading.sql()


def several(lake):
    """Publish a table whose columns were renamed, widened and added since, and return its name."""
    old = pa.table({"customer": pa.array([1, 2, 3], pa.int32()), "gone": ["x", "y", "z"], "n": pa.array([2, None, 4], pa.int32())})
    new = pa.table({"client": pa.array([4, 5], pa.int64()), "n": [5.5, None], "since": ["a", None]})
    schema = pa.schema([was(pa.field("client", pa.int64()), ["customer"]), pa.field("n", pa.float64()), pa.field("since", pa.string())])
    publish(lake, **{"2024-01-01": old})
    lake.writing.publish([lake.writing.stage(T, "2024-01-02", new, schema=schema)])
    return T


def test_a_lazy_frame_answers_as_the_whole_does(lake):
    reading = lake.read(several(lake), partition_column="day")
    whole = reading.pl()
    assert reading.lazy().collect_schema() == whole.schema
    for keep in (pl.col("client") > 1, pl.col("n") > 2, pl.col("since").is_null(), pl.col("day") == "2024-01-02", pl.col("n").is_null()):
        for columns in (whole.columns, ["since"], ["day"], ["client", "day"], ["n"]):
            assert reading.lazy().filter(keep).select(columns).collect().equals(whole.filter(keep).select(columns))
    assert reading.lazy().select(pl.len()).collect().item() == whole.height
    assert reading.lazy().head(4).collect().equals(whole.head(4))
    assert lake.read(T, ["2024-01-01"], columns=["since"]).lazy().collect()["since"].to_list() == [None] * 3
    assert lake.read(T, []).lazy().collect().equals(lake.read(T, []).pl())


def test_columns_and_filters_are_pushed_down_into_the_files(lake):
    plan = lake.read(several(lake)).lazy().filter(pl.col("since") == "a").select("client").explain()
    assert "PROJECT 2/3 COLUMNS" in plan
    assert 'SELECTION: col("since") == "a"' in plan
    rows = pa.table({"x": list(range(100_000)), "y": [1.0] * 100_000})
    big = lake.writing.publish([lake.writing.stage("p/tables/big", "d", rows)]).versions[0]
    assert lake.read("p/tables/big").lazy().filter(pl.col("x") < 0).collect().height == 0
    assert big.rows == 100_000


def test_a_lazy_frame_of_types_that_polars_does_not_have(lake):
    rows = pa.table(
        {"m": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())), "t": pa.array([1, 2], pa.timestamp("s")), "x": [1, 2]}
    )
    for day in ("d1", "d2"):
        lake.writing.publish([lake.writing.stage(T, day, rows)])
    reading = lake.read(T, partition_column="day")
    whole = reading.pl()
    assert reading.lazy().collect().equals(whole)
    found = reading.lazy().filter(pl.col("x") == 2, pl.col("day") == "d2").select("m", "t").collect()
    assert found.equals(whole.filter(pl.col("x") == 2, pl.col("day") == "d2").select("m", "t"))
    assert reading.lazy().select("day").head(3).collect()["day"].to_list() == ["d1", "d1", "d2"]


def test_a_lazy_frame_does_not_round_what_does_not_fit(lake):
    publish(lake, a=pa.table({"x": [2**53 + 1], "y": [1]}), b=pa.table({"x": [0.5], "y": [2]}))
    assert lake.read(T).lazy().select("y").collect()["y"].to_list() == [1, 2]
    with pytest.raises(Exception, match="does not fit the newest type of its column"):
        lake.read(T).lazy().collect()


@pytest.mark.slow
def test_whole_numbers_with_nulls_keep_their_digits_in_pandas(lake):
    rows = pa.table(
        {
            "large": pa.array([2**53 + 1, None], pa.int64()), "full": [1, 2], "unsigned": pa.array([2**64 - 1, None], pa.uint64()),
            "small": pa.array([None, 7], pa.int8()), "real": pa.array([0.5, None]), "text": ["a", None],
        }
    )  # fmt: skip
    publish(lake, a=rows)
    frame = lake.read(T).df()
    assert list(frame.columns) == rows.column_names
    kinds = {"large": "Int64", "full": "int64", "unsigned": "UInt64", "small": "Int8", "real": "float64"}
    assert {name: str(frame[name].dtype) for name in kinds} == kinds
    assert frame["large"].tolist()[0] == 2**53 + 1
    assert frame["unsigned"].tolist()[0] == 2**64 - 1
    assert pa.Table.from_pandas(frame, rows.schema).equals(rows)


@pytest.mark.slow
def test_a_wide_table_is_read_by_every_engine(lake):
    rows = pa.table({f"c{i}": [i, i + 1] for i in range(300)})
    publish(lake, a=rows, b=rows.set_column(0, "c0", pa.array([0.5, 1.5])))
    first, *others = every_way(lake.read(T, partition_column="day"))
    assert all(other == first for other in others)
