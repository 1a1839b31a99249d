import json
from types import SimpleNamespace

import pytest

from ml_platform.cli import main
from ml_platform.components.opening import OpenProblem
from ml_platform.features.kernels.sums import ColumnSums
from ml_platform.pipeline.workspace import Workspace
from ml_platform_tests.pipeline.landed_world import CORRECTED, FIRST, PROBLEM, landed

pytestmark = pytest.mark.slow


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Workspace:
    made = landed(tmp_path)
    monkeypatch.setattr("ml_platform.components.opening.open_project", lambda _: SimpleNamespace(workspace=made))
    return made


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def version(workspace: Workspace) -> int:
    return workspace.lake.versions.heads(workspace.table("models", PROBLEM))[FIRST].id


def test_a_model_that_is_the_same(workspace, capsys):
    model = f"{PROBLEM}@{version(workspace)}"
    code, out, err = run(capsys, "reproduce", model)
    assert code == 0
    # What it was made with is told first, then what came of it.
    parts = [f"{model} was made with", "Code and declarations", "Made again, layer by layer", "The model's files", "Figures on rows"]
    assert [out.index(part) for part in parts] == sorted(out.index(part) for part in parts)
    assert out.splitlines()[-1].startswith(f"{model} is bit-identical: ")
    assert "==> tables/arrivals: making 31 versions again" in err
    assert workspace.lake.branches.all() == []


def test_a_model_that_differs(workspace, capsys, monkeypatch):
    real = ColumnSums.mean
    monkeypatch.setattr(ColumnSums, "mean", lambda self, window: (real(self, window)[0] + 1, real(self, window)[1]))
    code, out, _ = run(capsys, "reproduce", f"{PROBLEM}@{version(workspace)}", "--json", "--keep-branch")
    answer = json.loads(out)
    assert (code, answer["verdict"], answer["first_difference"]) == (1, "differs", "features/delays__carrier")
    (branch,) = workspace.lake.branches.all()
    assert answer["branch"] == branch.name
    by_asset = {asset["asset"]: asset for asset in answer["assets"]}
    assert by_asset["tables/arrivals"]["partitions"] == []
    worst = by_asset["features/delays__carrier"]
    assert worst["different"] == len(worst["partitions"]) == worst["versions"]
    assert {column["name"] for column in worst["partitions"][0]["differences"]["columns"]} <= set(worst["columns"].split(", "))
    assert any(not row["same"] for row in answer["model_files"])


def test_a_difference_without_measure_is_null_in_json(workspace, capsys, monkeypatch):
    real = ColumnSums.mean
    monkeypatch.setattr(ColumnSums, "mean", lambda self, window: (real(self, window)[0], real(self, window)[1] & False))
    _, out, _ = run(capsys, "reproduce", f"{PROBLEM}@{version(workspace)}", "--json")
    answer = json.loads(out, parse_constant=pytest.fail)
    first = next(asset for asset in answer["assets"] if asset["asset"] == answer["first_difference"])
    assert {column["largest"] for part in first["partitions"] for column in part["differences"]["columns"]} == {None}


def test_from_a_notebook(workspace):
    found = OpenProblem(workspace, PROBLEM).reproduce(version(workspace))
    assert found.verdict == "bit-identical"
    assert found.plan.model == f"{PROBLEM}@{version(workspace)}"


def test_from_the_landed_files(workspace, capsys):
    code, out, _ = run(capsys, "reproduce", f"{PROBLEM}@{version(workspace)}", "--from", "landing")
    assert code == 0
    assert f"raw/arrivals, {CORRECTED}: its files are not in the landing zone as they were; the kept rows were read" in out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"{PROBLEM}@best", "'best' is no version. Versions are numbers; see them with: ml-platform history models/late_arrival"),
        (f"{PROBLEM}@9999", "has no version 9999"),
        (f"{PROBLEM}@1", "No model of 'late_arrival': version 1 of 'flights/raw/airlines'"),
        (PROBLEM, "No model of 'late_arrival' was promoted yet"),
        ("late@1", "Project 'flights' has no problem 'late'. What exists: late_arrival."),
    ],
)
def test_what_cannot_be_made_again_is_one_message(name, message, workspace, capsys):
    code, out, err = run(capsys, "reproduce", name)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
