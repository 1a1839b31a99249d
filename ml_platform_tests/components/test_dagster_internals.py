"""Private names of Dagster: all there in the pinned version, and what is done in a version that has renamed them all."""

import importlib
import types
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from ml_platform.components import dagster_internals
from ml_platform.components.words.declared import Declared
from ml_platform_tests.components.instances import local_instance
from ml_platform_tests.components.shop import tree_of, write_project

ORDERS, SHIPPED = dg.AssetKey("orders"), dg.AssetKey("shipped")


@pytest.fixture(scope="module")
def without() -> types.ModuleType:
    """The module as it stands over a Dagster that has none of the private names."""

    def refuse(name: str) -> types.ModuleType:
        raise ImportError(f"No module named {name!r}")

    copy = types.ModuleType("without")
    source = Path(str(dagster_internals.__file__)).read_text(encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib, "import_module", refuse)
        exec(compile(source, "dagster_internals.py", "exec"), copy.__dict__)  # noqa: S102 - our own text
    return copy


def test_this_dagster_has_every_name_and_no_other_module_of_ours_takes_one() -> None:
    assert dagster_internals.missing() == []
    package = Path(str(dagster_internals.__file__)).parents[1]
    private = ("from dagster._", "import dagster._", "from dagster_shared", "_component_decl_tree", "get_step_execution_context")
    takers = {p.relative_to(package).as_posix() for p in package.rglob("*.py") if any(word in p.read_text("utf-8") for word in private)}
    assert takers == {"components/dagster_internals.py"}


def test_what_has_a_value_keeps_it_without_its_name(without: types.ModuleType) -> None:
    values = {name: value for name, value in vars(dagster_internals).items() if name.isupper() and isinstance(value, str | tuple)}
    values.pop("INDEX_SHARD_NAME")  # only of use to the storage that is gone
    assert len(values) > 10
    assert {name: getattr(without, name) for name in values} == values
    assert len(without.missing()) > 20
    assert len(without.missing(storage_only=True)) == 5


def test_without_them_declarations_load_from_the_folder_of_all(without: types.ModuleType, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    tree = tree_of(write_project(tmp_path, package="unplaced_shop"))
    placed = [component.name for _, component in dagster_internals.components_below(tree, Declared)]
    unplaced = list(without.components_below(SimpleNamespace(get_all_components=tree.get_all_components), Declared))
    assert sorted(component.name for _, component in unplaced) == sorted(placed)
    assert {place for place, _ in unplaced} == {None}


def test_without_them_texts_have_no_lines_and_cursors_are_not_kept(without: types.ModuleType) -> None:
    assert dagster_internals.positions_in("a: 1", "a.yaml") is not None
    assert without.positions_in("a: 1", "a.yaml") is None
    assert without.cursor_as_text(object()) is None
    assert without.cursor_from_text("{}") is None
    assert dagster_internals.cursor_from_text("no cursor of this Dagster") is None
    assert without.redirect_to_file() is None
    assert without.told_error("wrong", "Error") is None
    with pytest.raises(ValueError, match="wrong"):
        raise types.new_class("Told", (ValueError, without.DagsterUserCodeProcessError))("wrong")


def test_what_a_step_has_read_is_the_same_with_and_without_them(without: types.ModuleType) -> None:
    seen: list[dict[dg.AssetKey, tuple[str, int | None]]] = []
    seen_plans: list[tuple[str | None, ...]] = []

    @dg.asset(check_specs=[dg.AssetCheckSpec("whole", asset="orders")])
    def orders():
        yield dg.MaterializeResult(data_version=dg.DataVersion("one"))
        yield dg.AssetCheckResult(passed=True, check_name="whole")

    @dg.asset(deps=[orders])
    def shipped(context: dg.AssetExecutionContext) -> None:
        layer = dagster_internals.asset_layer(context)
        parents = sorted(layer.get(SHIPPED).parent_keys)
        plans = (internals.planned_event(context, SHIPPED, None) for internals in (dagster_internals, without))
        seen_plans.append(tuple(None if plan is None else type(plan).__name__ for plan in plans))
        seen.extend([dagster_internals.inputs_read(context, parents), without.newest_events(context.instance, parents)])

    with local_instance() as instance:
        assert dagster_internals.newest_events(instance, [ORDERS]) == {ORDERS: (dagster_internals.FIRST_VERSION, None)}
        assert dg.materialize([orders, shipped], instance=instance).success
        event = instance.get_latest_materialization_event(ORDERS)
        assert dagster_internals.data_version_of(event) == without.data_version_of(event) == "one"
        evaluation = next(e.event_specific_data for e in _checks(instance))
        assert seen_plans == [("DagsterEvent", None)]
        assert without.tied_to(evaluation, None) is evaluation, "a verdict stays as Dagster gave it"
        assert dagster_internals.tied_to(evaluation, None).target_materialization_data is None
    assert seen[0] == seen[1]
    assert seen[0][ORDERS][0] == "one"


def _checks(instance: dg.DagsterInstance) -> list[dg.DagsterEvent]:
    run = instance.get_runs()[0]
    kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    return [entry.dagster_event for entry in instance.all_logs(run.run_id, of_type=kind) if entry.dagster_event is not None]
