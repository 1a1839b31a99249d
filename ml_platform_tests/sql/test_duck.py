import duckdb
import pyarrow as pa
import pytest

from ml_platform.sql.duck import connect, quote_name, quote_text, session


def test_connections_are_in_utc_offline_and_closed():
    with connect(threads=1, memory_limit="1GB") as con:
        names = ("TimeZone", "threads", "memory_limit", "autoinstall_known_extensions", "autoload_known_extensions", "enable_progress_bar")
        found = con.sql(f"SELECT {', '.join(f'current_setting({quote_text(n)})' for n in names)}").fetchall()[0]
        assert found == ("UTC", 1, "953.6 MiB", False, False, False)
    with pytest.raises(duckdb.ConnectionException, match="closed"):
        con.execute("SELECT 1")


def test_sessions_are_set_up_like_connections_and_leave_nothing_behind():
    with session(threads=1) as first, session(threads=1) as second:
        assert first.sql("SELECT current_setting('TimeZone'), current_setting('threads')").fetchall() == [("UTC", 1)]
        for con, number in ((first, 1), (second, 2)):
            con.register("rows", pa.table({"n": [number]}))
            con.execute("CREATE TEMP TABLE doubled AS SELECT 2 * n AS n FROM rows")
        assert [con.sql("SELECT n FROM doubled").fetchall() for con in (first, second)] == [[(2,)], [(4,)]]
    with session(threads=1) as con:
        for name in ("rows", "doubled"):
            with pytest.raises(duckdb.CatalogException, match="does not exist"):
                con.execute(f"SELECT * FROM {name}")
    with pytest.raises(duckdb.ConnectionException, match="closed"):
        con.execute("SELECT 1")


def test_no_extension_is_loaded_on_its_own():
    with connect() as con, pytest.raises(duckdb.Error, match=r"(?i)extension|httpfs"):
        con.sql("FROM read_parquet('https://localhost:1/x.parquet')").fetchall()


@pytest.mark.parametrize("odd", ["plain", 'a"b', "a'b", "a b", "SELECT"])
def test_quoting(odd):
    with connect() as con:
        assert con.sql(f"SELECT {quote_text(odd)} AS {quote_name(odd)}").fetchall()[0] == (odd,)
        assert con.sql(f"SELECT {quote_text(odd)} AS {quote_name(odd)}").columns == [odd]
