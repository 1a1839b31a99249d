"""A small project of orders, declared in YAML, that tests bend in one place each."""

from __future__ import annotations

from pathlib import Path

from dagster.components.core.component_tree import ComponentTree

CONTRACT = """
columns:
  order_id: {type: int64, nullable: false}
  customer: {type: string, nullable: false}
  amount: {type: float64, min: 0}
  country: {type: string, one_of: ["NO", "SE", "DK"]}
  ordered_at: {type: timestamp, nullable: false}
"""

DECLARATIONS = """
type: ml_platform.Table
attributes:
  name: orders
  source: {files: "orders/{day}.csv"}
  partitions: {start: "2024-01-01", end: "2024-03-01"}
  contract: orders.contract.yaml
  key: [order_id]
  event_time: ordered_at
  available_at: ordered_at
---
type: ml_platform.FeatureView
attributes:
  name: spending
  source: orders
  entities: [[customer]]
  windows: [7d, 28d]
  features:
    - {column: amount, functions: [sum, mean]}
    - {name: large, sql: amount > 100, functions: [share]}
---
type: ml_platform.Problem
attributes:
  name: buys_again
  spine: {each: customer, every: 1d, active: {in: orders, within: 28d}}
  label: {from: orders, match: [customer], sql: count(*) > 0, horizon: 7d, without_rows: zero}
  features: [spending]
  training: {every: 7d, look_back: 40d, validate: 7d, test: 7d}
"""


def write_project(root: Path, *, package: str = "shop_platform", swap: tuple[str, str] | None = None, contract: str = CONTRACT) -> Path:
    """Write a dg project with the shop's declarations; ``swap`` replaces one text, which must be there, by another."""
    text = DECLARATIONS
    if swap is not None:
        if swap[0] not in text + contract:
            raise ValueError(f"nothing to swap: {swap[0]!r}")
        text, contract = text.replace(*swap), contract.replace(*swap)
    folder = root / package / "defs" / "shop"
    folder.mkdir(parents=True)
    (root / package / "__init__.py").write_text("")
    (root / package / "defs" / "__init__.py").write_text("")
    (root / package / "definitions.py").write_text(
        "from pathlib import Path\n\nimport dagster as dg\n\n\n@dg.definitions\ndef defs():\n"
        "    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)\n"
    )
    (root / "pyproject.toml").write_text(
        f'[project]\nname = "{package}"\nversion = "0.1"\n\n'
        f'[tool.dg]\ndirectory_type = "project"\n\n[tool.dg.project]\nroot_module = "{package}"\n'
    )
    (folder / "defs.yaml").write_text(text)
    (folder / "orders.contract.yaml").write_text(contract)
    return root


def tree_of(root: Path) -> ComponentTree:
    """Return the component tree of a project written by ``write_project`` (its folder must be on the import path)."""
    return ComponentTree.for_project(root)
