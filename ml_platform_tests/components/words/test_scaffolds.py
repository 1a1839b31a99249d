"""What ``dg scaffold defs ml_platform.X`` writes: it loads, or its comments and the error say what is to be filled in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dagster.components.component_scaffolding import scaffold_object

import ml_platform
from ml_platform.components.words.declared_files import component_types
from ml_platform.core.errors import UnknownNameError
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform_tests.components.declarations.mistakes import Shop, make_shop

ORDERS = "order_id,customer,amount,ordered_at\n{day}1,ann,10.5,2024-01-0{day}T10:00:00Z\n{day}2,bob,3,2024-01-0{day}T11:00:00Z\n"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    package = f"shop_of_scaffolds_{os.getpid()}"
    return make_shop(tmp_path_factory.mktemp("scaffolds") / package, package)


def scaffold(shop: Shop, kind: str, name: str, params: str = "{}") -> str:
    """Scaffold a declaration as ``dg`` does; return the file."""
    folder = shop.folder / name
    scaffold_object(folder, f"ml_platform.{kind}", params, "yaml", shop.root)
    return (folder / "defs.yaml").read_text(encoding="utf-8")


def test_declarations_scaffolded_over_landed_files_load(empty: Shop) -> None:
    landing = empty.root / "data" / "landing" / "orders"
    landing.mkdir(parents=True)
    for day in (1, 2):
        (landing / f"2024-01-0{day}.csv").write_text(ORDERS.format(day=day))
    table = scaffold(empty, "Table", "orders", '{"files": "orders/{day}.csv"}')
    assert "TO FILL IN" not in table
    view = scaffold(empty, "FeatureView", "spending", '{"source": "orders", "entity": ["customer"], "column": ["amount"]}')
    scaffold(empty, "Problem", "buys_again", '{"each": "customer", "table": "orders", "feature": ["spending"]}')
    scaffold(empty, "Retention", "retention", '{"versions": 3}')
    project = ml_platform.open_project(empty.root).project
    assert project.table("orders").key == ("order_id",)
    assert project.problem("buys_again").view_entities == (("spending", ("customer",)),)
    # Whoever scaffolds a second one is told what is there.
    unknown = scaffold(empty, "FeatureView", "visits")
    assert "# TO FILL IN: TABLE." in unknown
    with pytest.raises(UnknownNameError, match=r"shop/visits/defs.yaml:\d+ .*no table 'TABLE'. What exists: orders."):
        ml_platform.open_project(empty.root)
    assert "source: orders" in view


SHAPES = {
    "orders.csv": ("orders.csv",),
    "orders/{day}.csv": ("orders/2024-01-01.csv", "orders/2024-01-02.csv"),
    "orders/{hour}.csv": ("orders/2024-01-01T10.csv", "orders/2024-01-02T11.csv"),
    "orders/{month}.csv": ("orders/2024-01.csv", "orders/2024-02.csv"),
    "orders_{year}.csv": ("orders_2024.csv",),
    "orders-*.csv": ("orders-a.csv", "orders-b.csv"),
    "year={year}/month={MM}/day={DD}/*.csv": ("year=2024/month=01/day=01/a.csv", "year=2024/month=1/day=2/b.csv"),
    "shop=*/orders.csv": ("shop=north/orders.csv", "shop=south/orders.csv"),
}
BY_DAY = ("orders/{day}.csv", "orders/{hour}.csv", "year={year}/month={MM}/day={DD}/*.csv")


@pytest.mark.parametrize("landed", [True, False])
def test_every_shape_of_files_is_scaffolded_as_what_loads(tmp_path: Path, landed: bool) -> None:
    package = f"shapes_{landed}_{os.getpid()}".lower()
    shop = make_shop(tmp_path / package, package)
    for number, (pattern, files) in enumerate(SHAPES.items()):
        for n, file in enumerate(files if landed else (), start=1):
            path = shop.root / "data" / "landing" / f"in_{number}" / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(ORDERS.format(day=n))
        # Of files that are not there yet a time is known only if somebody says it: without one they are looked up.
        for said in ("", *(() if landed else (', "event_time": "at"',))):
            scaffold(shop, "Table", f"t{number}{'_timed' * bool(said)}", f'{{"files": "in_{number}/{pattern}"{said}}}')
    tables = ml_platform.open_project(shop.root).project.tables
    for number, pattern in enumerate(SHAPES):
        table = tables[f"t{number}"]
        assert table.source == FileSource(f"in_{number}/{pattern}")
        assert (table.partitions is not None) == (landed or pattern in BY_DAY), pattern
        assert table.splits == (landed and pattern not in BY_DAY), pattern
        if landed:
            assert (table.key, table.event_time, str(table.partitions.start)) == (("order_id",), "ordered_at", "2024-01-01")
        else:
            assert tables[f"t{number}_timed"].partitions is not None
            assert tables[f"t{number}_timed"].availability[0].sql == '"at"'


def test_what_files_do_not_say_themselves_is_scaffolded_too(tmp_path: Path) -> None:
    package = f"said_{os.getpid()}"
    shop = make_shop(tmp_path / package, package)
    landing = shop.root / "data" / "landing"
    landing.mkdir(parents=True)
    (landing / "bare.csv").write_text("1,Köln,2024-01-01\n2,Zürich,2024-01-02\n", encoding="cp1252")
    (landing / "plain.csv").write_text("city,day\nBern,2024-01-01\nBern,2024-01-01\n")
    scaffold(shop, "Table", "bare", '{"files": "bare.csv"}')
    scaffold(shop, "Table", "plain", '{"files": "plain.csv"}')
    tables = ml_platform.open_project(shop.root).project.tables
    assert tables["bare"].source == FileSource("bare.csv", encoding="cp1252", names=("column_1", "column_2", "column_3"))
    # A date is known when its day is over; and nothing tells these rows apart.
    assert tables["bare"].availability[0].sql == "column_3 + interval 1 day - interval 1 second"
    assert tables["plain"].key == ()


@pytest.mark.parametrize("kind", sorted(component_types()))
def test_a_scaffold_explains_every_field(tmp_path: Path, kind: str) -> None:
    declared = component_types()[kind]
    scaffold_object(tmp_path / "things", kind, "{}", "yaml", None)
    text = (tmp_path / "things" / "defs.yaml").read_text(encoding="utf-8")
    missing = [name for name, field in declared.model_fields.items() if f" {field.alias or name}: " not in text.replace(":\n", ": \n")]
    assert missing == []


def test_a_scaffold_in_python_is_dagsters_own(tmp_path: Path) -> None:
    scaffold_object(tmp_path / "orders", "ml_platform.Table", "{}", "python", None)
    assert "from ml_platform import Table" in (tmp_path / "orders" / "component.py").read_text(encoding="utf-8")
