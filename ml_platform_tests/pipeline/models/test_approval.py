import atexit
import functools
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from ml_platform.cli import main
from ml_platform.components.instance.history import open_history
from ml_platform.components.opening import Session
from ml_platform.components.runs.runless import report_champion
from ml_platform.core.clock import FixedClock
from ml_platform.core.errors import ModelError
from ml_platform.core.intervals import day_start
from ml_platform.lake.lake import Lake
from ml_platform.pipeline.models.approval import decide_held
from ml_platform.pipeline.models.champion import champion_history, current_champion, materialize_champion
from ml_platform.pipeline.models.model import materialize_model
from ml_platform.pipeline.models.selected import materialize_selected
from ml_platform.pipeline.scoring.predictions import materialize_predictions
from ml_platform.pipeline.training.training_set import materialize_training
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project import compile_problem
from ml_platform.tables.declared.contract import Column
from ml_platform_tests.flights_like import ARRIVALS, DAY, SCHEDULE, days, deliver, flights, project
from ml_platform_tests.pipeline.modelled_world import DECLARED, FIRST, PROBLEM, SECOND, modelled

pytestmark = pytest.mark.slow

# Test rows of two days: too few to judge even a first champion. Today it is refused at load; where days are missing it happens still.
SHORT = replace(DECLARED, training=replace(DECLARED.training, test=1.5 * DAY))
NOON = FixedClock(day_start("2013-03-18") + DAY / 2)


@functools.cache
def _held() -> Path:
    root = Path(tempfile.mkdtemp(prefix="held_world_"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    made = modelled(root, problem=SHORT)
    _train(made, SECOND)
    assert materialize_champion(made, PROBLEM).partitions[0].numbers["verdict"] == "held"
    made.lake.close()
    return root


def _train(workspace: Workspace, day: str) -> None:
    for materialize in (materialize_training, materialize_selected, materialize_model):
        assert materialize(workspace, PROBLEM, [day]).partitions[0].stopped is None


@pytest.fixture(autouse=True)
def _as_declared_before(monkeypatch):
    """Load a declaration that is older than the rule which refuses it."""
    monkeypatch.setattr(compile_problem, "check_clusters", lambda _: None)


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """Return a world whose newest model was held."""
    shutil.copytree(_held(), tmp_path, dirs_exist_ok=True)
    return Workspace(project(tmp_path, problem=SHORT), Lake.open(tmp_path / "lake"), NOON, tmp_path / "landing")


def held_version(workspace: Workspace) -> int:
    return champion_history(workspace, PROBLEM)[-1].model_version


def test_an_approved_model_scores_from_then_on_and_is_pinned(workspace):
    version = held_version(workspace)
    assert current_champion(workspace, PROBLEM) is None
    outcome = decide_held(workspace, PROBLEM, version, "promoted", by=" Ada ", reason="Two days look right.")
    held, approved = champion_history(workspace, PROBLEM)
    assert (held.verdict, held.decided_by) == ("held", "")
    assert (approved.verdict, approved.decided_by, approved.decided_at) == ("promoted", "Ada", NOON.now())
    assert approved.words == ("Approved by Ada: Two days look right.", *held.words)
    champion = current_champion(workspace, PROBLEM)
    assert champion is not None
    assert (champion.version.id, champion.role) == (version, held.role)
    assert set(next(iter(workspace.lake.retention.pins().values()))) == {v.id for v in workspace.lake.lineage.closure([version])}
    scored = materialize_predictions(workspace, PROBLEM, ["2013-03-16"])
    assert scored.metadata["champion"] == version
    assert "was **promoted** by Ada" in outcome.metadata["decision"].text
    assert [row["decided by"] for row in outcome.metadata["history"].rows] == ["Ada", "the rules"]
    # The rules have judged this version: they do not come back to it.
    assert materialize_champion(workspace, PROBLEM).commit is None


def test_the_baseline_of_a_held_model_can_be_the_one_that_is_approved(workspace):
    version = held_version(workspace)
    decide_held(workspace, PROBLEM, version, "promoted", by="Ada", reason="Simple is enough.", role="baseline")
    champion = current_champion(workspace, PROBLEM)
    assert champion is not None
    assert champion.name == "constant (baseline)"


def test_a_rejected_model_is_put_aside(workspace):
    decide_held(workspace, PROBLEM, held_version(workspace), "refused", by="Ada", reason="Wait for more days.")
    assert [j.verdict for j in champion_history(workspace, PROBLEM)] == ["held", "refused"]
    assert current_champion(workspace, PROBLEM) is None
    with pytest.raises(ModelError, match=r"was refused by Ada, not held: Rejected by Ada: Wait for more days\."):
        decide_held(workspace, PROBLEM, held_version(workspace), "promoted", by="Bob", reason="Yes.")


def test_what_cannot_be_decided_says_why_and_nothing_is_written(workspace):
    version, head = held_version(workspace), workspace.lake.versions.newest_commit()
    first = workspace.lake.versions.heads(workspace.table("models", PROBLEM))[FIRST].id
    for number, by, reason, message in (
        (version, " ", "because", "needs who takes it and why"),
        (version, "Ada", "", "needs who takes it and why"),
        (first, "Ada", "because", f"Version {first} of models/late_arrival was not judged yet; judged were: {version}"),
    ):
        with pytest.raises(ModelError, match=message):
            decide_held(workspace, PROBLEM, number, "promoted", by=by, reason=reason)
    assert workspace.lake.versions.newest_commit() == head


def test_only_the_newest_judged_model_can_be_approved(workspace):
    version = held_version(workspace)
    materialize_model(
        replace(
            workspace,
            project=project(
                workspace.project.root,
                problem=replace(SHORT, selection=DECLARED.selection, model=replace(SHORT.model, params={"max_trees": 5})),
            ),
        ),
        PROBLEM,
        [SECOND],
    )
    assert materialize_champion(workspace, PROBLEM).partitions[0].numbers["verdict"] == "held"
    newer = held_version(workspace)
    assert newer > version
    with pytest.raises(ModelError, match=rf"a newer model was judged since: version {newer} of 2013-03-15, held"):
        decide_held(workspace, PROBLEM, version, "promoted", by="Ada", reason="because")
    decide_held(workspace, PROBLEM, newer, "promoted", by="Ada", reason="because")
    assert current_champion(workspace, PROBLEM).version.id == newer  # type: ignore[union-attr]


def test_a_model_that_was_refused_for_leakage_cannot_be_approved(tmp_path):
    # A plan that "knows" the delay: the column says it was published the day before.
    leaky = replace(SCHEDULE, contract=replace(SCHEDULE.contract, columns=(*SCHEDULE.contract.columns, Column("arr_delay", "int16"))))
    problem = replace(DECLARED, features=(*DECLARED.features, "schedule.arr_delay"))
    declared = project(tmp_path, tables=(leaky, ARRIVALS), problem=problem)
    workspace = Workspace(declared, Lake.open(tmp_path / "lake"), NOON, tmp_path / "landing")
    deliver(workspace.lake, declared, {day: flights(day, 80) for day in days(76)})
    _train(workspace, SECOND)
    outcome = materialize_champion(workspace, PROBLEM)
    assert outcome.partitions[0].numbers["verdict"] == "refused"
    assert current_champion(workspace, PROBLEM) is None
    (judged,) = champion_history(workspace, PROBLEM)
    assert judged.words[0].startswith("Refused for leakage: something in the training set knows the outcome")
    assert "arr_delay alone predicts the label with an AUC of 1.000" in judged.words[0]
    with pytest.raises(ModelError, match="was refused, not held: Refused for leakage"):
        decide_held(workspace, PROBLEM, judged.model_version, "promoted", by="Ada", reason="The figures are splendid.")
    stopped = materialize_predictions(workspace, PROBLEM, ["2013-03-16"]).partitions[0].stopped
    assert "was refused: Correct the declaration" in str(stopped)


INSTANCE = (
    "telemetry: {enabled: false}\nstorage: {sqlite: {base_dir: history}}\n"
    "local_artifact_storage: {module: dagster._core.storage.root, class: LocalArtifactStorage, config: {base_dir: history}}\n"
)
CHAMPION = dg.AssetKey(["flights", "champion", PROBLEM])


def told_of_the_champion(root: Path, branch: str = "main") -> dg.AssetMaterialization | None:
    """Return what the Dagster history of a branch says last of the champion."""
    with open_history(root, branch) as instance:
        event = instance.get_latest_materialization_event(CHAMPION)
    return event.asset_materialization if event is not None else None


def test_the_page_of_the_champion_shows_the_decision(workspace, tmp_path):
    (tmp_path / "dagster.yaml").write_text(INSTANCE)
    outcome = decide_held(workspace, PROBLEM, held_version(workspace), "promoted", by="Ada", reason="Two days look right.")
    assert report_champion(tmp_path, workspace.project, PROBLEM, outcome, workspace.lake)
    made = told_of_the_champion(tmp_path)
    assert made is not None
    assert "Approved by Ada: Two days look right." in str(made.metadata["decision"].value)
    assert made.metadata["serves"].value == "lightgbm"
    assert made.tags is not None
    assert made.tags["dagster/data_version"] == "pointer", "an approval makes no prediction stale"


def _approve(workspace: Workspace, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml_platform.components.opening.open_project", lambda _: Session(workspace.project, workspace))
    monkeypatch.setattr("ml_platform.commands.run.judging.project_root", lambda _: root)
    assert main(["approve", f"{PROBLEM}@{held_version(workspace)}", "--by", "Ada", "--reason", "Two days look right."]) == 0


def test_a_decision_on_a_branch_stands_in_the_history_of_that_branch(workspace, tmp_path, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    (tmp_path / "dagster.yaml").write_text(INSTANCE)
    workspace.lake.branches.create("dev/x")
    on_branch = replace(workspace, lake=workspace.lake.on("dev/x"))
    _approve(on_branch, tmp_path, monkeypatch)
    assert told_of_the_champion(tmp_path) is None, "main was not told of what happened on a branch"
    made = told_of_the_champion(tmp_path, "dev/x")
    assert made is not None
    assert made.metadata["lake/branch"].value == "dev/x"


def test_a_decision_is_told_where_the_home_of_dagster_is(workspace, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    _approve(workspace, tmp_path, monkeypatch)
    assert told_of_the_champion(tmp_path) is not None
    assert list(home.rglob("index.db"))


def test_a_history_of_another_branch_is_not_told_and_the_decision_stands(workspace, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    (tmp_path / "dagster.yaml").write_text(INSTANCE)
    with open_history(tmp_path, "main") as instance:
        instance.run_storage.set_cursor_values({"ml_platform/branch": "dev/x"})
    _approve(workspace, tmp_path, monkeypatch)
    said = capsys.readouterr().out
    assert (
        "The decision is recorded, but the Dagster UI does not show it: This Dagster instance holds the history of branch 'dev/x'" in said
    )
    assert current_champion(workspace, PROBLEM) is not None


def test_the_command_line_says_what_serves(workspace, monkeypatch, capsys):
    monkeypatch.setattr("ml_platform.components.opening.open_project", lambda _: Session(workspace.project, workspace))
    monkeypatch.setattr("ml_platform.commands.run.judging.project_root", lambda _: workspace.project.root)
    version = held_version(workspace)
    told = ["--by", "Ada", "--reason", "Two days look right."]
    assert main(["approve", f"{PROBLEM}@{version}", *told, "--serve", "baseline"]) == 0
    assert capsys.readouterr().out == (
        f"late_arrival@{version} is approved and scores from now on. Problem late_arrival is served by: version {version}, "
        "constant (baseline).\nDagster keeps no history here: materialize champion/late_arrival to see it in the UI.\n"
    )
    assert main(["reject", f"{PROBLEM}@{version}", *told]) == 2
    assert capsys.readouterr().err.startswith(f"ml-platform: Version {version} of models/late_arrival was promoted by Ada, not held")


def test_without_a_history_of_dagster_nothing_is_reported(workspace, tmp_path):
    outcome = decide_held(workspace, PROBLEM, held_version(workspace), "refused", by="Ada", reason="No.")
    assert not report_champion(tmp_path, workspace.project, PROBLEM, outcome, workspace.lake)
    rows = workspace.lake.read(workspace.table("champion", PROBLEM)).pl()
    assert rows.select("verdict", "decided_by").rows() == [("held", ""), ("refused", "Ada")]
