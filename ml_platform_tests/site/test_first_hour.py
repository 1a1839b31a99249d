"""README and *ten minutes* are followed from an empty folder: one CSV, a project, a champion, scores."""

from __future__ import annotations

import ast
import inspect
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ml_platform.lake.lake import Lake
from ml_platform_tests.site.blocks import REPOSITORY, blocks_of, reason_not_run

PAGE = "docs/ten_minutes.md"
# Fewer customers over fewer days than the page makes: enough for a champion.
SMALLER = ("DAYS, CUSTOMERS = 180, 150", "DAYS, CUSTOMERS = 120, 90")


def test_the_call_from_python_names_the_file_and_columns_that_the_page_makes() -> None:
    """What it does, test_quickstart.py runs."""
    import ml_platform

    maker, call = [block for block in blocks_of(PAGE) if block.language == "python"]
    (node,) = [n for n in ast.walk(ast.parse(call.text)) if isinstance(n, ast.Call)]
    given = {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}
    inspect.signature(ml_platform.quickstart).bind(ast.literal_eval(node.args[0]), **given)
    assert all(repr(name)[1:-1] in maker.text for name in (ast.literal_eval(node.args[0]), given["time"], given["entity"]))


@pytest.mark.slow
def test_ten_minutes_lead_from_a_csv_to_scores(tmp_path: Path) -> None:
    (maker,) = [block for block in blocks_of(PAGE) if block.title]
    assert SMALLER[0] in maker.text
    (tmp_path / maker.title).write_text(maker.text.replace(*SMALLER))
    _follow(f"python {maker.title}", tmp_path)
    told = {}
    for block in blocks_of(PAGE):
        if block.language == "sh":
            told |= {command: _follow(command, tmp_path) for command in block.commands if not reason_not_run(command)}
    assert list(told)[:3] == ["ml-platform init purchases.csv --name shop", "dg check defs", "ml-platform run customer_comes_back"]
    assert "customer_comes_back" in told["ml-platform init purchases.csv --name shop"], "the page names a problem that is drafted"
    lake = Lake.open(tmp_path / "data" / "lake")
    assert lake.versions.heads("shop/champion/customer_comes_back"), told["ml-platform run customer_comes_back"]
    scores = lake.read("shop/predictions/customer_comes_back").pl()
    assert scores.height > 20
    assert scores["_score"].is_between(0, 1).all()


def test_the_readme_shows_the_same_commands() -> None:
    page = {command for block in blocks_of(PAGE) if block.language == "sh" for command in block.commands}
    readme = [command for block in blocks_of("README.md") if block.language == "sh" for command in block.commands]
    shown = [command for command in readme if command.startswith(("ml-platform", "dg"))]
    assert len(shown) >= 3
    assert [command for command in shown if command not in page] == []


def test_the_first_page_shows_the_same_commands() -> None:
    first = [command for block in blocks_of("docs/index.md") if block.language == "sh" for command in block.commands]
    followed = [command for block in blocks_of(PAGE) if block.language == "sh" for command in block.commands]
    assert first, "the first page says how to begin"
    assert [command for command in first if command.startswith("ml-platform") and command not in followed] == []


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) < 120


def _follow(command: str, folder: Path) -> str:
    """Run a command as a reader would and return what it wrote."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ML_PLATFORM_", "DAGSTER_HOME"))}
    places = os.pathsep.join([str(folder), str(REPOSITORY), kept.get("PYTHONPATH", "")])
    environment = kept | {"PATH": f"{Path(sys.executable).parent}:{kept['PATH']}", "PYTHONPATH": places, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(shlex.split(command), cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, f"{command}: {done.stderr[-3000:]}"
    return done.stdout
