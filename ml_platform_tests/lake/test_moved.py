import pickle

import pytest

from ml_platform.lake.lake import Lake
from ml_platform.lake.moved import MOVED

ROOT = {"tables", "partitions", "read", "history", "diff", "tag"}
VIEWS = {"open", "on", "for_run", "latest", "pinned", "close", "url", "branch", "is_pinned"}
PARTS = {"versions", "lineage", "writing", "branches", "tags", "retention", "health", "exports"}

pytestmark = pytest.mark.sqlite


def test_the_lake_itself_is_what_an_analyst_asks_for(lake):
    assert {name for name in dir(lake) if not name.startswith("_")} == ROOT | VIEWS | PARTS
    assert Lake.__bases__ == (object,)


@pytest.mark.parametrize("name", MOVED)
def test_a_name_of_before_says_where_it_is_now(name, lake):
    with pytest.raises(AttributeError, match=f"A lake has no {name!r} of its own: it is lake") as told:
        getattr(lake, name)
    assert str(told.value).endswith(f"it is {MOVED[name]} now.")
    found = lake
    for part in MOVED[name].partition("(")[0].split(".")[1:]:
        found = getattr(found, part)
    assert callable(found) is MOVED[name].endswith(")")


def test_another_name_is_an_attribute_error_like_any_other(lake):
    assert not hasattr(lake, "nonsense")
    with pytest.raises(AttributeError, match=r"A lake has no 'nonsense'\.$"):
        _ = lake.nonsense


@pytest.mark.parametrize("part", sorted(PARTS))
def test_a_part_goes_to_another_process(part, lake):
    there = pickle.loads(pickle.dumps(getattr(lake.on("dev"), part)))  # noqa: S301  our own bytes
    assert type(there) is type(getattr(lake, part))
    assert (there._opened.url, there._opened.scope.branch) == (lake.url, "dev")
