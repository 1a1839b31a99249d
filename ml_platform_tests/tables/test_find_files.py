import pytest

from ml_platform.core.errors import DeclarationError
from ml_platform.tables.find_files import check_pattern, find_files

FILES = [
    "orders/2013-01-01.csv", "orders/2013-01-01-05.csv", "orders/2013-01-02.csv", "orders/2013-02-30.csv", "orders/x.csv",
    "orders/.2013-01-03.csv", "days/2013-01-01/a.csv", "days/2013-01-01/b.csv", "days/2013-01-02/a.csv", "planes.csv",
    "log_2013-01-01_x.csv",
]  # fmt: skip


@pytest.fixture
def landing(tmp_path):
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("orders/{day}.csv", {"2013-01-01": ["2013-01-01.csv"], "2013-01-02": ["2013-01-02.csv"]}),
        ("orders/{day}*.csv", {"2013-01-01": ["2013-01-01-05.csv", "2013-01-01.csv"], "2013-01-02": ["2013-01-02.csv"]}),
        ("days/{day}/*.csv", {"2013-01-01": ["a.csv", "b.csv"], "2013-01-02": ["a.csv"]}),
        ("log_{day}_*.csv", {"2013-01-01": ["log_2013-01-01_x.csv"]}),
        ("planes.csv", {None: ["planes.csv"]}),
        ("nowhere/{day}.csv", {}),
        ("nowhere.csv", {}),
        ("days/{day}/{day}.csv", {}),
    ],
)
def test_files_are_found_by_day(landing, pattern, expected):
    assert {day: [p.name for p in paths] for day, paths in find_files(landing, pattern).items()} == expected


def test_only_the_days_asked_for_are_found(landing):
    assert list(find_files(landing, "days/{day}/*.csv", ["2013-01-02", "2013-01-09"])) == ["2013-01-02"]


@pytest.mark.parametrize(
    ("pattern", "daily", "message"),
    [
        ("orders.csv", True, "does not say where {day} stands"),
        ("orders/{day}.csv", False, "holds {day}, but the table has no 'partitions:'"),
        ("orders/{date}.csv", True, "the only placeholder is {day}"),
        ("../orders/{day}.csv", True, "relative to the landing zone"),
        ("/orders/{day}.csv", True, "relative to the landing zone"),
        ("**/{day}.csv", True, "name each folder"),
        (False, False, "got False"),
    ],
)
def test_a_pattern_that_finds_nothing_right_is_refused(pattern, daily, message):
    with pytest.raises(DeclarationError, match=message):
        check_pattern(pattern, "orders.yaml", daily=daily)
