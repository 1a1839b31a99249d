"""Tables on a page are as wide as the page shows, and lose nothing."""

import dagster as dg

from ml_platform.components.events.shown_table import MORE, ON_A_CHECK, ON_AN_ASSET, long_last, table_value

WIDE = {
    "column": "origin_dep_delay_mean_1h",
    "drifted": True,
    "importance": 0.15,
    "what changed": "mean 6.697 -> 12.19",
    "measure": "W1/sd",
}


def test_columns_that_do_not_fit_are_told_in_one():
    rows = [WIDE, {**WIDE, "column": "b", "measure": None, "importance": float("nan")}]
    table = table_value(rows, ON_AN_ASSET)
    assert [c.name for c in table.schema.columns] == ["column", "drifted", MORE]
    assert table.records[0].data == {
        "column": "origin_dep_delay_mean_1h",
        "drifted": True,
        MORE: "importance 0.15; what changed mean 6.697 -> 12.19; measure W1/sd",
    }
    assert table.records[1].data[MORE] == "importance nan; what changed mean 6.697 -> 12.19"


def test_a_table_that_fits_stays_as_it_is():
    table = table_value([WIDE], ON_A_CHECK)
    assert [c.name for c in table.schema.columns] == list(WIDE)
    assert [c.type for c in table.schema.columns] == ["string", "bool", "float", "string", "string"]
    assert table_value([], ON_A_CHECK) == "(no rows)"


def test_one_column_is_there_however_long_its_words_are():
    table = table_value([{"feature": "a" * 200, "mean": 1.0}], ON_AN_ASSET)
    assert [c.name for c in table.schema.columns] == ["feature", MORE]


def test_long_tables_stand_below_figures():
    long = table_value([{"n": n} for n in range(26)], ON_AN_ASSET)
    short = dg.MetadataValue.table([dg.TableRecord({"n": 1})])
    assert list(long_last({"features": long, "splits": short, "rows": 3})) == ["splits", "rows", "features"]
