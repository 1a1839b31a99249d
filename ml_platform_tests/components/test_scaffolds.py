"""What ``dg scaffold defs ml_platform.X`` writes: it loads, or its comments and the error say what is to be filled in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dagster.components.component_scaffolding import scaffold_object

import ml_platform
from ml_platform.components.declared_files import component_types
from ml_platform.core.errors import UnknownNameError
from ml_platform_tests.components.mistakes import Shop, make_shop

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
