"""The guides that need servers are followed from start to end, with servers of this machine: PostgreSQL, a bucket, a cluster."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ml_platform.cli import main
from ml_platform.lake.lake import Lake
from ml_platform_tests.lake.conftest import bucket, object_server, postgres_server  # noqa: F401 - fixtures
from ml_platform_tests.site.blocks import blocks_of
from ml_platform_tests.site.test_guides import _run, shop  # noqa: F401 - a fixture

EXPORT = re.compile(r"export (\w+)=(\S+)")
SYNC = re.compile(r"aws s3 sync (\S+) (\S+) --exclude '([^']+)'")


def _follow(page: str, served: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Follow a page with our servers in the place of those that it names; return what each command wrote."""
    told: dict[str, str] = {}
    for block in blocks_of(page):
        if block.language == "python":
            exec(compile(block.text, str(block), "exec", dont_inherit=True), {})  # noqa: S102 - our own page
        for written in block.commands if block.language == "sh" else ():
            command = written
            for name, ours in served.items():
                command = command.replace(name, ours)
            if export := EXPORT.fullmatch(command):
                monkeypatch.setenv(export[1], os.path.expandvars(export[2]))
            elif sync := SYNC.fullmatch(command):
                _synced(Path(sync[1]), sync[2], sync[3])
            else:
                told[written] = _run(command, capsys, served=True)
    return told


def _synced(folder: Path, url: str, left_out: str) -> None:
    """Copy a folder into a bucket, as the command of the page does."""
    from obstore.store import from_url

    store: Any = from_url(url, client_options={"allow_http": True})
    for path in folder.rglob("*"):
        if path.is_file() and not path.match(left_out):
            store.put(path.relative_to(folder).as_posix(), path.read_bytes())


@pytest.mark.slow
def test_the_move_to_postgresql_and_a_bucket(
    shop: Path,  # noqa: F811 - a fixture
    postgres_server: Any,  # noqa: F811 - a fixture
    bucket: str,  # noqa: F811 - a fixture
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with closing(Lake.open(shop / "data" / "lake", read_only=True)) as before:
        orders, commits = before.read("shop/tables/orders").pl(), before.versions.newest_commit()
    served = {"postgresql://ml:secret@db.example.org/ledger": postgres_server.dsn("guide"), "s3://my-bucket/lake": bucket}
    for name in ("ML_PLATFORM_LEDGER", "ML_PLATFORM_LAKE", "NEW_LEDGER"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    told = _follow("docs/how_to/postgres_and_s3.md", served, monkeypatch, capsys)
    assert "order_id" in told["ml-platform show orders --limit 3"]
    # What is there now needs nothing of the old place.
    (shop / "data" / "lake").rename(shop / "old lake")
    with closing(Lake.open(os.environ["ML_PLATFORM_LAKE"], ledger=os.environ["ML_PLATFORM_LEDGER"])) as moved:
        assert moved.versions.newest_commit() == commits
        assert moved.read("shop/tables/orders").pl().equals(orders)
    capsys.readouterr()
    assert main(["history", "orders", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_the_engine_on_a_cluster_gives_the_values_that_were_there(
    shop: Path,  # noqa: F811 - a fixture
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("distributed", reason="a cluster needs the extra 'dask'")
    for name in ("ENGINE", "WORKERS", "MEMORY_LIMIT", "DASK_ADDRESS", "SCRATCH"):
        monkeypatch.setenv(f"ML_PLATFORM_{name}", "")
        monkeypatch.delenv(f"ML_PLATFORM_{name}")
    served = {"tcp://scheduler:8786": "tcp://127.0.0.1:1", "/shared/scratch": str(shop / "scratch")}
    told = _follow("docs/how_to/scale_out.md", served, monkeypatch, capsys)
    assert "features/spending__customer" in told[next(command for command in told if "branch run try/dask" in command)]
    # Content that was there is not written again: a cluster that gave another bit would have changed the branch.
    assert main(["branch", "diff", "try/dask", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tables"] == []
