"""Keys that stand in one delivery more than once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_platform.sql.duck import quote_name
from ml_platform.tables.declared.rules import EXACT_DUPLICATE, KEY_UNIQUE, Rule
from ml_platform.tables.declared.table import Table

if TYPE_CHECKING:
    import duckdb


def mark_duplicates(con: duckdb.DuckDBPyConnection, table: Table, content: str) -> None:
    """Mark rows of one delivery that share a key, in ``_duplicate`` of the temporary table ``judged``.

    Of exact repetitions all but the first are marked; of rows that contradict each other all, because nobody can know which is right.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Where ``judged`` is; receives the temporary table ``repeated``: partition and key of all that stands there more than once.
    table : Table
        With a key.
    content : str
        SQL list of the columns that make two rows equal.
    """
    key = ", ".join(quote_name(k) for k in table.key)
    # Of a source that is delivered whole again and again, what stands in the newest delivery has the origin of the one that brought it.
    when = "CASE WHEN NOT _current THEN _delivered_at END" if table.splits else "_delivered_at"
    delivery = f"_partition, _file, {when}, _current"
    known = " AND ".join(f"{quote_name(k)} IS NOT NULL" for k in table.key)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE repeated AS SELECT _partition, {key} FROM judged WHERE {known} "
        f"GROUP BY _partition, {key} HAVING count(*) > 1"
    )
    if not con.execute("SELECT count(*) FROM repeated").fetchall()[0][0]:
        return
    con.execute(
        "CREATE OR REPLACE TEMP TABLE duplicates AS WITH again AS ("
        f"SELECT * FROM judged SEMI JOIN repeated USING (_partition, {key})), "
        f"numbered AS (SELECT *, row_number() OVER (PARTITION BY {delivery}, {content} ORDER BY _row) AS _copy "
        "FROM again) "
        f"SELECT _id, CASE WHEN count(*) FILTER (_copy = 1) OVER (PARTITION BY {delivery}, {key}) > 1 THEN '{KEY_UNIQUE}' "
        f"WHEN _copy > 1 THEN '{EXACT_DUPLICATE}' END AS _rule FROM numbered QUALIFY _rule IS NOT NULL"
    )
    con.execute("UPDATE judged SET _duplicate = d._rule FROM duplicates d WHERE judged._id = d._id")


def duplicate_rules(table: Table) -> list[Rule]:
    """Return the rules that :func:`mark_duplicates` judges by, as conditions over ``judged``."""
    key = ", ".join(table.key)
    return [
        Rule(KEY_UNIQUE, key, "reject", f"coalesce(_duplicate = '{KEY_UNIQUE}', FALSE)", "rows of one file do not contradict each other"),
        Rule(EXACT_DUPLICATE, key, "reject", f"coalesce(_duplicate = '{EXACT_DUPLICATE}', FALSE)", "a row stands once in a file"),
    ]
