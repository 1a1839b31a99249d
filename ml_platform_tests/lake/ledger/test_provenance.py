import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.lake.lake import Lake
from ml_platform_tests.effort import examples


def reach(edges, start):
    """Everything that can be reached, by a loop over all edges."""
    found = set(start)
    while more := {there for here, there in edges if here in found} - found:
        found |= more
    return found


@pytest.mark.slow
@settings(max_examples=examples(15))
@given(st.lists(st.sets(st.integers(1, 8), max_size=3), min_size=1, max_size=8), st.data())
def test_closures_are_those_of_a_loop(tmp_path_factory, made_from, data):
    lake = Lake.open(tmp_path_factory.mktemp("lake"))
    edges = []
    for i, wanted in enumerate(made_from, start=1):
        inputs = {j for j in wanted if j < i}
        lake.writing.publish([lake.writing.stage("p/tables/a", f"d{i}", pa.table({"x": [i]}), inputs=inputs)])
        edges += [(i, j) for j in inputs]
    start = data.draw(st.sets(st.integers(1, len(made_from)), min_size=1))
    assert [v.id for v in lake.lineage.closure(start)] == sorted(reach(edges, start))
    one = min(start)
    back = [(there, here) for here, there in edges]
    assert [v.id for v in lake.lineage.used_by(one)] == sorted(reach(back, {one}) - {one})
    assert lake.lineage.reached_from(start) == reach(back, start)
    assert [v.id for v in lake.lineage.used_by(one, direct=True)] == sorted({there for here, there in back if here == one})
    contents = lake.lineage.input_contents(range(1, len(made_from) + 1))
    assert [(c.version_id, c.input_id) for c in contents] == sorted(edges)
    assert all((c.partition, c.data_hash) == (f"d{c.input_id}", lake.versions.get(c.input_id).data_hash) for c in contents)
    counted = lake.lineage.inputs_by_table(range(1, len(made_from) + 1))
    for i, tables in counted.items():
        direct = lake.lineage.inputs(i)
        assert [(t.table, t.versions, t.commit) for t in tables] == [("p/tables/a", len(direct), max(v.commit for v in direct))]
        assert (tables[0].first, tables[0].last) == (min(v.partition for v in direct), max(v.partition for v in direct))
    assert set(counted) == {here for here, _ in edges}
    assert [v.id for v in lake.lineage.inputs(one)] == sorted({there for here, there in edges if here == one})
    assert lake.lineage.edges(range(1, len(made_from) + 1)) == {
        i: tuple(sorted(there for here, there in edges if here == i)) for i in range(1, len(made_from) + 1)
    }
    lake.close()
