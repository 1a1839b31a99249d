import duckdb
import pytest

from ml_platform.lake.duck import connect, quote_name, quote_text


def test_connections_are_in_utc_offline_and_closed():
    with connect(threads=1, memory_limit="1GB") as con:
        names = ("TimeZone", "threads", "memory_limit", "autoinstall_known_extensions", "autoload_known_extensions", "enable_progress_bar")
        found = con.sql(f"SELECT {', '.join(f'current_setting({quote_text(n)})' for n in names)}").fetchall()[0]
        assert found == ("UTC", 1, "953.6 MiB", False, False, False)
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
