from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from ml_platform.lake.retention.rules import Rule
from ml_platform.pipeline.outcome import Rows
from ml_platform.pipeline.retention import collect_history, lines_by_kind, report_metadata, summary
from ml_platform_tests.pipeline.delivered import DAYS, Shop, csv, noon, order, orders

FIRST = DAYS[0]
RULES = (Rule("shop/*", versions=1),)


def gone(lake, rules=RULES, first=2):
    for days in (first, first + 1):
        report = lake.retention.collect(rules, now=datetime.now(UTC) + timedelta(days=days))
    return report


@pytest.mark.slow
def test_deliveries_that_later_files_replaced_stay_as_long_as_they_are_read(tmp_path):
    shop = Shop(tmp_path).land_days([FIRST])
    shop.both(FIRST)
    corrected = [order(n, FIRST, **({"amount": "99"} if n == 3 else {})) for n in range(10)]
    shop.land(f"orders/{FIRST}.csv", csv(corrected), noon(FIRST, 5))
    shop.both(FIRST)
    judged = shop.rows()
    old_raw, old_table = (shop.lake.history(f"shop/{layer}/orders", FIRST)[-1] for layer in ("raw", "tables"))
    report = gone(shop.lake)
    assert [(line.table, line.versions) for line in report.collected] == [("shop/tables/orders", 1)]
    assert [(line.table, line.why) for line in report.held] == [
        ("shop/raw/orders", f"version {shop.lake.versions.heads('shop/raw/orders')[FIRST].id}")
    ]
    assert shop.lake.versions.get(old_table.id).gone is not None
    # The row that was not corrected keeps the availability of its first delivery, which only the old raw version knows.
    again = shop.judge(FIRST)
    assert again.partitions[0].stopped is None
    assert shop.rows().equals(judged)
    # The day is delivered under another name, and the old one is not needed any more.
    (shop.landing / f"orders/{FIRST}.csv").unlink()
    shop.land(f"orders/{FIRST}-b.csv", csv(orders(FIRST)), noon(FIRST, 9))
    shop.both(FIRST)
    gone(shop.lake, first=5)
    assert shop.lake.versions.get(old_raw.id).gone is not None
    assert shop.lake.health.verify() == []


def test_the_report_says_what_went_what_waits_and_what_is_held(tmp_path):
    shop = Shop(tmp_path)
    shop.project = replace(shop.project, retention=(Rule("shop/raw/*", timedelta(days=5), 2), Rule("shop/*")))
    shop.workspace = replace(shop.workspace, project=shop.project)
    assert summary(collect_history(shop.workspace)) == (
        "0 versions collected, 0 marked, 0 held though their rule lets them go, 0 files of no version put into the trash: 0 bytes freed."
    )
    for number in range(4):
        shop.lake.writing.publish([shop.lake.writing.stage("shop/raw/orders", FIRST, pa.table({"n": [number]}))])
    shop.lake.tag("first", 1)
    now = datetime.now(UTC)
    marked = shop.lake.retention.collect(shop.project.retention, now=now + timedelta(days=6))
    assert summary(marked).endswith(
        f"0 bytes freed. The first of those that are marked go at {now + timedelta(days=7):%Y-%m-%d %H:%M} UTC."
    )
    report = shop.lake.retention.collect(shop.project.retention, now=now + timedelta(days=7))
    told = report_metadata(shop.workspace, report)
    assert told["rules"] == Rows((
        {"tables": "shop/raw/*", "may be deleted when": "superseded for 5d or longer and not among the newest 2 of its partition"},
        {"tables": "shop/*", "may be deleted when": "never"},
    ))  # fmt: skip
    rows = lines_by_kind(report)
    assert told["collected"] == Rows(tuple(rows["collected"]))
    assert [(row["versions"], row["why"]) for row in rows["collected"]] == [(1, shop.project.retention[0].words)]
    assert (told["versions_collected"], told["bytes_freed"]) == (1, rows["collected"][0]["bytes"])
    assert [(row["table"], row["versions"], row["held by"]) for row in rows["held"]] == [("shop/raw/orders", 1, "tag first")]
    assert "marked" not in told
