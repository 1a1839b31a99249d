import hashlib
from types import SimpleNamespace

import pytest

from ml_platform.pipeline.delivery.taken_in import BYTES_PER_TICK, Comparison, Delivery

TIME = "2013-01-05T12:00:00.000001+00:00"
MICROS = 1_357_387_200_000_001


@pytest.fixture
def comparison(tmp_path):
    (tmp_path / "a.csv").write_text("content")
    return Comparison(tmp_path)


def head(name="a.csv", size=7, content="content"):
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    return SimpleNamespace(properties={"files": [{"name": name, "size": size, "delivered_at": TIME, "sha256": sha256}]})


def there(at=MICROS * 1000, name="a.csv", size=7):
    return Delivery(((name, size, at),))


def test_a_signature_changes_with_every_part_of_a_delivery():
    files = [there(), there(at=1), there(name="b.csv"), there(size=8), Delivery(()), Delivery((*there().files, ("b.csv", 1, 1)))]
    assert len({delivery.signature for delivery in files}) == len(files)
    assert there().signature == there().signature


@pytest.mark.parametrize(
    ("delivery", "version", "expected"),
    [
        (there(), None, "new"),
        (there(), head(), "taken in"),
        (there(at=MICROS * 1000 + 999), head(content="nobody reads it"), "taken in"),
        (there(at=5), head(), "taken in"),
        (there(at=5), head(content="another"), "new"),
        (there(at=MICROS * 1000 + 1000), head(content="another"), "new"),
        (there(size=8), head(), "new"),
        (there(name="b.csv"), head(), "new"),
        (Delivery(()), head(), "new"),
        (there(name="gone.csv", at=5), head(name="gone.csv"), "new"),
    ],
    ids=[
        "first",
        "as it was",
        "below a microsecond",
        "touched",
        "written again",
        "a microsecond later",
        "longer",
        "renamed",
        "withdrawn",
        "gone",
    ],
)
def test_a_verdict(comparison, delivery, version, expected):
    assert comparison.verdict(delivery, version) == expected


def test_a_tick_reads_no_more_than_it_may_and_says_what_is_left(comparison):
    comparison.bytes_left = 10
    assert [comparison.verdict(there(at=5), head()) for _ in range(3)] == ["taken in", "later", "later"]
    assert comparison.bytes_left == 3
    assert comparison.verdict(there(), head()) == "taken in", "what has its time is not read"


def test_what_no_tick_could_read_is_left_to_the_run(comparison):
    huge = BYTES_PER_TICK + 1
    assert comparison.verdict(there(at=5, size=huge), head(size=huge)) == "new"
    assert comparison.bytes_left == BYTES_PER_TICK
