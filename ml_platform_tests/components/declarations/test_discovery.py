from __future__ import annotations

from datetime import timedelta

import pytest

from ml_platform.components.declarations.discovery import DiscoverModel
from ml_platform.core.errors import DeclarationError, DurationError
from ml_platform.features.nested.declaration import Discovery, Relationship

WORDS = {
    "tables": ["schedule", "airports"],
    "primitives": {"aggregations": ["mean"], "transforms": ["hour"], "where": ["mean"]},
    "windows": ["1d", "28d"],
    "interesting_values": {"schedule.carrier": ["UA"]},
    "types": {"schedule.note": "NaturalLanguage"},
    "relationships": [{"parent": "airports", "key": "faa", "child": "schedule", "via": ["origin"]}],
    "max_features": 50,
}


def test_words_become_a_discovery(tmp_path):
    assert DiscoverModel.model_validate(WORDS).to_core(tmp_path, "problem.yaml:3") == Discovery(
        tables=("schedule", "airports"),
        aggregations=("mean",),
        transforms=("hour",),
        where=("mean",),
        windows=(timedelta(days=1), timedelta(days=28)),
        interesting_values={"schedule.carrier": ("UA",)},
        types={"schedule.note": "NaturalLanguage"},
        relationships=(Relationship("airports", ("faa",), "schedule", ("origin",)),),
        max_features=50,
    )


def test_the_text_of_saved_definitions_is_what_is_declared(tmp_path):
    (tmp_path / "features.json").write_text("[]")
    found = DiscoverModel(tables=["schedule"], definitions="features.json").to_core(tmp_path, "problem.yaml:3")
    assert found.definitions == "[]"
    # Nothing said about primitives: the usual ones.
    assert found.aggregations == Discovery().aggregations
    with pytest.raises(DeclarationError, match=r"names gone.json, which cannot be read"):
        DiscoverModel(definitions="gone.json").to_core(tmp_path, "problem.yaml:3")


def test_a_window_without_unit_is_said(tmp_path):
    with pytest.raises(DurationError, match=r"problem.yaml:3: discover\.windows\[0\] '28' cannot be read"):
        DiscoverModel(tables=["schedule"], windows=["28"]).to_core(tmp_path, "problem.yaml:3")
