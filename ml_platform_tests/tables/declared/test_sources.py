"""The sources of the platform keep the contract; one of another package is declared, read, watched over and judged like them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from ml_platform.components.project_definitions import projects_of
from ml_platform.core.clock import FixedClock
from ml_platform.core.errors import DeclarationError
from ml_platform.lake.lake import Lake
from ml_platform.pipeline.declared_code import raw_code_version
from ml_platform.pipeline.delivery.raw import materialize_raw
from ml_platform.pipeline.tables.table import materialize_table
from ml_platform.pipeline.workspace import Workspace
from ml_platform.tables.declared.source import SOURCES
from ml_platform.tables.declared.sources.files import AssetSource, FileSource
from ml_platform.tables.declared.sources.functions import PythonSource
from ml_platform.testing import SourceContract, isolated_registries
from ml_platform_tests.components.shop import tree_of, write_project
from ml_platform_tests.installed import install


class TestFiles(SourceContract):
    def source(self, folder: Path) -> FileSource:
        return FileSource("{day}.csv")

    def deliver(self, folder: Path, day, rows) -> None:
        (folder / f"{day}.csv").write_text("id,name\n" + "".join(f"{row['id']},{row['name']}\n" for row in rows))

    def fail(self, folder: Path, day) -> None:
        (folder / f"{day}.csv").write_bytes(b"id,name\n1,s3cret,2\n1,\xff\n")


class TestOneFile(SourceContract):
    days = (None,)

    def source(self, folder: Path) -> FileSource:
        return FileSource("all.parquet")

    def deliver(self, folder: Path, day, rows) -> None:
        pl.DataFrame(rows).write_parquet(folder / "all.parquet")

    def fail(self, folder: Path, day) -> None:
        (folder / "all.parquet").write_bytes(b"PAR1 s3cret")


class TestAsset(SourceContract):
    def source(self, folder: Path) -> AssetSource:
        return AssetSource(("warehouse", "orders"), "{day}.jsonl")

    def deliver(self, folder: Path, day, rows) -> None:
        (folder / f"{day}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def fail(self, folder: Path, day) -> None:
        (folder / f"{day}.jsonl").write_text('{"id": "s3cret')


class TestFunction(SourceContract):
    def source(self, folder: Path) -> PythonSource:
        if not (folder / "feed.py").exists():
            (folder / "feed.py").write_text(FEED)
        return PythonSource("feed.py", "rows")

    def deliver(self, folder: Path, day, rows) -> None:
        (folder / f"{day}.json").write_text(json.dumps(list(rows)))

    def fail(self, folder: Path, day) -> None:
        (folder / f"{day}.json").write_text("password=s3cret")


FEED = """
import json
from pathlib import Path

import polars as pl


def rows(day):
    file = Path(__file__).with_name(f"{day}.json")
    if not file.exists():
        return None
    text = file.read_text()
    if text.startswith("password"):
        raise RuntimeError(f"no answer: {text}")
    return pl.DataFrame(json.loads(text))
"""
RATES = """
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import polars as pl

from ml_platform.extensions import Source


@dataclass(frozen=True)
class Made(Source):
    name: ClassVar[str] = "made"
    count: int
    country: str = "NO"

    def open(self, place, days):
        def read(day):
            if day < "2024-01-03":
                return []
            at = datetime.fromisoformat(day + "T08:00:00+00:00")
            number = int(day.replace("-", "")) * 100
            order = {"customer": "c", "amount": 1.0, "country": self.country, "ordered_at": at}
            return [place.rows("made", pl.DataFrame([{"order_id": number + n, **order} for n in range(self.count)]))]

        return read
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    (tmp_path / "site").mkdir()
    with isolated_registries():
        install(tmp_path / "site", "ext_made", {"ml_platform.sources": ["made = ext_made:Made"]}, RATES)
        yield


def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, package: str):
    root = write_project(tmp_path / package, package=package, swap=('{files: "orders/{day}.csv"}', source))
    monkeypatch.syspath_prepend(str(root))
    return projects_of(tree_of(root))["shop"][0]


@pytest.mark.usefixtures("installed")
def test_a_source_of_an_installed_package_is_read_and_judged_like_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = _project(tmp_path, monkeypatch, "{kind: made, options: {count: 3}}", "made_shop")
    table = project.table("orders")
    workspace = Workspace(project, Lake.open(tmp_path / "lake"), landing=tmp_path, clock=FixedClock(datetime(2024, 2, 1, tzinfo=UTC)))
    raw = materialize_raw(workspace, "orders", ["2024-01-02", "2024-01-03"])
    assert [(one.absent, one.version is not None) for one in raw.partitions] == [("not landed", False), (None, True)]
    materialize_table(workspace, "orders", ["2024-01-03"])
    assert workspace.lake.read("shop/tables/orders").pl()["country"].to_list() == ["NO"] * 3
    # Read again without a change it keeps its version; another option or other code of the package makes it outdated.
    (again,) = materialize_raw(workspace, "orders", ["2024-01-03"]).partitions
    assert again.version.id == raw.partitions[1].version.id
    before = raw_code_version(table, project.root)
    other = _project(tmp_path, monkeypatch, "{kind: made, options: {count: 4}}", "other_shop")
    assert raw_code_version(other.table("orders"), project.root) != before
    monkeypatch.setattr("ml_platform.core.registry.normalised", lambda source: source + "\nADDED = 1\n")
    assert raw_code_version(table, project.root) != before


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{kind: maid, options: {count: 3}}", r"defs\.yaml:\d+.*source kind 'maid' is not known.*Did you mean 'made'"),
        ("{kind: made, options: {cuont: 3}}", r"source 'made' has no option 'cuont'.*Did you mean 'count'"),
        ("{kind: made}", r"source 'made': missing 1 required positional argument: 'count'. Its options: count, country"),
    ],
)
def test_a_wrong_declaration_says_what_there_is(source: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = "wrong_" + re.sub(r"\W", "", source)
    with pytest.raises(Exception, match=r"defs\.yaml") as told:
        _project(tmp_path, monkeypatch, source, package)
    error: BaseException | None = told.value
    words = []
    while error is not None:
        words.append(str(error))
        error = error.__cause__ or error.__context__
    assert re.search(said, "\n".join(words), re.DOTALL)


def test_every_kind_has_a_name_of_its_own() -> None:
    assert set(SOURCES.built_in()) == {"files", "asset", "python", "sql"}
    with pytest.raises(DeclarationError, match=r"no option 'patern'.*Did you mean 'pattern'"):
        FileSource.declare({"patern": "x"}, where="defs.yaml:1", folder=Path())
