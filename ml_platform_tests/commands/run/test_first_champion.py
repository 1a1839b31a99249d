"""From a foreign folder to a champion that scores: what `init` drafts, carried by `run`, as it stands."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from io import StringIO

import pytest

from ml_platform.cli import main
from ml_platform_tests.commands.start import corpus
from ml_platform_tests.commands.start.corpus import FOLDERS

# One of each shape of files, kind of time and kind of question, with less history than where it is only drafted.
ASKED = {
    "one_csv": "customer_comes_back",
    "days_with_gaps": "customer_comes_back",
    "hive": "customer_amount_next_3d",
    "date_and_time_apart": "customer_comes_back",
    "reserved_words": "group_comes_back",
    "forecast": "store_sales_next_7d",
    "three_classes": "outcome_of_tickets",
    "looked_up": "returned_of_sales",
    "cyrillic": "customer_comes_back",
    "no_header": "column_2_comes_back",
    "seldom": "result_of_matches",
}


@pytest.mark.slow
def test_what_is_drafted_trains_and_scores(tmp_path, monkeypatch):
    from ml_platform.commands.run.running import opened_runs
    from ml_platform.core.intervals import shift_day
    from ml_platform.pipeline.models.champion import current_champion

    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setattr(corpus, "DAYS", 70)
    monkeypatch.setattr(sys, "path", [str(home), *sys.path])
    for name in ASKED:
        (tmp_path / name).mkdir()
        FOLDERS[name](tmp_path / name)
        with redirect_stdout(StringIO()):
            assert main(["init", str(tmp_path / name), "--name", name]) == 0
    said: list[str] = []
    closed: list[str] = []
    with opened_runs(home, said.append) as (_, make):
        for name, problem in ASKED.items():
            one = make(name, problem)
            one.go()
            assert one.failed == [], said
            champion = current_champion(one.workspace, problem)
            assert champion is not None, (name, said)
            labels = one.workspace.project.problem(problem).label_table
            if labels.missing_days == "are_empty":
                newest = max(filter(None, one.workspace.lake.partitions(one.workspace.table("tables", labels.name))))
                assert champion.training_date <= shift_day(newest, 1), "behind the newest file nobody knows yet what happened"
                closed.append(name)
            rows = one.workspace.lake.read(one.workspace.table("training", problem)).pl()
            asked = [f.split(".")[1] for f in one.workspace.project.problem(problem).problem.features if "." in f]
            assert [c for c in asked if rows[next(n for n in rows.columns if n.endswith(c))].null_count() == rows.height] == [], name
            scores = one.workspace.lake.read(one.workspace.table("predictions", problem)).pl()
            assert scores.height > 0, name
            assert scores["_score"].is_finite().all(), name
            rejected = [t for t in one.workspace.lake.tables() if t.startswith(f"{name}/quarantine/")]
            assert sum(one.workspace.lake.read(t).rows for t in rejected) == 0, name
    assert closed, "one of them is a feed with gaps"
