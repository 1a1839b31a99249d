"""Pages of the lake behind the webserver's /logs/: a report and a card open by a link, and nothing else of the disk does."""

import sys
from types import SimpleNamespace

import dagster as dg
import pytest
from starlette.testclient import TestClient

from ml_platform.components.lake_pages import LakePages, link
from ml_platform.lake.lake import Lake
from ml_platform.pipeline.outcome import page_of
from ml_platform_tests.components.instances import local_instance

HTML = "<!doctype html><html><p>What has drifted</p></html>"
CARD = "# A model\n\n| metric | value |\n|---|---|\n| AUC | 0.7 |\n\n<script>alert(1)</script>\n"


@pytest.fixture
def lake(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ML_PLATFORM_LAKE", raising=False)
    return Lake.open(tmp_path / "data" / "lake")


@pytest.fixture
def version(lake):
    staged = lake.writing.stage_artifact(
        "shop/models/buys", "2024-05-01", {"report.html": HTML.encode(), "card.md": CARD.encode(), "m.bin": b"m"}
    )
    return lake.writing.publish([staged]).versions[0]


@pytest.fixture
def client(tmp_path):
    """The real webserver's application over an instance whose dagster.yaml names our logs."""
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import EmptyWorkspaceTarget
    from dagster_webserver.app import create_app_from_workspace_process_context

    logs = {"module": "ml_platform.components.lake_pages", "class": "LakePages", "config": {"base_dir": str(tmp_path / "logs")}}
    with local_instance(logs=logs) as instance:
        assert isinstance(instance.compute_log_manager, LakePages)
        with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as context:
            yield SimpleNamespace(
                http=TestClient(create_app_from_workspace_process_context(context), raise_server_exceptions=False), instance=instance
            )


def address(client, page):
    return link(client.instance, page).partition("](")[2].partition(")")[0]


def test_a_link_opens_the_report_and_the_card(client, lake, version):
    report = client.http.get(address(client, page_of(version, "report.html", "the report", lake._opened.store.location)))
    assert (report.status_code, report.text) == (200, HTML)
    assert report.headers["content-type"].startswith("text/html")
    card = client.http.get(address(client, page_of(version, "card.md", "the card", lake._opened.store.location)))
    assert "<h1>A model</h1>" in card.text
    assert "<td>0.7</td>" in card.text
    assert "<script>" not in card.text, "text is shown, not obeyed"


def test_what_is_gone_from_the_lake_is_gone_here(client, lake, version, tmp_path):
    there = address(client, page_of(version, "report.html", "the report", lake._opened.store.location))
    assert client.http.get(there).status_code == 200
    for file in version.files:
        (tmp_path / "data" / "lake" / file.path).unlink()
    assert client.http.get(there).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "lake/{id}/{content}/m.bin/html",
        "lake/{id}/{content}/absent.html/html",
        "lake/999999/{content}/report.html/html",
        "lake/{id}/ffffffffffff/report.html/html",
        "lake/{id}//report.html/html",
        "lake/x/{content}/report.html/html",
        "lake/..%2F..%2Fetc/{content}/passwd.html/html",
    ],
)
def test_nothing_else_is_served(client, version, path):
    asked = client.http.get("/logs/" + path.format(id=version.id, content=version.data_hash[:12]))
    assert asked.status_code in (404, 500), asked.text


def test_an_instance_without_our_logs_says_where_the_page_lies(lake, version):
    page = page_of(version, "report.html", "the report", lake._opened.store.location)
    with dg.DagsterInstance.ephemeral() as instance:
        told = link(instance, page)
    assert told.startswith("the report: `")
    assert "report.html" in told
    assert "](" not in told


def test_what_runs_print_is_kept_at_once_and_shown_when_they_have_ended(tmp_path, monkeypatch):
    screen = tmp_path / "screen"
    monkeypatch.setattr(sys, "stdout", screen.open("w"))
    logs, key = LakePages(base_dir=str(tmp_path)), ["a run", "compute_logs", "a step"]
    logs.shows_at_once = False
    with logs.capture_logs(key):
        sys.stdout.write("by Python\n")
        sys.stdout.flush()
        assert logs.get_log_data(key).stdout == b"by Python\n"
        assert not logs.is_capture_complete(key)
        assert screen.read_text() == ""
    assert logs.is_capture_complete(key)
    sys.stdout.close()
    assert screen.read_text() == "by Python\n"
