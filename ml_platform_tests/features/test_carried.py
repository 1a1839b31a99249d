from dataclasses import replace

import pytest

from ml_platform.core.errors import DeclarationError, FeatureError
from ml_platform.features.carried import carried_view, is_declared
from ml_platform.features.declared.compiled_view import CompiledView
from ml_platform_tests import flights_like as like
from ml_platform_tests.pipeline.feature_world import world


@pytest.fixture
def project(tmp_path):
    return world(tmp_path, landed=0).workspace.project


def all_of(view: CompiledView):
    return [definition for entity in view.entities for definition in view.definitions(entity)]


@pytest.mark.parametrize("name", ["delays", "busy", "legs"])
def test_a_view_is_rebuilt_from_its_definitions(project, name):
    declared = project.view(name)
    carried = carried_view(name, all_of(declared), project.tables)
    assert carried.entities == declared.entities
    assert set(carried.tables) == set(declared.tables)
    assert carried.view.refresh == declared.view.refresh
    assert carried.view.is_handmade == declared.view.is_handmade
    assert carried.asset_names == declared.asset_names
    for entity in declared.entities:
        assert carried.definitions(entity) == declared.definitions(entity)
        assert carried.column_types(entity) == declared.column_types(entity)
    assert is_declared(all_of(carried), declared)


def test_what_is_declared_otherwise_is_known(project):
    declared = project.view("delays")
    definitions = all_of(declared)
    assert not is_declared(definitions[1:], declared)
    assert not is_declared([definitions[1], definitions[0], *definitions[2:]], declared)  # columns in another order
    assert not is_declared([replace(definitions[0], window=like.HOUR), *definitions[1:]], declared)
    assert not is_declared([replace(d, entity=("tailnum",)) for d in definitions], declared)
    assert not is_declared(definitions, None)
    # One entity's features are enough where only that entity was used; another description is no other feature.
    some = [replace(d, description="") for d in declared.definitions(declared.entities[0])]
    assert is_declared(some, declared)


def test_what_it_read_must_still_be_declared(project):
    definitions = all_of(project.view("delays"))
    with pytest.raises(FeatureError, match="View 'delays' read table 'arrivals', which is not declared any more"):
        carried_view("delays", definitions, {name: table for name, table in project.tables.items() if name != "arrivals"})
    lost = replace(
        like.ARRIVALS,
        contract=replace(like.ARRIVALS.contract, columns=tuple(c for c in like.ARRIVALS.contract.columns if c.name != "origin")),
    )
    with pytest.raises(FeatureError, match="View 'delays' had the key column 'origin', which is in no contract of arrivals any more"):
        carried_view("delays", definitions, {**project.tables, "arrivals": lost})
    with pytest.raises(DeclarationError, match="definitions of view 'busy' that the model carries"):
        carried_view("busy", all_of(project.view("busy")), {**project.tables, "arrivals": lost})
