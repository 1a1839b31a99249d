from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.lineage.layout import Box, place


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 12))
    boxes = [Box(f"b{i}", draw(st.integers(0, 4)), draw(st.integers(40, 90)), draw(st.integers(20, 60))) for i in range(count)]
    keys = st.sampled_from([box.key for box in boxes])
    return boxes, draw(st.lists(st.tuples(keys, keys), max_size=20))


def overlap(a, b):
    return a.x < b.x + b.width and b.x < a.x + a.width and a.y < b.y + b.height and b.y < a.y + a.height


@given(graphs())
def test_boxes_stand_apart_and_no_line_runs_through_one(graph):
    boxes, arrows = graph
    found = place(boxes, arrows)
    assert set(found.boxes) == {box.key for box in boxes}
    for one, other in combinations(found.boxes.values(), 2):
        assert not overlap(one, other)
    for box in found.boxes.values():
        assert 0 <= box.x <= box.x + box.width <= found.width
        assert 0 <= box.y <= box.y + box.height <= found.height
        for (x, y), (to_x, _) in found.lanes:
            assert not (x < box.x + box.width and box.x < to_x and box.y <= y <= box.y + box.height)
    edges = {box.x for box in found.boxes.values()} | {x for (x, _), _ in found.lanes}
    for (x, _), (to_x, _) in found.lines:
        # Between two columns there is nothing to run into.
        assert x < to_x
        assert not any(x < edge < to_x for edge in edges)


@given(graphs())
def test_every_arrow_to_the_right_can_be_followed(graph):
    boxes, arrows = graph
    found = place(boxes, arrows)
    steps: dict = {}
    for start, end in [*found.lines, *found.lanes]:
        steps.setdefault(start, set()).add(end)
    column = {box.key: box.column for box in boxes}
    for source, target in arrows:
        if column[source] >= column[target]:
            continue
        here, there = found.boxes[source], found.boxes[target]
        reached = {(here.x + here.width, here.middle)}
        while more := {end for at in reached for end in steps.get(at, ())} - reached:
            reached |= more
        assert (there.x, there.middle) in reached


@pytest.mark.slow
@given(graphs())
def test_the_order_of_the_arrows_changes_nothing(graph):
    boxes, arrows = graph
    assert place(boxes, arrows) == place(boxes, arrows[::-1])


def test_crossing_arrows_are_untangled():
    boxes = [Box(key, "ab".index(key[0]), 40, 20) for key in ("a1", "a2", "b1", "b2")]
    found = place(boxes, [("a1", "b2"), ("a2", "b1")]).boxes
    assert (found["a1"].y < found["a2"].y) == (found["b2"].y < found["b1"].y)


def test_an_arrow_past_a_column_has_a_lane_there():
    boxes = [Box("a", 0, 40, 20), Box("b", 1, 60, 20), Box("c", 2, 40, 20)]
    found = place(boxes, [("a", "b"), ("b", "c"), ("a", "c")])
    ((left, right),) = found.lanes
    assert (left[0], right[0]) == (found.boxes["b"].x, found.boxes["b"].x + 60)
    assert left[1] == right[1]


def test_nothing_to_place_is_an_empty_layout():
    assert place([], []).width == 0
