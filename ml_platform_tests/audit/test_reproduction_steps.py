from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.audit.reproduction_steps import order_steps
from ml_platform.core.layers import REPEATABLE_LAYERS, TableName
from ml_platform.lake.ledger.version import Version


def version(number: int, table: str, partition: str, commit: int) -> Version:
    return Version(
        number, commit, TableName(f"p/{table}"), partition, "data", 1, 1, str(number), (), "", "", datetime(2013, 1, 1, tzinfo=UTC), {}
    )


def steps(versions, edges):
    closure = {v.id: v for v in versions}
    edges = {i: tuple(edges.get(i, ())) for i in closure}
    found = order_steps(closure, edges, [i for i in closure if edges[i]])
    return [(step.asset, [v.id for v in step.versions]) for step in found]


def test_what_was_published_together_is_made_together():
    raw = [version(n, "raw/a", f"d{n}", n) for n in (1, 2, 3)]
    tables = [version(4, "tables/a", "d1", 4), version(5, "tables/a", "d2", 4), version(6, "tables/a", "d3", 5)]
    feature = version(7, "features/f__a", "d3", 6)
    assert steps([*raw, *tables, feature], {4: [1], 5: [2], 6: [3], 7: [4, 5, 6]}) == [
        ("tables/a", [4, 5]),
        ("tables/a", [6]),
        ("features/f__a", [7]),
    ]


def test_derived_tables_come_after_what_they_read():
    versions = [version(1, "raw/z", "d", 1), version(2, "tables/z", "d", 2), version(3, "tables/a", "d", 3)]
    assert steps(versions, {2: [1], 3: [2]}) == [("tables/z", [2]), ("tables/a", [3])]


def test_two_versions_of_one_input_or_output_are_never_meant_at_once():
    # A merge published together what was made one after the other.
    old, new = version(1, "raw/a", "d1", 1), version(2, "raw/a", "d1", 2)
    merged = [version(3, "tables/b", "d1", 3), version(4, "tables/b", "d2", 3), version(5, "tables/b", "d3", 3)]
    assert steps([old, new, *merged], {3: [1], 4: [2], 5: [1]}) == [("tables/b", [3, 5]), ("tables/b", [4])]
    twins = [version(3, "tables/b", "d1", 3), version(4, "tables/b", "d1", 3)]
    assert steps([old, *twins], {3: [1], 4: [1]}) == [("tables/b", [3]), ("tables/b", [4])]


def test_the_newest_delivery_of_a_partition_is_the_one_that_counts():
    old, new = version(1, "raw/a", "d1", 1), version(2, "raw/a", "d1", 2)
    tables = [version(3, "tables/a", "d1", 3), version(4, "tables/a", "d2", 3)]
    assert steps([old, new, *tables], {3: [1, 2], 4: [2]}) == [("tables/a", [3, 4])]


def test_groups_that_wait_for_each_other_go_in_parts():
    versions = [version(1, "raw/x", "d", 1)]
    versions += [
        version(2, "tables/a", "d1", 2),
        version(3, "tables/b", "d1", 2),
        version(4, "tables/a", "d2", 2),
        version(5, "tables/b", "d2", 2),
    ]
    assert steps(versions, {2: [1], 3: [2], 4: [3], 5: [4]}) == [
        ("tables/a", [2]), ("tables/b", [3]), ("tables/a", [4]), ("tables/b", [5]),
    ]  # fmt: skip


def test_a_circle_is_an_error_and_no_endless_loop():
    with pytest.raises(ValueError, match="cannot be ordered"):
        steps([version(1, "tables/a", "d", 1), version(2, "tables/b", "d", 1)], {1: [2], 2: [1]})


@given(
    st.lists(
        st.tuples(
            st.sampled_from(REPEATABLE_LAYERS[1:3]), st.integers(0, 1), st.integers(0, 2), st.integers(0, 2), st.sets(st.integers(0, 9))
        ),
        max_size=9,
    )
)
def test_every_step_has_what_it_needs(drawn):
    versions = [version(0, "raw/r", "d", 0)]
    edges = {}
    for number, (layer, name, partition, commit, inputs) in enumerate(drawn, start=1):
        versions.append(version(number, f"{layer}/t{name}", f"d{partition}", 1 + commit))
        edges[number] = [i for i in inputs if i < number] or [0]
    by_id = {v.id: v for v in versions}
    done = {0}
    for _, ids in steps(versions, edges):
        newest = {}
        for i in ids:
            assert set(edges[i]) <= done
            meant = {}
            for j in edges[i]:
                place = (by_id[j].table, by_id[j].partition)
                meant[place] = max(meant.get(place, j), j)
            for place, j in meant.items():
                assert newest.setdefault(place, j) == j
        assert len({by_id[i].partition for i in ids}) == len(ids)
        assert not done & set(ids)
        done |= set(ids)
    assert done == set(by_id)
