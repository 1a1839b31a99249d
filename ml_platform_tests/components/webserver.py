"""A real ``dagster dev`` of a project on loopback, and the few GraphQL calls that a person's clicks make."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
START_SECONDS = 180
RUN_SECONDS = 180
LAUNCH = """mutation L($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }"""
RUN = """query R($id: ID!) { runOrError(runId: $id) {
  __typename ... on Run { status tags { key value } stats { ... on RunStatsSnapshot { stepsFailed materializations } }
    eventConnection { events { ... on ExecutionStepFailureEvent { error { message } failureMetadata { description } } } } } } }"""
ASSET = """query A($k: AssetKeyInput!) { assetOrError(assetKey: $k) { ... on Asset {
  assetMaterializations(limit: 50) { runId partition tags { key value } metadataEntries { label } }
  definition { partitionStats { numPartitions numMaterialized numFailed }
    assetChecksOrError { ... on AssetChecks { checks {
      name canExecuteIndividually executionForLatestMaterialization { status evaluation { severity success description } } } } } } } } }"""
BACKFILL = """mutation B($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILL_STATE = """query S($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status runs(limit: 20) { runId status } } } }"""
NEWEST_BACKFILL = "{ partitionBackfillsOrError(limit: 1) { ... on PartitionBackfills { results { status } } } }"
STATE = """query N($s: SensorSelector!) { sensorOrError(sensorSelector: $s) { __typename ... on Sensor { sensorState { id } } } }"""
STOP = """mutation P($id: String!) { stopSensor(id: $id) { __typename ... on PythonError { message } } }"""
SENSOR = """mutation T($s: SensorSelector!, $c: String) { sensorDryRun(selectorData: $s, cursor: $c) { __typename
  ... on DryRunInstigationTick { evaluationResult {
    skipReason error { message } runRequests { tags { key value } assetSelection { path } } } } } }"""


@dataclass(frozen=True)
class Webserver:
    """GraphQL calls against one running webserver."""

    url: str
    location: str

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Send one GraphQL query; errors of the query itself are raised."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310 - loopback only
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback only
            told = json.loads(answer.read())
        if told.get("errors"):
            raise RuntimeError(json.dumps(told["errors"])[:2000])
        return told["data"]

    @property
    def repository(self) -> dict[str, str]:
        """The selector of the code location's repository."""
        return {"repositoryLocationName": self.location, "repositoryName": "__repository__"}

    def materialize(self, keys: Sequence[Sequence[str]], tags: dict[str, str]) -> str:
        """Launch one run and return its id."""
        return self._launch(keys, None, tags)

    def run_checks(self, checks: Sequence[tuple[Sequence[str], str]]) -> str:
        """Launch a run of checks by themselves, as the button of an asset's page does, and return its id."""
        return self._launch([], [{"assetKey": {"path": list(key)}, "name": name} for key, name in checks], {})

    def _launch(self, keys: Sequence[Sequence[str]], checks: Sequence[dict[str, Any]] | None, tags: dict[str, str]) -> str:
        params = {
            "mode": "default",
            "runConfigData": "{}",
            "executionMetadata": {"tags": [{"key": k, "value": v} for k, v in tags.items()]},
            "selector": {
                **self.repository,
                "pipelineName": "__ASSET_JOB",
                "assetSelection": [{"path": list(k)} for k in keys],
                "assetCheckSelection": checks,
            },
        }
        launched = self.ask(LAUNCH, p=params)["launchPipelineExecution"]
        if launched["__typename"] != "LaunchRunSuccess":
            raise RuntimeError(json.dumps(launched)[:2000])
        return launched["run"]["runId"]

    def finished(self, run_id: str) -> dict[str, Any]:
        """Wait for a run and return its status and counts."""
        return wait_for(
            lambda: (run := self.ask(RUN, id=run_id)["runOrError"])["status"] in ("SUCCESS", "FAILURE", "CANCELED") and run,
            RUN_SECONDS,
            run_id,
        )

    def asset(self, *key: str) -> dict[str, Any]:
        """Return an asset's materializations, partition counts and checks."""
        return self.ask(ASSET, k={"path": list(key)})["assetOrError"]

    def backfill(self, keys: Sequence[Sequence[str]], days: Sequence[str]) -> list[dict[str, Any]]:
        """Launch a backfill, wait for its end, and return its runs: its own status says nothing about theirs."""
        params = {"assetSelection": [{"path": list(k)} for k in keys], "partitionNames": list(days), "tags": []}
        launched = self.ask(BACKFILL, p=params)["launchPartitionBackfill"]
        if launched["__typename"] != "LaunchBackfillSuccess":
            raise RuntimeError(json.dumps(launched)[:2000])

        def ended() -> Any:
            state = self.ask(BACKFILL_STATE, id=launched["backfillId"])["partitionBackfillOrError"]
            done = {r["status"] for r in state["runs"]} <= {"SUCCESS", "FAILURE", "CANCELED"}
            return state["status"].startswith(("COMPLETED", "FAILED")) and state["runs"] and done and state["runs"]

        return wait_for(ended, RUN_SECONDS, "the backfill")

    def backfill_status(self) -> str:
        """Return the status of the newest backfill."""
        return self.ask(NEWEST_BACKFILL)["partitionBackfillsOrError"]["results"][0]["status"]

    def stop(self, sensor: str) -> None:
        """Stop a sensor that runs by default."""
        state = self.ask(STATE, s={**self.repository, "sensorName": sensor})["sensorOrError"]["sensorState"]
        stopped = self.ask(STOP, id=state["id"])["stopSensor"]
        if stopped["__typename"] != "StopSensorMutationResult":
            raise RuntimeError(json.dumps(stopped)[:2000])

    def tick(self, sensor: str) -> dict[str, Any]:
        """Evaluate a sensor now, without side effects."""
        tick = self.ask(SENSOR, s={**self.repository, "sensorName": sensor}, c=None)["sensorDryRun"]
        if tick["__typename"] != "DryRunInstigationTick":
            raise RuntimeError(json.dumps(tick)[:2000])
        return tick["evaluationResult"]


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Ask until the answer is true, at most ``seconds``; return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := condition():
            return answer
        time.sleep(1)
    raise TimeoutError(f"{what} did not come about in {seconds} s")


@contextmanager
def serve(root: Path, module: str, location: str, command: Sequence[str] | None = None) -> Iterator[Webserver]:
    """Run ``dagster dev`` of the project in ``root`` on a free loopback port, and stop all its processes in the end.

    ``command`` takes its place: arguments of Python, to which the port is added.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {k: v for k, v in os.environ.items() if k != "DAGSTER_HOME"} | {"PYTHONPATH": f"{root}{os.pathsep}{REPOSITORY}"}
    log = (root / "dev.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", *(command or ("-m", "dagster", "dev", "-m", module, "-h", "127.0.0.1")), "--port", str(port)],
        cwd=root, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        # A process started without a terminal ignores SIGINT, and dagster dev would then not stop its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - one thread so far
    )  # fmt: skip
    server = Webserver(f"http://127.0.0.1:{port}", location)
    try:
        wait_for(lambda: _is_loaded(server, process, root), START_SECONDS, "dagster dev")
        yield server
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        log.close()


def _is_loaded(server: Webserver, process: subprocess.Popen[bytes], root: Path) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"dagster dev ended with {process.returncode}:\n{(root / 'dev.log').read_text()[-3000:]}")
    try:
        told = server.ask(
            "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus locationOrLoadError { __typename } } } } }"
        )
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
    entries = told["workspaceOrError"].get("locationEntries", [])
    return bool(entries) and all(
        e["loadStatus"] == "LOADED" and e["locationOrLoadError"]["__typename"] == "RepositoryLocation" for e in entries
    )
