"""Tables of hand-written assets have names of any number of parts; every command that takes a table takes them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from ml_platform.audit.branch_diff import diff_branch
from ml_platform.core.errors import UnknownCommitError
from ml_platform.core.layers import TableName
from ml_platform.lake.lake import Lake
from ml_platform.lake.reading.reading import Reading

NAMES = ["weekly", "marts/weekly_sales", "marts/sales/by_week", "marts/sales/by/week"]


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    (tmp_path / "pyproject.toml").write_text('[tool.dg]\ndirectory_type = "project"\n')
    monkeypatch.chdir(tmp_path)
    lake = Lake.open(tmp_path / "data" / "lake")
    for rows in ([1], [1, 2]):
        lake.writing.publish([lake.writing.stage(name, None, pa.table({"a": rows})) for name in NAMES])
    lake.writing.publish(
        [lake.writing.stage(f"{name}_of", None, pa.table({"a": [1]}), inputs=lake.versions.resolve(name)) for name in NAMES]
    )
    return lake


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_command_takes_a_name_of_any_number_of_parts(name: str, lake: Lake, run) -> None:
    short = TableName(name).short
    for given in dict.fromkeys([name, short]):
        code, out, err = run("diff", given, "1", "2", "--json")
        assert (code, err) == (0, "")
        assert [p["rows added"] for p in json.loads(out)["partitions"]] == [1]
        assert run("show", given)[0] == 0
        assert run("history", given)[0] == 0
    assert run("used-by", f"{name}@{lake.versions.resolve(name)[0].id}")[0] in (0, 2)
    code, out, err = run("explain", f"{name}_of")
    assert (code, err) == (0, "")
    assert name in out


def test_a_branch_that_changed_own_tables_is_compared(lake: Lake) -> None:
    made = lake.branches.create("try")
    branch = lake.on(made.name)
    branch.writing.publish([branch.writing.stage(name, None, pa.table({"a": [3]})) for name in NAMES])
    assert [changed.diff.table for changed in diff_branch(lake, made.name, {}).tables] == sorted(NAMES)


def test_one_row_is_shown_by_reading_one_file(lake: Lake, run, monkeypatch: pytest.MonkeyPatch) -> None:
    days = [f"2024-01-{day:02d}" for day in range(1, 31)]
    for day in days:
        lake.writing.publish([lake.writing.stage("shop/tables/orders", day, pa.table({"day": [day] * 1000, "n": range(1000)}))])
    opened: list[int] = []
    explained = Reading._explained
    monkeypatch.setattr(Reading, "_explained", lambda self, read: (opened.append(len(self.versions)), explained(self, read))[1])
    for limit, files in ((1, 1), (1000, 1), (1001, 2)):
        opened.clear()
        code, out, _ = run("show", "orders", "--limit", str(limit), "--json")
        answer = json.loads(out)
        assert (code, answer["rows_in_all"], len(answer["rows"])) == (0, 30_000, limit)
        assert set(opened) == {files}
        assert answer["rows"][:2] == [{"day": days[0], "n": n} for n in range(min(limit, 2))]
    reading = lake.read("shop/tables/orders")
    assert reading.head(1500).equals(reading.pl().head(1500))
    assert reading.head(0).schema == reading.pl().schema


def test_a_time_before_everything_says_whose_clock_it_is(lake: Lake, run) -> None:
    code, _, err = run("show", "marts/weekly_sales", "--at", "2013-06-01")
    assert code == 2
    assert "Nothing had been published by 2013-06-01 00:00 UTC" in err
    assert "by the machine's clock" in err
    assert "name its partition" in err
    with pytest.raises(UnknownCommitError, match="commits are 1 to 3"):
        lake.read("weekly", at=99)
    with pytest.raises(SystemExit, match="0"):
        run("show", "--help")
