import pyarrow as pa
import pytest

from ml_platform.lake.lake import Lake


@pytest.fixture
def chain(tmp_path):
    """Versions 1 to 5: 2 from 1; 3 from 1 and 2; 4 from nothing; 5 from 3 and 4."""
    lake = Lake.open(tmp_path)
    for number, inputs in enumerate([[], [1], [1, 2], [], [3, 4]], start=1):
        lake.writing.publish(
            [lake.writing.stage(f"p/tables/t{number}", None, pa.table({"x": [number]}), inputs=inputs)], message=f"number {number}"
        )
    yield lake
    lake.close()


def test_edges_of_many_versions_at_once(chain):
    assert chain.lineage.edges([1, 3, 5]) == {1: (), 3: (1, 2), 5: (3, 4)}
    assert chain.lineage.edges([]) == {}


def test_users_of_several_versions_without_themselves(chain):
    assert [v.id for v in chain.lineage.users_of([2, 4])] == [3, 5]
    assert [v.id for v in chain.lineage.users_of([1, 2])] == [3, 5]
    assert chain.lineage.users_of([5]) == []


def test_a_closure_ends_where_it_is_told_to(chain):
    whole, edges = chain.lineage.closure_until([5], lambda _: False)
    assert [v.id for v in whole] == [v.id for v in chain.lineage.closure([5])]
    assert edges == {made: ids for made, ids in chain.lineage.edges([1, 2, 3, 4, 5]).items() if ids}
    part, edges = chain.lineage.closure_until([5], lambda v: v.table == "p/tables/t3")
    assert [v.id for v in part] == [3, 4, 5]
    assert edges == {5: (3, 4)}


def test_commits_say_what_they_are(chain):
    notes = chain.versions.commit_notes([2, 5, 99])
    assert [(n.number, n.message) for n in notes.values()] == [(2, "number 2"), (5, "number 5")]
    assert notes[5].hash == chain.versions.commits(1)[0].hash
