import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ml_platform import lineage
from ml_platform.lineage import openlineage
from ml_platform_tests.lineage.made_lake import DAYS, FEATURES


class Collector(HTTPServer):
    """A service that collects events."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Post)
        self.url, self.events, self.keys, self.status = f"http://127.0.0.1:{self.server_port}", [], set(), 201


class _Post(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.events.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.keys.add(self.headers["Authorization"])
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *said):
        pass


@pytest.fixture
def collector():
    with Collector() as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield server
        server.shutdown()
        serving.join()


def test_a_model_is_explained_table_by_table(shop, run):
    code, out, _ = run("explain", "churn")
    assert code == 0
    assert f"churn@{shop.first.id}" in out
    assert "0.7100 [0.7000, 0.7200]" in out
    row = next(line for line in out.splitlines() if "shop/tables/orders" in line)
    assert [cell.strip() for cell in row.strip("│ ").split("│")][1:5] == ["2", *DAYS, "2"]
    assert "9 versions, down to 3 landing files of 362 bytes; --files names each with its digest" in out
    assert f"3 features: {', '.join(d.name for d in FEATURES)}" in out
    assert "1212" not in out


def test_every_landing_file_on_demand(shop, run):
    out = run("explain", "churn", "--files")[1]
    assert "orders/2024-01-02-b.csv" in out
    assert "12" * 32 in out


def test_a_day_of_predictions_as_json(shop, run):
    code, out, _ = run("explain", "predictions/churn@2024-01-01", "--json")
    assert code == 0
    answer = json.loads(out)
    assert (answer["version"], answer["partition"]) == (f"shop/predictions/churn@{shop.predictions[DAYS[0]].id}", DAYS[0])
    made = {v["version"]: v for v in answer["made_from"]}
    assert made[shop.first.id]["table"] == "shop/models/churn"
    assert made[shop.orders[DAYS[0]].id]["inputs"] == [shop.raw[DAYS[0]].id]
    assert answer["landed_files"][0] | {"delivered_at": ""} == {
        "table": "shop/raw/orders", "partition": DAYS[0], "name": "orders/2024-01-01.csv", "size": 120, "sha256": "00" * 32, "rows": 2,
        "delivered_at": "", "fetched": False, "version": shop.raw[DAYS[0]].id, "commit": 1,
    }  # fmt: skip
    assert answer["tables"][0]["table"] == "shop/raw/orders"


def test_events_go_to_a_file_or_to_standard_output(shop, run, tmp_path):
    code, out, _ = run("explain", "churn", "--openlineage", "events.ndjson")
    lines = (tmp_path / "events.ndjson").read_text().splitlines()
    assert code == 0
    assert f"wrote events.ndjson: {len(lines)} OpenLineage events" in out
    assert run("explain", "churn", "--openlineage", "-")[1].splitlines() == lines
    assert json.loads(run("explain", "churn", "--openlineage", "-", "--json")[1]) == [json.loads(line) for line in lines]
    last = json.loads(lines[-1])
    assert (last["job"]["namespace"], last["job"]["name"]) == ("ml_platform", "shop/models/churn")
    landed = json.loads(lines[0])["inputs"][0]
    assert landed["name"] == f"{tmp_path}/data/landing/orders/2024-01-01.csv"
    named = json.loads(run("explain", "churn", "--openlineage", "-", "--namespace", "ours")[1].splitlines()[0])
    assert named["job"]["namespace"] == "ours"


def test_events_are_sent_to_a_service(shop, run, collector, monkeypatch):
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__AUTH", '{"type": "api_key", "apiKey": "of the service"}')
    code, out, _ = run("explain", "churn", "--openlineage", collector.url)
    assert code == 0
    assert f"sent {len(collector.events)} OpenLineage events to {collector.url}" in out
    assert collector.keys == {"Bearer of the service"}
    assert collector.events == json.loads(run("explain", "churn", "--openlineage", "-", "--json")[1])


def test_a_service_that_refuses_events_is_one_message(shop, run, collector, monkeypatch):
    monkeypatch.setattr(openlineage, "_TRIES", 0)
    collector.status = 422
    code, _, err = run("explain", "churn", "--openlineage", collector.url)
    assert code != 0
    assert f"{collector.url} took 0 of" in err
    assert "Look whether it is the address of a service that collects them" in " ".join(err.split())
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "true")
    assert "OPENLINEAGE_DISABLED is set, so nothing was sent" in run("explain", "churn", "--openlineage", collector.url)[2]


def test_without_the_client_the_extra_is_named(shop, run, monkeypatch):
    monkeypatch.delitem(sys.modules, "ml_platform.lineage.openlineage")
    monkeypatch.delattr(lineage, "openlineage")
    monkeypatch.setitem(sys.modules, "openlineage.client", None)
    code, _, err = run("explain", "churn", "--openlineage", "-")
    assert (code, "pip install 'ml-platform[openlineage]'" in " ".join(err.split())) == (2, True)


def test_a_file_that_cannot_be_written_is_one_message(shop, run):
    code, out, err = run("explain", "churn", "--openlineage", "nowhere/events.ndjson")
    assert (code, out) == (2, "")
    assert "nowhere/events.ndjson cannot be written: No such file or directory" in err


def test_a_picture_goes_to_a_file(shop, run, tmp_path):
    code, out, _ = run("explain", "churn", "--picture", "churn.svg")
    assert (code, "wrote churn.svg" in out) == (0, True)
    assert (tmp_path / "churn.svg").read_text().startswith("<svg ")
