from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest

from ml_platform.core.errors import DeclarationError, UnknownNameError
from ml_platform.features.compile import compile_view
from ml_platform.features.declared.definition import definition_hash
from ml_platform.features.declared.functions.quantiles import share_of
from ml_platform.features.declared.functions.registry import find_function
from ml_platform.features.declared.kinds import definition_from
from ml_platform.features.declared.view import Discover, FeatureColumn, FeatureView
from ml_platform_tests.features.declared_views import ARRIVALS, EVERY_FUNCTION, TABLES, a_view, definitions_of, hours

DELAY = FeatureColumn("arr_delay", ("mean",))


def handmade(**more: object) -> FeatureView:
    given = {
        "entities": (("origin",),), "sql": "SELECT origin, count(*) AS landed FROM arrivals GROUP BY origin",
        "reads": {"arrivals": timedelta(days=2)}, "where": "defs/own.yaml:4",
    }  # fmt: skip
    return FeatureView("own", **(given | more))


def test_names_types_and_order_of_definitions():
    definitions = definitions_of(a_view(*EVERY_FUNCTION, entities=[("origin", "dest")]))
    types = {d.name: d.type for d in definitions}
    assert list(types)[:3] == ["origin_dest_arr_delay_count_3h", "origin_dest_arr_delay_count_1d", "origin_dest_arr_delay_sum_3h"]
    assert types["origin_dest_count_3h"] == types["origin_dest_arr_delay_sum_3h"] == types["origin_dest_late_sum_3h"] == "BIGINT"
    assert types["origin_dest_arr_delay_max_1d"] == types["origin_dest_arr_delay_latest"] == "BIGINT"
    assert (
        types["origin_dest_temp_sum_3h"] == types["origin_dest_late_share_3h"] == types["origin_dest_arr_delay_time_since_3h"] == "DOUBLE"
    )
    assert types["origin_dest_remark_last_3h"] == "VARCHAR"
    assert types["origin_dest_late_last_3h"] == "BOOLEAN"


def test_a_definition_goes_through_json_and_back():
    for definition in [*definitions_of(a_view(*EVERY_FUNCTION, refresh=None)), *compile_view(handmade(), TABLES).definitions(("origin",))]:
        again = definition_from(json.loads(json.dumps(definition.to_dict())))
        assert again == definition


def test_the_hash_is_of_what_is_computed():
    first, second = definitions_of(a_view(DELAY))
    assert definition_hash([first, second]) == definition_hash([second, replace(first, description="In other words.")])
    assert definition_hash([first]) != definition_hash([second])
    assert definition_hash([first]) != definition_hash([replace(first, refresh=None)])
    assert definition_hash([first]) != definition_hash([replace(first, sql="arr_delay + 1")])


def test_a_compiled_view_says_what_it_reads_and_stores():
    view = compile_view(a_view(*EVERY_FUNCTION, entities=[("origin",), ("origin", "dest")]), TABLES)
    assert view.tables == ("arrivals",)
    assert view.max_window == timedelta(days=1)
    assert view.reads == {"arrivals": timedelta(days=1, hours=1)}
    assert view.asset_names == {("origin",): "delays__origin", ("origin", "dest"): "delays__origin_dest"}
    types = view.column_types(("origin", "dest"))
    assert list(types)[:3] == ["origin", "dest", "valid_from"]
    assert types["origin_dest_arr_delay_last_time_3h"] == "TIMESTAMP WITH TIME ZONE"


def test_percentiles_are_functions_from_p1_to_p99():
    assert [share_of(name) for name in ("median", "p1", "p99", "p0", "p100", "p05", "mean")] == [0.5, 0.01, 0.99, None, None, None, None]
    assert find_function("p90").words == "90th percentile of {value}"
    assert find_function("p100") is None


def test_a_column_counts_from_all_that_it_needs():
    by_name = {
        d.name: d for d in definitions_of(a_view(DELAY, FeatureColumn("cancelled", ("share",)), source="flights", windows=[hours(3)]))
    }
    assert by_name["origin_cancelled_share_3h"].available_at == ("_available_at",)
    assert by_name["origin_arr_delay_mean_3h"].available_at == ("_available_at", "_available_at_2")
    ratio = definitions_of(a_view(FeatureColumn("ratio", ("mean",), sql="arr_delay / temp"), source="flights", windows=[hours(3)]))
    assert ratio[0].columns == ("arr_delay", "temp")
    by_tail = definitions_of(a_view(FeatureColumn("cancelled", ("share",)), source="flights", entities=[("tailnum",)], windows=[hours(3)]))
    assert by_tail[0].available_at == ("_available_at", "_available_at_2")


def test_rows_are_counted_without_a_column():
    rows = FeatureColumn("rows", ("count", "time_since"))
    assert [d.name for d in definitions_of(a_view(rows, windows=[hours(3)]))] == ["origin_count_3h", "origin_time_since_3h"]
    with pytest.raises(DeclarationError, match=r"whole rows, which have avg_time_between, count, .*; mean need a `column`"):
        definitions_of(a_view(FeatureColumn("rows", ("mean",))))


def test_the_same_feature_declared_twice_is_one():
    counted = (FeatureColumn("rows", ("count",)), FeatureColumn("arr_delay", ("mean",)), FeatureColumn("", ("count",)))
    assert [d.name for d in definitions_of(a_view(*counted, windows=[hours(3)]))] == ["origin_count_3h", "origin_arr_delay_mean_3h"]


def test_count_is_of_the_values_of_a_column_and_of_rows_without_one():
    counted = (
        FeatureColumn("remark", ("count",)),
        FeatureColumn("late", ("count",), sql="arr_delay > 15"),
        FeatureColumn("rows", ("count",)),
    )
    of_remark, of_late, of_rows = definitions_of(a_view(*counted, windows=[hours(3)]))
    assert [d.name for d in (of_remark, of_late, of_rows)] == ["origin_remark_count_3h", "origin_late_count_3h", "origin_count_3h"]
    assert of_remark.description.startswith("Number of values of remark ")
    assert of_rows.description.startswith("Number of rows ")
    assert (of_late.value, of_late.sql, of_rows.value) == ("late", "arr_delay > 15", None)
    # What a model trained before says of a count names no column: it still means rows.
    kept = {name: value for name, value in of_rows.to_dict().items() if name not in {"value", "sql"}}
    assert definition_from(kept) == of_rows


WRONG = {
    "unknown table": (a_view(DELAY, source="arivals"), "no table 'arivals'. What exists: arrivals, flights. Did you mean 'arrivals'"),
    "unknown column": (a_view(FeatureColumn("arr_dely", ("mean",))), "no column 'arr_dely'.*Did you mean 'arr_delay'"),
    "unknown column in sql": (a_view(FeatureColumn("late", ("share",), sql="arr_dely > 15")), "arr_dely.*Did you mean 'arr_delay'"),
    "unknown function": (a_view(FeatureColumn("arr_delay", ("meen",))), "no function 'meen'.*Did you mean 'mean'"),
    "no function": (a_view(FeatureColumn("arr_delay", ())), "'arr_delay' names no functions"),
    "unknown entity column": (a_view(DELAY, entities=[("orign",)]), "no column 'orign'.*Did you mean 'origin'"),
    "entity twice": (a_view(DELAY, entities=[("origin",), ("origin",)]), "stands twice"),
    "entity of fractions": (a_view(DELAY, entities=[("temp",)]), "'temp' is DOUBLE, which cannot identify an entity"),
    "no entity": (a_view(DELAY, entities=[]), "names no entity"),
    "two features of one name": (
        a_view(FeatureColumn("late", ("share",), sql="arr_delay > 15"), FeatureColumn("late", ("share",), sql="arr_delay > 30")),
        "two features of view 'delays' are named 'origin_late_share_3h'",
    ),
    "a feature named like a column": (a_view(FeatureColumn("temp", ("mean",), sql="arr_delay * 2")), "named like a column"),
    "never known": (a_view(FeatureColumn("note", ("last",)), source="flights"), "'note' of table 'flights' cannot be"),
    "entity never known": (a_view(DELAY, source="flights", entities=[("note",)]), "'note' of table 'flights' cannot be a feature"),
    "mean of text": (a_view(FeatureColumn("remark", ("mean",))), "mean takes numbers, but 'remark' is VARCHAR"),
    "share of a number": (a_view(FeatureColumn("arr_delay", ("share",))), "share takes booleans, but 'arr_delay' is BIGINT.*arr_delay > 0"),
    "mean of a boolean": (a_view(FeatureColumn("cancelled", ("mean",))), "'cancelled' is BOOLEAN. Use share or sum"),
    "no windows": (a_view(DELAY, windows=[]), "mean of 'arr_delay' needs `windows`"),
    "empty window": (a_view(DELAY, windows=[timedelta(0)]), "whole seconds and more than none"),
    "latest without ttl": (a_view(FeatureColumn("temp", ("latest",))), "latest of 'temp' needs `ttl`"),
    "no features": (a_view(), "declares no features"),
    "reads with a source": (a_view(DELAY, reads={"flights": hours(3)}), "`reads` belongs to"),
    "refresh of nothing": (a_view(DELAY, refresh=timedelta(0)), "refresh must be whole seconds"),
    "a list as value": (a_view(FeatureColumn("both", ("last",), sql="[arr_delay]")), "is .*\\[\\]; a feature is made of"),
    "aggregate in a row": (a_view(FeatureColumn("late", ("mean",), sql="avg(arr_delay)")), "one value per row"),
    "unknown primitive": (a_view(discover=Discover(primitives=("entropy", "trend"))), "no function for the primitives entropy, trend"),
    "unknown discovered column": (a_view(discover=Discover(columns=("tmp",))), "no column 'tmp'.*Did you mean 'temp'"),
    "discover without windows": (a_view(discover=Discover(), windows=[]), "`discover` needs `windows`"),
    "sql without reads": (handmade(reads={}), "needs `reads`"),
    "sql that is continuous": (handmade(refresh=None), "cannot be continuous"),
    "sql for two entities": (handmade(entities=(("origin",), ("dest",))), "one entity"),
    "sql without its key": (handmade(sql="SELECT count(*) AS n FROM arrivals"), "no entity column 'origin'"),
    "sql over a table that is not read": (handmade(sql="SELECT origin FROM flights"), "flights.*What exists: arrivals"),
    "sql over an unknown column": (handmade(sql="SELECT origin, max(tmp) AS t FROM arrivals GROUP BY 1"), "tmp.*Did you mean 'temp'"),
    "sql over what is never known": (
        handmade(sql="SELECT origin, max(note) AS n FROM flights GROUP BY 1", reads={"flights": hours(3)}), "'note' of table"
    ),
    "sql with windows": (handmade(windows=(hours(3),)), "belong to views with a `source`"),
    "sql with features": (handmade(features=(DELAY,)), "leave `features` out"),
    "sql that reads files": (handmade(sql="SELECT * FROM read_csv('x.csv')"), "read_csv"),
    "sql that asks for the time": (handmade(sql="SELECT origin, now() AS n FROM arrivals"), "now\\(\\)"),
    "python without a file": (handmade(sql=None, python=("gone.py", "legs"), features=(FeatureColumn("a", ()),)), "no file 'gone.py'"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_declaration_says_where_it_is_and_what_is_wrong(name: str):
    view, message = WRONG[name]
    with pytest.raises(DeclarationError, match=f"(?s){view.where}.*{message}"):
        compile_view(view, TABLES)


def test_python_views_are_checked_without_running_them(tmp_path):
    file = tmp_path / "legs.py"
    file.write_text("import nothing_like_that\n\ndef last_leg(tables, cutoff):\n    return tables\n")
    columns = (FeatureColumn("leg_delay", ()), FeatureColumn("legs", ()))
    view = handmade(sql=None, python=(file.as_posix(), "last_leg"), features=columns, entities=(("tailnum",),))
    definitions = compile_view(view, TABLES).definitions(("tailnum",))
    assert [(d.name, d.type, d.function) for d in definitions] == [("leg_delay", "DOUBLE", "last_leg"), ("legs", "DOUBLE", "last_leg")]
    assert "def last_leg" in definitions[0].code
    wrong = {
        "no function 'lastleg'. What exists: last_leg": replace(view, python=(file.as_posix(), "lastleg")),
        "names the columns it returns": replace(view, features=()),
        "is a column that it returns": replace(view, features=(DELAY,)),
        "are named 'legs'": replace(view, features=(columns[1], columns[1])),
        "no table of `reads` has the entity column 'tail'": replace(view, entities=(("tail",),)),
    }
    for message, declared in wrong.items():
        with pytest.raises(DeclarationError, match=message):
            compile_view(declared, TABLES)
    file.write_text("def last_leg(:\n")
    with pytest.raises(DeclarationError, match=r"defs/own.yaml:4: legs.py, line 1"):
        compile_view(view, TABLES)


def test_an_entity_that_the_view_lacks():
    with pytest.raises(UnknownNameError, match=r"no entity 'dset'. What exists: dest, origin. Did you mean 'dest'"):
        compile_view(a_view(DELAY, entities=[("origin",), ("dest",)]), TABLES).definitions(("dset",))


def test_loading_declarations_needs_nothing_heavy():
    code = (
        "import sys; import ml_platform.features.compile, ml_platform.features.declared.discover;"
        "print([m for m in ('polars', 'numpy', 'pandas', 'featuretools', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_table_without_availability_gives_no_features():
    with pytest.raises(DeclarationError, match="nothing says when it is known"):
        compile_view(a_view(DELAY), {"arrivals": replace(ARRIVALS, availability=())})
