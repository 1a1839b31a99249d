"""``python -m examples.flights``: what is delivered, and what cannot be."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from examples.flights.__main__ import main
from examples.flights.feeds import landed_until


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text('[tool.dg]\ndirectory_type = "project"\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_first_landing_and_the_next_day(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "land", "--until", "2013-01-03")
    assert code == 0
    assert "files with what was reported until 2013-01-03 00:00 UTC" in out
    assert "==> Landed everything that was reported before 2013-01-03 00:00 UTC" in err
    code, out, _ = run(capsys, "land", "--next", "1h", "--json")
    assert json.loads(out)["until"] == "2013-01-03T01:00:00+00:00"
    code, out, _ = run(capsys, "land")
    assert landed_until(project / "data" / "landing") == datetime(2013, 1, 4, 1, tzinfo=UTC)
    code, out, _ = run(capsys, "land", "--until", "2013-01-02")
    assert (code, "nothing was changed" in out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["land", "--until", "soon"], "'soon' is no day or time"),
        (["land", "--next", "3"], "The length of --next '3' cannot be read"),
        (["land", "--next", "0d"], "needs a length of time above zero"),
        (["land", "--until", "2012-01-01"], "Nothing was reported before 2012-01-01"),
    ],
)
def test_what_cannot_be_done_is_one_message_and_no_traceback(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
