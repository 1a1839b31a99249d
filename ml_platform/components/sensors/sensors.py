"""The sensors of a project: what landed is requested, what follows flows, and a recorded decision becomes one training run."""

import json
import warnings
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import dagster as dg

from ml_platform.components.assets.landed_runs import Stretch, days_between, request_days, share_runs, stretches_of
from ml_platform.components.assets.mappings import daily
from ml_platform.components.instance.branch_guard import check_history
from ml_platform.components.sensors.crashed import ask_again
from ml_platform.components.sensors.fetching import fetching_sensor
from ml_platform.components.sensors.following import being_made, newest_events, upstream_of
from ml_platform.components.sensors.split_requests import LOOKED_AT, look_at_days, request_whole
from ml_platform.components.steps.step import release_ended
from ml_platform.core.layers import ASSET_LAYERS, LAYERS, RETRAINED_LAYERS, TABLE_LAYERS, asset_group
from ml_platform.core.partitions import partition_text
from ml_platform.lake.ledger.version import MAIN
from ml_platform.lake.settings import branch_name
from ml_platform.project.project import Project

LANDING_SECONDS = 30
AUTOMATION_SECONDS = 30
RETRAINING_SECONDS = 30
# In the cursor beside the tables, which cannot be called so: the newest event of each upstream asset that was followed.
FOLLOWED = "@followed"
# Dagster lets a sensor that is ticked where our code is judge 500 assets and checks.
MOST_CONDITIONS = 450


def sensors_of(project: Project) -> list[dg.SensorDefinition]:
    """Return the landing, automation and retraining sensor of one project, and the one that fetches.

    All run by default on ``main``. On a branch they are stopped until somebody starts them: a branch answers a question, and what lands
    or drifts meanwhile is the business of its parent.
    """
    sensors = [_landing_sensor(project), *_automation_sensors(project)]
    fetching = fetching_sensor(project, _default_status(), requests_of)
    if fetching is not None:
        sensors.append(fetching)
    if project.problems:
        sensors.append(_retraining_sensor(project))
    return sensors


def _default_status() -> dg.DefaultSensorStatus:
    return dg.DefaultSensorStatus.RUNNING if branch_name() == MAIN else dg.DefaultSensorStatus.STOPPED


def _selection(project: Project, layers: Iterable[str]) -> dg.AssetSelection:
    return dg.AssetSelection.groups(*[asset_group(project.name, layer) for layer in layers])


def _layers(project: Project) -> list[str]:
    there = {"table": True, "view": any(v.view.store for v in project.views.values()), "problem": bool(project.problems)}
    delivered = any(not t.is_derived for t in project.tables.values())
    return [name for name in ASSET_LAYERS if there[LAYERS[name].declared_by] and (delivered or name != "raw")]


def _landing_sensor(project: Project) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{project.name}_landing",
        # Not as a target: the job that Dagster makes of one refuses tables that begin on different days.
        asset_selection=_selection(project, TABLE_LAYERS),
        minimum_interval_seconds=LANDING_SECONDS,
        default_status=_default_status(),
        required_resource_keys={"platform"},
        description="Looks at the landing zone and requests exactly the partitions whose files are new or hold something else; the files "
        "of another asset when that has been materialized or observed anew.",
    )
    def landing(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        from ml_platform.pipeline.delivery.landing import new_deliveries, scan

        check_history(context.instance)
        workspace = context.resources.platform.workspace(project)
        release_ended(context.instance, workspace.lake)
        seen = json.loads(context.cursor) if context.cursor else {}
        followed = seen.get(FOLLOWED, {})
        upstream = upstream_of(project)
        newest = newest_events(context.instance, upstream.values())
        busy = {key.to_user_string() for key in being_made(context.instance, set(upstream.values()))}
        ready = {key for key, number in newest.items() if number != followed.get(key, 0) and key not in busy}
        resting = {table for table, key in upstream.items() if key.to_user_string() not in ready}
        problems: dict[str, str] = {}
        found = scan(workspace, problems, leave_out=resting)
        deliveries = new_deliveries(workspace, found, seen)
        early = {table: _not_yet(project, table, keys) for table, keys in deliveries.changed.items()}
        said = "".join(f" Table {table} was not looked at: {problem}" for table, problem in problems.items())
        if said:
            context.log.error(said.strip())
        unfinished = {upstream[t].to_user_string() for t in upstream if t in problems or t in deliveries.later or early.get(t)}
        marks = followed | {key: newest[key] for key in ready - unfinished}
        signatures: dict[str, Mapping[str, Any]] = {
            table: {key: signature for key, signature in keys.items() if key not in early.get(table, ())}
            for table, keys in deliveries.seen.items()
        }
        # What could not be looked at keeps what is known of it.
        signatures |= {table: seen[table] for table in {*problems, *resting} if table in seen}
        if marks:
            signatures[FOLLOWED] = marks
        cut = look_at_days(context.instance, workspace, seen.get(LOOKED_AT, {}), leave_out=deliveries.changed)
        if cut.looked_at:
            signatures[LOOKED_AT] = cut.looked_at
        cursor = json.dumps(signatures, separators=(",", ":"))
        requests = [*requests_of(project, deliveries.changed, found), *cut.requests]
        requests += ask_again(context, f"{project.name}_landing", besides=requests)
        if requests:
            return dg.SensorResult(run_requests=requests, cursor=cursor)
        later = sum(deliveries.later.values())
        rest = f" The files of {later} have another time and are still to be compared." if later else ""
        told = f"Nothing new in {workspace.landing.name}/: {sum(map(len, found.values()))} partitions have landed before.{rest}{said}"
        return dg.SensorResult(skip_reason=told, cursor=cursor)

    return landing


def _not_yet(project: Project, table: str, keys: Iterable[str]) -> set[str]:
    """Return which days of a table Dagster has no partition of, as of one that is not over: they are asked for when it has."""
    partitions = project.tables[table].raw_partitions
    days = None if partitions is None else daily(partitions)
    return {key for key in keys if days is not None and not days.has_partition_key(key)}


def requests_of(
    project: Project, changed: Mapping[str, list[str]], landed: Mapping[str, Collection[str]] | None = None
) -> Iterable[dg.RunRequest]:
    """Group what is new into runs: one for the tables without partitions, one per delivery of many days, one per stretch of days.

    Tables with the same stretch share its run, and stretches of a few days that lie beside each other do: each table is made for its own
    days. Days without files (of those that have ``landed``) end no stretch.
    """
    whole = sorted(t for t, keys in changed.items() if keys == [partition_text(None)])
    plain = [t for t in whole if not project.tables[t].splits]
    if plain:
        yield dg.RunRequest(asset_selection=_landed_assets(project, plain))
    for table in whole:
        if project.tables[table].splits:
            yield request_whole(project, project.tables[table])
    # A run is of assets with the same days: tables that begin or end on others have runs of their own.
    calendars: dict[dg.PartitionsDefinition, dict[Stretch, list[str]]] = {}
    for table in sorted(set(changed) - set(whole)):
        days = daily(project.tables[table].partitions)  # type: ignore[arg-type]
        for stretch in stretches_of([k for k in changed[table] if days.has_partition_key(k)], (landed or {}).get(table, ())):
            calendars.setdefault(days, {}).setdefault(stretch, []).append(table)
    for asked in (asked for stretches in calendars.values() for asked in share_runs(stretches)):
        yield _request_stretches(project, changed, asked)


def _request_stretches(project: Project, changed: Mapping[str, list[str]], asked: Mapping[Stretch, Collection[str]]) -> dg.RunRequest:
    """Return the one run that makes tables for their stretches of days."""
    own = {table: [s for s, tables in asked.items() if table in tables] for table in sorted({t for found in asked.values() for t in found})}
    has_gaps = any(
        len([k for k in changed[t] if first <= k <= last]) <= days_between(first, last) for t, found in own.items() for first, last in found
    )
    first, last = min(first for first, _ in asked), max(last for _, last in asked)
    shared = own if len(asked) > 1 else None
    return request_days(_landed_assets(project, own), first, last, only_landed=has_gaps, own=shared)


def _landed_assets(project: Project, tables: Iterable[str]) -> list[dg.AssetKey]:
    """Return what a delivery makes in one run: the raw rows and, of the same days, those that keep the contract.

    Whether there is anything new is known when both are there: what stands on the tables is asked for if they hold something else.
    """
    return [dg.AssetKey([project.name, layer, table]) for layer in TABLE_LAYERS for table in tables]


def _automation_sensors(project: Project) -> list[dg.SensorDefinition]:
    """Return the sensor that ticks the conditions; one per layer where a project has more assets than Dagster lets one sensor tick."""
    layers = _layers(project)
    conditioned = len(project.tables) + 2 * sum(len(v.view.entities) for v in project.views.values()) + 4 * len(project.problems)
    if conditioned <= MOST_CONDITIONS:
        return [_automation_sensor(project, f"{project.name}_automation", layers)]
    return [_automation_sensor(project, f"{project.name}_automation_{layer}", [layer]) for layer in layers]


def _automation_sensor(project: Project, name: str, layers: Iterable[str]) -> dg.SensorDefinition:
    with warnings.catch_warnings():
        # Conditions of our own are judged where our code is, which Dagster calls beta.
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.AutomationConditionSensorDefinition(
            name,
            target=_selection(project, layers),
            minimum_interval_seconds=AUTOMATION_SECONDS,
            default_status=_default_status(),
            use_user_code_server=True,
            description="Carries every landed day down the graph, to predictions, outcomes and monitoring.",
        )


def _retraining_sensor(project: Project) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{project.name}_retraining",
        asset_selection=_selection(project, RETRAINED_LAYERS),
        minimum_interval_seconds=RETRAINING_SECONDS,
        default_status=_default_status(),
        required_resource_keys={"platform"},
        description="Turns each recorded decision to retrain into one run of its training date. It computes nothing and decides nothing.",
    )
    def retraining(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        from ml_platform.pipeline.scoring.monitoring import pending_decisions

        check_history(context.instance)
        workspace = context.resources.platform.workspace(project)
        requests, served, never = [], [], []
        for problem in project.problems:
            pending, without_date = pending_decisions(workspace, problem)
            never += [f"{problem} at {decision.training_date}" for decision in without_date]
            for decision in pending:
                requests.append(retraining_request(project, problem, decision))
                served.append(f"{problem}: train at {decision.training_date} ({'; '.join(decision.reasons)})")
        decided = {request.tags["ml_platform/decision"] for request in requests}
        requests += ask_again(context, f"{project.name}_retraining", lambda run: run.tags.get("ml_platform/decision") in decided)
        if not requests:
            rest = f" Decided, but never to be made, because the project's partitions end before: {', '.join(never)}." if never else ""
            return dg.SkipReason(f"No recorded decision asks for a training that is still to be made.{rest}")
        context.log.info("\n".join(served))
        return dg.SensorResult(run_requests=requests)

    return retraining


def retraining_request(project: Project, problem: str, decision: Any) -> dg.RunRequest:
    """Return the one run that serves a decision; its key makes a second request of the same decision a no-op."""
    return dg.RunRequest(
        run_key=decision.id,
        partition_key=decision.training_date,
        asset_selection=[dg.AssetKey([project.name, layer, problem]) for layer in RETRAINED_LAYERS],
        tags={"ml_platform/decision": decision.id, "ml_platform/training_date": decision.training_date},
    )
