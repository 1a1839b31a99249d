import json

from ml_platform.lake.lake import Lake
from ml_platform_tests.lineage.made_lake import DAYS


def test_usage_by_table_and_year_the_largest_first(shop, run):
    shop.land(size=130)
    code, out, _ = run("lake", "usage")
    assert code == 0
    (row,) = (line for line in out.splitlines() if "shop/raw/orders" in line)
    cells = [cell.strip() for cell in row.strip("│ ").split("│")]
    assert cells[1:4] == ["2024", "4", "2"]
    assert cells[5] == "2"
    answer = json.loads(run("lake", "usage", "--json")[1])
    assert answer["history_bytes"] == sum(v.bytes for v in shop.raw.values())
    assert "of history" in out


def test_a_backup_and_its_way_back(shop, run, tmp_path):
    code, out, _ = run("lake", "backup", "copy")
    head = shop.lake.versions.newest_commit()
    assert code == 0
    assert out.startswith(f"{tmp_path}/copy holds the lake as of commit {head}: ")
    assert "0 of them (0 bytes) copied now." in run("lake", "backup", "copy")[1]
    assert json.loads(run("lake", "backup", "linked", "--link", "--json")[1])["commit"] == head
    assert "There is a lake at" in run("lake", "restore", "copy")[2]
    shop.lake.close()
    shop.lake._opened.root.rename(tmp_path / "lost")
    code, out, _ = run("lake", "restore", "copy")
    assert (code, "Verified: the chain of commits and every file are what was published." in out) == (0, True)
    restored = Lake.open(tmp_path / "data" / "lake")
    assert restored.versions.heads("shop/raw/orders")[DAYS[0]] == shop.raw[DAYS[0]]
    restored.close()


def test_a_restored_lake_with_an_edited_ledger_exits_with_1(shop, run, tmp_path):
    import sqlite3

    run("lake", "backup", "copy")
    with sqlite3.connect(tmp_path / "copy" / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE commits SET message = 'another' WHERE number = 2")
    ledger.close()
    code, out, _ = run("lake", "restore", "copy", "--to", "elsewhere")
    assert code == 1
    assert "Commit 2, a version, a file or an input of it was edited" in out
