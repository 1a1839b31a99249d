"""What time it is: set for a project, in one of two places, or the machine's."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml_platform.components.settings import project_clock
from ml_platform.core.clock import NOW
from ml_platform.core.errors import DeclarationError

DAY = datetime(2013, 12, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (NOW, "ML_PLATFORM_LANDING"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_without_a_setting_it_is_the_machines_time(root: Path) -> None:
    before = datetime.now(UTC)
    assert before <= project_clock(root).now() <= datetime.now(UTC)
    assert project_clock(root).set_time() is None


@pytest.mark.parametrize(
    ("given", "time"),
    [
        ("2013-12-01", DAY),
        ("2013-12-01T06:30", DAY + timedelta(hours=6, minutes=30)),
        ("2013-12-01T06:30+02:00", DAY + timedelta(hours=4, minutes=30)),
    ],
)
def test_the_setting_wins_over_the_file(root: Path, monkeypatch: pytest.MonkeyPatch, given: str, time: datetime) -> None:
    clock = project_clock(root)
    clock.move(DAY - timedelta(days=9))
    monkeypatch.setenv(NOW, given)
    assert clock.now() == time
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.set_time() == (time, NOW)


def test_who_moves_the_file_moves_the_time_of_what_runs(root: Path) -> None:
    clock, other = project_clock(root), project_clock(root)
    for days in range(3):
        other.move(DAY + timedelta(days=days))
        assert clock.now() == DAY + timedelta(days=days)
    assert [path.name for path in (root / "data").iterdir()] == ["now"]


def test_a_time_that_the_setting_fixes_is_not_moved(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NOW, "2013-12-01")
    with pytest.raises(DeclarationError, match=r"ML_PLATFORM_NOW sets the platform's time, so it cannot be moved to 2013-12-02.* Unset it"):
        project_clock(root).move(DAY + timedelta(days=1))
    assert not (root / "data").exists()


def test_what_is_no_time_is_refused_with_its_place(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "data").mkdir()
    (root / "data" / "now").write_text("soon\n")
    with pytest.raises(DeclarationError, match=r"data/now sets the platform's time to 'soon': write 2013-12-01"):
        project_clock(root).now()
    monkeypatch.setenv(NOW, "1.12.2013")
    with pytest.raises(DeclarationError, match=r"ML_PLATFORM_NOW sets the platform's time to '1\.12\.2013'"):
        project_clock(root).now()


def test_the_file_of_the_first_versions_still_sets_the_time_and_the_log_says_what_to_do(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    former = root / "data" / "landing" / ".clock"
    former.parent.mkdir(parents=True)
    former.write_text(DAY.isoformat())
    clock = project_clock(root)
    with caplog.at_level(logging.WARNING, logger="ml_platform"):
        assert [clock.now(), clock.now()] == [DAY, DAY]
    assert [record.getMessage() for record in caplog.records] == [
        f"{former} sets the platform's time to 2013-12-01 00:00 UTC, as it did in the first versions; later ones will not read it. "
        f"Keep that time with: mv {former} {root}/data/now; or remove the file, and the time is the machine's."
    ]
    former.rename(root / "data" / "now")
    assert project_clock(root).set_time() == (DAY, str(root / "data" / "now"))
