import pyarrow as pa
import pytest

from ml_platform.core.errors import LakeError, UnknownCommitError, UnknownTableError
from ml_platform.lake.reading.door import open_views
from ml_platform.sql.duck import connect


def rows(*values):
    return pa.table({"x": pa.array(values, pa.int64())})


@pytest.fixture
def filled(lake):
    lake.writing.publish(
        [lake.writing.stage("flights/tables/arrivals", "d1", rows(1)), lake.writing.stage("flights/raw/arrivals", None, rows(10, 20))]
    )
    lake.writing.publish(
        [lake.writing.stage("flights/tables/arrivals", "d2", rows(2)), lake.writing.stage_artifact("flights/models/late", "d1", {"m": b""})]
    )
    return lake


def test_one_view_per_table_at_a_commit(filled):
    with connect() as con:
        assert open_views(con, filled, project="flights") == ["raw.arrivals", "tables.arrivals"]
        assert con.sql("SELECT sum(t.x), sum(DISTINCT r.x) FROM tables.arrivals t, raw.arrivals r").fetchall()[0] == (6, 30)
        open_views(con, filled, at=1, project="flights")
        assert con.sql("SELECT x FROM tables.arrivals").fetchall() == [(1,)]
        open_views(con, filled, at=0, project="flights")
        assert con.sql("FROM tables.arrivals").columns == ["x"]
        assert con.sql("FROM tables.arrivals").fetchall() == []
        with pytest.raises(UnknownCommitError, match="has no commit 7"):
            open_views(con, filled, at=7)


def test_without_a_project_views_carry_its_name_too(filled):
    with connect() as con:
        names = open_views(con, filled)
        assert names == ["flights_raw.arrivals", "raw.arrivals", "flights_tables.arrivals", "tables.arrivals"]
        assert con.sql("FROM flights_tables.arrivals").fetchall() == con.sql("FROM tables.arrivals").fetchall()
    filled.writing.publish([filled.writing.stage("shop/tables/orders", None, rows(5))])
    with connect() as con:
        assert open_views(con, filled) == ["flights_raw.arrivals", "flights_tables.arrivals", "shop_tables.orders"]
    with connect() as con:
        assert open_views(con, filled, project="shop") == ["tables.orders"]


def test_views_do_not_move_while_others_publish(filled):
    with connect() as con:
        open_views(con, filled, project="flights")
        filled.writing.publish([filled.writing.stage("flights/tables/arrivals", "d1", rows(100))])
        assert con.sql("SELECT sum(x) FROM tables.arrivals").fetchall()[0] == (3,)


def test_unknown_projects_are_named(filled):
    with connect() as con, pytest.raises(UnknownTableError, match=r"project 'flight'\. .*Did you mean 'flights'"):
        open_views(con, filled, project="flight")


def test_tables_of_other_names_have_views_too(filled):
    filled.writing.publish(
        [
            filled.writing.stage(name, None, rows(n))
            for n, name in enumerate(("plain", "finance/fx", "flights/raw/new/arrivals", "flights_raw/arrivals"))
        ]
    )
    with connect() as con:
        names = open_views(con, filled)
        assert names[:4] == ["flights_raw.arrivals", "raw.arrivals", "flights_tables.arrivals", "tables.arrivals"]
        assert names[4:] == ["finance.fx", "flights_raw_new.arrivals", "main.flights_raw/arrivals", "main.plain"]
        assert con.execute("SELECT (FROM plain), (FROM finance.fx), (FROM flights_raw_new.arrivals)").fetchall() == [(0, 1, 2)]
        assert con.execute('FROM "flights_raw/arrivals"').fetchall() == [(3,)]
        assert con.execute("SELECT count(*) FROM flights_raw.arrivals").fetchall() == [(2,)]
        assert open_views(con, filled, project="finance") == ["finance.fx"]


def test_rows_without_columns_are_refused(lake):
    with pytest.raises(LakeError, match=r"The rows for 'p/tables/a'.* have no columns \(2 rows\)"):
        lake.writing.stage("p/tables/a", None, rows(1, 2).select([]))
