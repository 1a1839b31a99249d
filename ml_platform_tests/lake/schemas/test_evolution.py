import itertools
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ml_platform.core.errors import LakeError
from ml_platform.lake.lake import Lake
from ml_platform.lake.reading.door import open_views
from ml_platform.lake.schemas.evolution import can_become, check_former_names, former_names, was
from ml_platform.sql.duck import connect
from ml_platform_tests.effort import examples
from ml_platform_tests.lake.reading.test_reading import assert_reads

T = "p/tables/a"

TYPES = [
    *(pa.int8(), pa.int16(), pa.int64(), pa.uint8(), pa.uint64(), pa.float32(), pa.float64(), pa.bool_(), pa.string(), pa.large_string()),
    *(pa.binary(), pa.date32(), pa.timestamp("us"), pa.timestamp("us", tz="UTC"), pa.timestamp("ns", tz="UTC")),
    *(pa.decimal128(5, 2), pa.decimal128(9, 4), pa.decimal128(9, 8), pa.null(), pa.list_(pa.int64())),
]


def test_what_may_become_another_type_can_be_cast_by_arrow():
    allowed = [(old, new) for old, new in itertools.product(TYPES, TYPES) if can_become(old, new)]
    assert all(pa.array([None], old).cast(new).type == new for old, new in allowed)
    assert len(TYPES) < len(allowed) < len(TYPES) ** 2 / 2


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (pa.int16(), pa.int64(), True),
        (pa.int64(), pa.int16(), True),  # refused by the cast itself where a value does not fit
        (pa.int64(), pa.float64(), True),
        (pa.int64(), pa.float32(), False),
        (pa.float64(), pa.float32(), False),
        (pa.float64(), pa.int64(), False),
        (pa.bool_(), pa.int8(), False),
        (pa.string(), pa.int64(), False),
        (pa.int64(), pa.string(), False),
        (pa.string(), pa.large_string(), True),
        (pa.timestamp("us"), pa.timestamp("us", tz="UTC"), False),
        (pa.timestamp("ns", tz="UTC"), pa.timestamp("us", tz="UTC"), False),
        (pa.decimal128(5, 2), pa.decimal128(9, 4), True),
        (pa.decimal128(5, 2), pa.decimal128(9, 8), False),
        (pa.null(), pa.list_(pa.int64()), True),
        (pa.decimal128(2, 1), pa.float64(), True),
        (pa.decimal128(15, 3), pa.float64(), True),
        (pa.decimal128(16, 3), pa.float64(), False),
        (pa.decimal128(2, 1), pa.float32(), False),
        (pa.float64(), pa.decimal128(2, 1), False),
    ],
    ids=str,
)
def test_what_may_become_what(old, new, expected):
    assert can_become(old, new) is expected


def field(name, kind=None, *former):
    return was(pa.field(name, pa.int64() if kind is None else kind), former)


def publish(lake, partition, schema, *columns):
    schema = pa.schema(schema)
    lake.writing.publish([lake.writing.stage(T, partition, pa.table(list(columns), names=schema.names), schema=schema)])


def door(lake, at=None):
    """What the SQL door shows of the table, as dicts in a common order."""
    with connect() as con:
        open_views(con, lake, at=at)
        return sorted(repr(sorted(row.items())) for row in con.sql("FROM tables.a").to_arrow_table().to_pylist())


def assert_reads_in_every_way(lake, expected, at=None):
    assert_reads(lake.read(T, at=at), expected)
    assert door(lake, at) == sorted(repr(sorted(row.items())) for row in expected)


WIDTHS = [pa.int16(), pa.int32(), pa.int64(), pa.float64()]
CHANGES = st.lists(
    st.tuples(st.sampled_from(["add", "drop", "rename", "widen", "nothing"]), st.integers(0, 9), st.integers(-9, 9)), max_size=5
)


@pytest.mark.slow
@settings(max_examples=examples(12))
@given(CHANGES)
@example([("drop", 0, 0), ("add", 0, 0), ("drop", 0, 0)])  # versions that hold none of the columns, nor one in common
def test_columns_that_come_go_widen_and_change_their_names_read_right_in_every_state(tmp_path_factory, changes):
    lake = Lake.open(tmp_path_factory.mktemp("lake"))
    names = (f"c{i}" for i in itertools.count())
    # A column: its number, its names (the newest first) and how wide it is.
    columns = [[0, [next(names)], 0], [1, [next(names)], 0]]
    written, states = [], []
    for step, (change, which, value) in enumerate([("nothing", 0, 5), *changes]):
        column = columns[which % len(columns)]
        if change == "add":
            columns.append([100 + step, [next(names)], 0])
        elif change == "drop" and len(columns) > 1:
            columns.remove(column)
        elif change == "rename":
            column[1] = [next(names), *column[1]]
        elif change == "widen":
            column[2] = min(column[2] + 1, len(WIDTHS) - 1)
        schema = [field(called[0], WIDTHS[width], *called[1:]) for _, called, width in columns]
        publish(lake, f"d{step}", schema, *([value, None] for _ in columns))
        written.append({number: value for number, _, _ in columns})
        kinds = {called[0]: (number, float if width == len(WIDTHS) - 1 else int) for number, called, width in columns}
        rows = []
        for old in written:
            read = {name: (kind(old[number]) if number in old else None) for name, (number, kind) in kinds.items()}
            rows += [read, dict.fromkeys(kinds)]
        states.append(rows)
    for number, rows in enumerate(states, 1):
        assert_reads(lake.read(T, at=number), rows)
        assert door(lake, at=number) == sorted(repr(sorted(row.items())) for row in rows)
    assert lake.health.verify() == []
    lake.close()


@pytest.mark.slow
def test_a_renamed_column_reads_by_its_new_name_and_by_its_old_one_as_of_then(any_lake):
    lake = any_lake
    publish(lake, "d1", [field("delay"), field("n")], [1, 2], [0, 0])
    publish(lake, "d2", [field("arr_delay", pa.float64(), "delay"), field("n")], [2.5], [0])
    assert_reads_in_every_way(lake, [{"arr_delay": 1.0, "n": 0}, {"arr_delay": 2.0, "n": 0}, {"arr_delay": 2.5, "n": 0}])
    assert_reads_in_every_way(lake, [{"delay": 1, "n": 0}, {"delay": 2, "n": 0}], at=1)
    assert_reads(lake.read(T, ["d1"], columns=["arr_delay"]), [{"arr_delay": 1.0}, {"arr_delay": 2.0}])
    assert_reads(lake.versions.read([1]), [{"delay": 1, "n": 0}, {"delay": 2, "n": 0}])
    assert lake.read(T).arrow().schema.field("arr_delay").metadata is None
    with pytest.raises(LakeError, match=r"has no column 'delay'\. It is called 'arr_delay' now"):
        lake.read(T, columns=["delay"])


def test_names_go_there_and_back(lake):
    publish(lake, "d1", [field("a")], [1])
    publish(lake, "d2", [field("b", None, "a")], [2])
    publish(lake, "d3", [field("a", None, "b")], [3])
    assert_reads_in_every_way(lake, [{"a": 1}, {"a": 2}, {"a": 3}])
    publish(lake, "d4", [field("c", None, "a", "b")], [4])
    assert_reads_in_every_way(lake, [{"c": 1}, {"c": 2}, {"c": 3}, {"c": 4}])


def test_a_name_that_would_mean_two_columns_is_refused(lake):
    with pytest.raises(LakeError, match=r"says that 'b' was called 'a', but declares a column 'a' as well"):
        publish(lake, "d1", [field("b", None, "a"), field("a")], [1], [1])
    with pytest.raises(LakeError, match="says that both 'b' and 'c' were called 'a'"):
        check_former_names(pa.schema([field("b", None, "a"), field("c", None, "a")]), "T")
    publish(lake, "d1", [field("a")], [1])
    publish(lake, "d2", [field("b", None, "a")], [2])
    publish(lake, "d3", [field("b"), field("a")], [3], [30])
    with pytest.raises(LakeError, match=r"'a' was the name of 'b' until version 2\. Materialize the older"):
        lake.read(T)
    assert_reads(lake.read(T, ["d3"]), [{"b": 3, "a": 30}])
    assert former_names(lake.versions.get(2).schema.field("b")) == ("a",)


def test_a_rename_and_a_type_that_do_not_go_together_are_refused(lake):
    publish(lake, "d1", [field("a", pa.string())], ["x"])
    publish(lake, "d2", [field("b", pa.int64(), "a")], [1])
    with pytest.raises(LakeError, match=r"'b', there called 'a', is string in version 1 but int64 in the newest"):
        lake.read(T)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        (pa.int64(), pa.int16(), 40_000),
        (pa.int64(), pa.uint8(), -1),
        (pa.uint64(), pa.int64(), 2**63),
        (pa.int64(), pa.float64(), 2**53 + 1),
        (pa.int64(), pa.float64(), 2**63 - 1),
    ],
    ids=str,
)
def test_a_value_that_the_newest_type_cannot_hold_is_never_changed(lake, old, new, value):
    publish(lake, "d1", [field("x", old), field("n")], pa.array([value], old), [0])
    publish(lake, "d2", [field("x", new), field("n")], [1], [0])
    reading = lake.read(T)
    for read in (reading.pl, reading.arrow, reading.df):
        with pytest.raises(LakeError, match=r"a value of an older version does not fit the newest type of its column .*Materialize"):
            read()
    with connect() as con, pytest.raises(duckdb.Error, match=r"does not fit|out of range"):
        reading.relation(con).fetchall()
    assert_reads(lake.read(T, columns=["n"]), [{"n": 0}, {"n": 0}])
    assert_reads(lake.read(T, at=1), [{"x": value, "n": 0}])


@pytest.mark.parametrize("extra", [[], [pa.field("l", pa.list_(pa.int64(), 1))]], ids=["polars", "arrow"])
def test_times_of_another_age_do_not_turn_around(lake, extra):
    more = [[[1]]] * len(extra)
    publish(lake, "d1", [field("t", pa.timestamp("us")), *extra], pa.array([-(10**17)], pa.timestamp("us")), *more)
    publish(lake, "d2", [field("t", pa.timestamp("ns")), *extra], pa.array([1], pa.timestamp("ns")), *more)
    with pytest.raises(LakeError, match="does not fit the newest type"):
        lake.read(T).arrow()


def test_large_integers_that_floats_hold_are_read_as_floats(lake):
    values = [2**53, -(2**53), 2**60, None]
    publish(lake, "d1", [field("x")], values)
    publish(lake, "d2", [field("x", pa.float64())], [0.5])
    assert_reads_in_every_way(lake, [{"x": None if v is None else float(v)} for v in [*values, 0.5]])


@pytest.mark.slow
def test_a_literal_of_sql_does_not_make_a_column_of_decimals(any_lake):
    lake = any_lake
    declared = pa.schema([("x", pa.float64())])
    with connect() as con:
        literal = con.sql("SELECT 0.0 AS x").to_arrow_table()
        other = con.sql("SELECT 12345.678 AS x").to_arrow_table()
    assert literal.schema.field("x").type == pa.decimal128(2, 1)
    lake.writing.publish([lake.writing.stage(T, "d1", other, schema=declared), lake.writing.stage(T, "d2", literal, schema=declared)])
    assert {version.schema.field("x").type for version in lake.versions.resolve(T)} == {pa.float64()}
    assert lake.writing.stage(T, "d2", literal, schema=declared).data_hash == lake.writing.stage(T, "d2", pa.table({"x": [0.0]})).data_hash
    assert_reads_in_every_way(lake, [{"x": 12345.678}, {"x": 0.0}])


def test_decimals_of_a_time_without_a_declaration_read_as_the_floats_that_were_declared_since(lake):
    lake.writing.publish([lake.writing.stage(T, "d1", pa.table({"x": [Decimal("0.1"), Decimal("-2.7"), None]}))])
    assert lake.versions.get(1).schema.field("x").type == pa.decimal128(2, 1)
    publish(lake, "d2", [field("x", pa.float64())], [0.5])
    assert_reads_in_every_way(lake, [{"x": 0.1}, {"x": -2.7}, {"x": None}, {"x": 0.5}])
    publish(lake, "d3", [field("x", pa.decimal128(2, 1))], [Decimal("0.0")])
    # A literal zero of SQL in the newest partition decides nothing: the table is what it was.
    assert_reads_in_every_way(lake, [{"x": 0.1}, {"x": -2.7}, {"x": None}, {"x": 0.5}, {"x": 0.0}])


def test_states_on_both_sides_of_a_rename_are_compared_by_the_new_name(lake):
    publish(lake, "d1", [field("k"), field("old"), field("gone")], [1, 2], [10, 20], [0, 0])
    publish(lake, "d1", [field("k"), field("new", pa.float64(), "old")], [1, 2, 3], [10.0, 21.0, 30.0])
    found = lake.diff(T, 1, 2, key=["k"])
    (part,) = found.different
    assert (part.rows_added, part.rows_removed, part.rows_changed) == (1, 0, 1)
    assert (found.columns_renamed, found.columns_added, found.columns_removed) == (("old -> new",), (), ("gone",))


def test_a_rename_that_is_declared_afterwards_counts_from_then_on(lake):
    publish(lake, "d1", [field("a")], [1])
    publish(lake, "d2", [field("b")], [2])
    assert_reads_in_every_way(lake, [{"b": None}, {"b": 2}])
    schema = pa.schema([field("b", None, "a")])
    rows = pa.table({"b": [2]})
    lake.writing.publish([lake.writing.stage(T, "d2", rows, schema=schema, code_version="declared")])
    assert lake.versions.get(3).files == lake.versions.get(2).files
    assert_reads_in_every_way(lake, [{"b": 1}, {"b": 2}])
    assert_reads_in_every_way(lake, [{"b": None}, {"b": 2}], at=2)


def in_lists(kind):
    return pa.list_(pa.struct([("a", kind)]))


NESTED = {
    "a field is added": ([{"x": 1}], [{"x": 1, "y": 2}, None], [{"x": 1, "y": None}, {"x": 1, "y": 2}, None]),
    "a field is dropped, another added": ([{"x": 1, "z": "q"}], [{"y": 0.5, "x": 1}], [{"y": None, "x": 1}, {"y": 0.5, "x": 1}]),
    "wider in a list": (pa.array([[1], None], pa.list_(pa.int32())), [[2**40]], [[1], None, [2**40]]),
    "text in wider offsets": (pa.array([["u"]], pa.list_(pa.string())), pa.array([["w"]], pa.list_(pa.large_string())), [["u"], ["w"]]),
    "another name of the items": (
        pa.array([["u"]], pa.list_(pa.string())),
        pa.array([["w"]], pa.list_(pa.field("element", pa.string(), nullable=False))),
        [["u"], ["w"]],
    ),
    "structs in a list": (
        pa.array([[{"a": 1}]], in_lists(pa.int8())), [[{"a": 300, "b": "x"}]], [[{"a": 1, "b": None}], [{"a": 300, "b": "x"}]],
    ),
    "a list in a struct": (pa.array([{"a": [1]}], pa.struct([("a", pa.list_(pa.int8()))])), [{"a": [0.5]}], [{"a": [1.0]}, {"a": [0.5]}]),
    "nothing, then numbers": (pa.nulls(2), [1], [None, None, 1]),
    "numbers, then nothing": ([7], pa.nulls(2), [7, None, None]),
    "lists, then empty ones": ([[7]], pa.array([[], None], pa.list_(pa.null())), [[7], [], None]),
    "floats, then a literal zero": ([1.5], [Decimal("0.0")], [1.5, 0.0]),
    "a sum, then a literal zero": ([Decimal("1234.56")], [Decimal("0.0")], [Decimal("1234.56"), Decimal("0.00")]),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("old", "new", "expected"), NESTED.values(), ids=NESTED)
def test_nested_columns_and_those_that_nobody_decided_evolve_too(lake, old, new, expected):
    for partition, values in (("d1", old), ("d2", new)):
        lake.writing.publish([lake.writing.stage(T, partition, pa.table({"c": values}))])
    reading = lake.read(T)
    with connect() as con:
        found = [reading.relation(con).fetchall(), reading.arrow().to_pylist(), reading.pl().rows(), reading.lazy().collect().rows()]
    assert [[row["c"] if isinstance(row, dict) else row[0] for row in rows] for rows in found] == [expected] * 4
    assert reading.arrow().schema == reading.schema
    assert lake.diff(T, 1, 2).different[0].status == "added"


@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: {"a": x}, lambda x: [{"a": x}]], ids=["list", "struct", "both"])
def test_a_number_inside_that_does_not_fit_is_an_error_in_every_engine(lake, wrap):
    for partition, value in (("d1", 2**53 + 1), ("d2", 0.5)):
        lake.writing.publish([lake.writing.stage(T, partition, pa.table({"c": [wrap(value)]}))])
    reading = lake.read(T)
    for read in (reading.arrow, reading.pl, reading.lazy().collect):
        with pytest.raises(LakeError, match="does not fit the newest type of its column"):
            read()
    with connect() as con, pytest.raises(duckdb.Error, match="does not fit the newest type of column 'c'"):
        reading.relation(con).fetchall()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([{"x": 1}], [{"y": 1}]),
        ([[1]], [["a"]]),
        ([{"x": "a"}], [{"x": 1}]),
        (pa.array([[1, 2]], pa.list_(pa.int64(), 2)), pa.array([[1, 2, 3]], pa.list_(pa.int64(), 3))),
        ([{"x": 1}], pa.array([{"x": 1, "y": 2}], pa.struct([("x", pa.int64()), pa.field("y", pa.int64(), nullable=False)]))),
    ],
)
def test_nested_columns_of_another_meaning_are_refused(lake, old, new):
    for partition, values in (("d1", old), ("d2", new)):
        lake.writing.publish([lake.writing.stage(T, partition, pa.table({"c": values}))])
    with pytest.raises(LakeError, match=r"cannot be read as one table: 'c' is .* in version 1 but"):
        lake.read(T)
