import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ml_platform.core.errors import SourceError
from ml_platform.tables.delivered.frames import plain_types, to_arrow


@pytest.mark.parametrize("frame", [pa.table({"a": [1]}), pl.DataFrame({"a": [1]}), pl.LazyFrame({"a": [1]}), pd.DataFrame({"a": [1]})])
def test_rows_come_as_any_frame(frame):
    assert to_arrow(frame, "feed.py:fetch").to_pydict() == {"a": [1]}


def test_other_things_are_no_rows():
    for thing, name in (([1], "list"), (pl.Series([1]), "Series"), (pd.Series([1]), "Series"), ({"a": [1]}, "dict"), ([], "list")):
        with pytest.raises(SourceError, match=rf"feed.py:fetch returned a {name}\. Return an Arrow table"):
            to_arrow(thing, "feed.py:fetch")


def test_rows_that_cannot_be_read_are_the_functions_failure():
    with pytest.raises(SourceError, match=r"feed.py:fetch returned rows that cannot be read: ColumnNotFoundError"):
        to_arrow(pl.LazyFrame({"a": [1]}).select("b"), "feed.py:fetch")
    with pytest.raises(SourceError, match=r"two columns called 'a'"):
        to_arrow(pa.table([[1], [2]], names=["a", "a"]), "feed.py:fetch")
    connection = duckdb.connect()
    relation = connection.sql("SELECT 1 AS a")
    connection.close()
    with pytest.raises(SourceError, match=r"cannot be read: ConnectionException"):
        to_arrow(relation, "feed.py:fetch")


@pytest.mark.parametrize(
    ("packed", "plain"),
    [
        (pa.array(["a"], pa.string_view()), pa.string()),
        (pa.array(["a"], pa.large_string()).dictionary_encode(), pa.string()),
        (pa.array([b"a"], pa.binary_view()), pa.binary()),
        (pa.array([["a"]], pa.large_list(pa.large_string())), pa.list_(pa.string())),
        (pa.array([{"a": ["b"]}], pa.struct({"a": pa.list_(pa.large_string())})), pa.struct({"a": pa.list_(pa.string())})),
        (pa.array([[("a", "b")]], pa.map_(pa.large_string(), pa.large_string())), pa.map_(pa.string(), pa.string())),
        (pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16], pa.binary(16))), pa.binary(16)),
    ],
    ids=str,
)
def test_how_values_are_packed_is_no_type(packed, plain):
    table = plain_types(pa.table({"a": packed}))
    assert table.schema.field("a").type == plain
    values = packed.storage if isinstance(packed, pa.ExtensionArray) else packed
    assert table["a"].to_pylist() == values.to_pylist()
