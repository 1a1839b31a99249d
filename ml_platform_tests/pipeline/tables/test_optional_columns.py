"""A column that some files lack: its rows have no value there; one that must be there stops the delivery, and whoever asks is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from ml_platform.core.clock import FixedClock
from ml_platform.core.errors import DeclarationError
from ml_platform.lake.lake import Lake
from ml_platform.pipeline.delivery.raw import materialize_raw
from ml_platform.pipeline.standing.tables import table_standing
from ml_platform.pipeline.tables.table import materialize_table
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import Project
from ml_platform.tables.declared.contract import Contract
from ml_platform.tables.declared.parse import parse_contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Availability, DailyPartitions, Table
from ml_platform.tables.inference.infer import infer_table
from ml_platform.tables.judged.days_of_rows import with_bounds

CARD = {"type": "string", "one_of": ["N", "Y"]}
FILES = {"2024-01-01": "id,seen_at\n1,2024-01-01T08:00:00Z\n", "2024-01-02": "id,seen_at,card\n2,2024-01-02T08:00:00Z,Y\n"}


def contract(**card: object) -> Contract:
    columns = {"id": "int64", "seen_at": "timestamp", "card": CARD | card}
    return parse_contract({"columns": columns}, key=["id"], where="orders.contract.yaml")


def shop(tmp_path, pattern: str, declared: Contract) -> Workspace:
    """Return a project of one table, with both files landed."""
    table = with_bounds(
        Table("orders", FileSource(pattern), declared, partitions=DailyPartitions(date(2024, 1, 1)), event_time="seen_at",
              availability=(Availability("seen_at"),), where="defs.yaml:1")
    )  # fmt: skip
    (tmp_path / "landing").mkdir(exist_ok=True)
    for day, text in FILES.items():
        (tmp_path / "landing" / f"{day}.csv").write_text(text)
    lake = Lake.open(tmp_path / "lake")
    return Workspace(Project("shop", tmp_path, {"orders": table}), lake, FixedClock(datetime(2024, 2, 1, tzinfo=UTC)), tmp_path / "landing")


@pytest.mark.parametrize(("pattern", "raw"), [("*.csv", [None]), ("{day}.csv", list(FILES))])
def test_rows_of_a_file_without_an_optional_column_have_no_value_there(tmp_path, pattern, raw):
    workspace = shop(tmp_path, pattern, contract(optional=True))
    materialize_raw(workspace, "orders", raw)
    materialize_table(workspace, "orders", list(FILES))
    assert workspace.lake.read("shop/tables/orders", columns=["id", "card"]).pl().sort("id").rows() == [(1, None), (2, "Y")]


@pytest.mark.parametrize(("pattern", "raw"), [("*.csv", [None]), ("{day}.csv", list(FILES))])
def test_a_column_that_must_be_there_stops_what_lacks_it_until_it_is_declared_otherwise(tmp_path, pattern, raw):
    workspace = shop(tmp_path, pattern, contract())
    materialize_raw(workspace, "orders", raw)
    due = list(table_standing(workspace, "orders").due)
    assert "2024-01-01" in due  # what is asked for tells what is wrong
    outcome = materialize_table(workspace, "orders", due)
    told = " ".join(p.stopped for p in outcome.partitions if p.stopped)
    assert "2024-01-01.csv: column 'card' is missing." in told
    assert "say 'optional: true'" in told

    table = replace(workspace.project.table("orders"), contract=contract(optional=True))
    mended = replace(workspace, project=replace(workspace.project, tables={"orders": table}))
    materialize_table(mended, "orders", list(table_standing(mended, "orders").due))
    assert workspace.lake.read("shop/tables/orders").pl().height == 2


def test_init_says_which_columns_some_files_lack(tmp_path):
    for day, text in FILES.items():
        (tmp_path / f"{day}.csv").write_text(text)
    found = infer_table(sorted(tmp_path.iterdir()))
    assert {name for name, body in found.contract["columns"].items() if body.get("optional")} == {"card"}
    declared = parse_contract(found.contract, key=found.key, where="a contract")
    assert [column.name for column in declared.columns if column.optional] == ["card"]


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"optional": True, "nullable": False}, "is optional: rows of a file without it have no value"),
        ({"optional": "yes"}, "true or false"),
    ],
)
def test_what_cannot_be_optional_is_refused(card, message):
    with pytest.raises(DeclarationError, match=message):
        contract(**card)
