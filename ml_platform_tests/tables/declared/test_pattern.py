import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.core.errors import DeclarationError
from ml_platform.tables.declared.landing_zone import LandingZone
from ml_platform.tables.declared.pattern import Pattern

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
    found = Pattern.parse(pattern, "here").find(LandingZone(landing))
    assert {day: [f.path.name for f in files] for day, files in found.items()} == expected


def test_only_the_days_asked_for_are_found(landing):
    assert list(Pattern("days/{day}/*.csv").find(LandingZone(landing), ["2013-01-02", "2013-01-09"])) == ["2013-01-02"]


@pytest.mark.parametrize(
    ("pattern", "daily", "message"),
    [
        ("orders.csv", True, "has no {day}: say where the day stands"),
        ("orders/{day}.csv", False, "says the day of a file; add partitions"),
        ("orders/{date}.csv", True, "the placeholders are {day}"),
        ("../orders/{day}.csv", True, "relative to the landing zone"),
        ("/orders/{day}.csv", True, "relative to the landing zone"),
        ("orders//{day}.csv", True, "part without a name"),
        ("**/{day}.csv", True, "name each folder"),
        (False, False, "got False"),
    ],
)
def test_a_pattern_that_finds_nothing_right_is_refused(pattern, daily, message):
    with pytest.raises(DeclarationError, match=message):
        Pattern.parse(pattern, "orders.yaml", daily=daily)


_NAMES = st.sampled_from([
    "2024-01-01", "2024-02-30", "2024-01-01.csv", "orders-2024-01-01.csv", "orders-2024-01-02.csv", "2024-01-01-1.csv", ".2024-01-01.csv",
    "2024-01-01.csv.tmp", "2024-01-01.csv.part", "in[1]", "in1", "a\nb2024-01-01.csv", "x.csv",
    "\u0662\u0660\u0662\u0664-01-01.csv", ".stage",
])  # fmt: skip
_PARTS = st.sampled_from(["{day}", "{day}.csv", "orders-{day}.csv", "{day}*", "*{day}*", "*", "?n[1]", "in[1]", "{day}-?.csv", ".{day}*"])


@pytest.mark.slow
@given(
    names=st.lists(st.lists(_NAMES, min_size=1, max_size=2).map("/".join), max_size=12, unique=True),
    pattern=st.lists(_PARTS, min_size=1, max_size=2).map("/".join),
)
def test_what_lies_there_is_found_exactly_when_its_path_is_of_the_pattern(names, pattern):
    one = Pattern.parse(pattern, "here")
    with tempfile.TemporaryDirectory() as folder:
        laid = set()
        for name in names:
            path = Path(folder, name)
            # A name is a file or a folder, not both.
            if not path.exists() and (path.parent.is_dir() or not path.parent.exists()):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("x")
                laid.add(name)
        found = one.find(LandingZone(Path(folder)))
        assert {f.name for files in found.values() for f in files} == {n for n in laid if one.matches(n)}
        for day, files in found.items():
            assert {one.day_of(f.name) for f in files} == {day}
            assert one.find(LandingZone(Path(folder)), [day]) == {day: files}


@pytest.mark.parametrize(
    ("pattern", "name", "day"),
    [
        ("{hour}.csv", "2024-05-01T13.csv", "2024-05-01"),
        ("{day}/{HH}.csv", "2024-05-01/7.csv", "2024-05-01"),
        ("year={year}/month={MM}/day={DD}/*.parquet", "year=2024/month=5/day=03/part-0.parquet", "2024-05-03"),
        ("{month}/{day}.csv", "2024-05/2024-05-01.csv", "2024-05-01"),
    ],
)
def test_a_path_says_the_day_in_parts_too(pattern: str, name: str, day: str) -> None:
    parsed = Pattern.parse(pattern, "orders.yaml", daily=True)
    assert (parsed.has_day, parsed.day_of(name)) == (True, day)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("{hour}.csv", "2024-05-01T24.csv"), ("{month}/{day}.csv", "2024-06/2024-05-01.csv"), ("{month}.csv", "2024-13.csv"),
        ("{year}/{day}.csv", "2023/2024-05-01.csv"), ("{day}/{HH}.csv", "2024-05-01/25.csv"),
    ],
)  # fmt: skip
def test_a_time_that_there_is_not_is_none_of_a_pattern(pattern: str, name: str) -> None:
    assert not Pattern.parse(pattern, "orders.yaml").matches(name)


@pytest.mark.parametrize(
    ("pattern", "name"), [("{month}.csv", "2024-12.csv"), ("year={year}/month={MM}/*", "year=2024/month=12/a.parquet")]
)
def test_files_by_month_belong_to_no_one_day(pattern: str, name: str) -> None:
    parsed = Pattern.parse(pattern, "orders.yaml")
    assert (parsed.has_day, parsed.matches(name), parsed.day_of(name)) == (False, True, None)


@pytest.mark.parametrize("pattern", ["{MM}.csv", "{year}/{DD}.csv", "{month}/{HH}.csv"])
def test_a_part_of_a_time_adds_to_what_stands_before_it(pattern: str) -> None:
    with pytest.raises(DeclarationError, match="adds to a time that stands before it"):
        Pattern.parse(pattern, "orders.yaml")
