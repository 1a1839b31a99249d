"""No partition is None in the code; one module says which text stands for it where one is stored."""

import re
from pathlib import Path

import ml_platform
from ml_platform.core.partitions import partition_of, partition_text

# ``partition or ""`` and the like, by hand.
_BY_HAND = re.compile(r"""\b(partition|partition_key|day|head|key) or (""|'')""")


def test_what_is_stored_of_a_partition_means_it():
    assert [partition_of(partition_text(key)) for key in ("2013-06-01", None)] == ["2013-06-01", None]
    assert sorted(["b", None, "a"], key=partition_text) == [None, "a", "b"]


def test_no_other_module_says_how_no_partition_is_stored():
    package = Path(ml_platform.__file__).parent
    found = [
        f"{path.relative_to(package)}: {line.strip()}"
        for path in sorted(package.rglob("*.py"))
        for line in path.read_text("utf-8").splitlines()
        if _BY_HAND.search(line)
    ]
    assert found == []
    assert _BY_HAND.search('{version.partition or "": 1}')
