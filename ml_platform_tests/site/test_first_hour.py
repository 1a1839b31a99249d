"""README and *ten minutes* are followed from an empty folder: one CSV, a project, a champion, scores."""

from __future__ import annotations

import ast
import inspect
import os
import shlex
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from unittest import mock

import pytest

from ml_platform.cli import main
from ml_platform.lake.lake import Lake
from ml_platform_tests.site.blocks import REPOSITORY, blocks_of, reason_not_run
from ml_platform_tests.site.built_shop import importable

PAGE = "docs/ten_minutes.md"
# What of the environment leads a command elsewhere.
_PLACES = ("ML_PLATFORM_", "DAGSTER_HOME")
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
def test_ten_minutes_lead_from_a_csv_to_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(_PLACES)]:
        monkeypatch.delenv(name)
    (maker,) = [block for block in blocks_of(PAGE) if block.title]
    assert SMALLER[0] in maker.text
    (tmp_path / maker.title).write_text(maker.text.replace(*SMALLER))
    _follow(f"python {maker.title}", tmp_path)
    told = {}
    for block in blocks_of(PAGE):
        if block.language == "sh":
            for command in (command for command in block.commands if not reason_not_run(command)):
                # Up to the scores every command is a process of its own; those that look at them load nothing that was not loaded then.
                told[command] = _follow(command, tmp_path) if len(told) < 3 else _called(command, tmp_path)
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
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_PLACES)}
    places = os.pathsep.join([str(folder), str(REPOSITORY), kept.get("PYTHONPATH", "")])
    environment = kept | {"PATH": f"{Path(sys.executable).parent}:{kept['PATH']}", "PYTHONPATH": places, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(shlex.split(command), cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, f"{command}: {done.stderr[-3000:]}"
    return done.stdout


def _called(command: str, folder: Path) -> str:
    """Run a command of ours in this process and return what it wrote."""
    name, *words = shlex.split(command)
    assert name == "ml-platform"
    with importable(folder), mock.patch("ml_platform.commands.answer.leave"), redirect_stdout(StringIO()) as written:
        assert main(words) == 0, command
    return written.getvalue()
