"""Every column that a reader sees in the UI says what it is."""

from __future__ import annotations

import dagster as dg

from ml_platform.components.assets.column_schemas import BY_LINK, IN_PLACE, feature_columns, shown_columns, training_columns
from ml_platform.components.opening import open_project
from ml_platform.project.asked_features import resolve_features
from ml_platform_tests.components.declarations.test_feature_view import write
from ml_platform_tests.examples.small_flights import REPOSITORY


def test_the_demos_features_are_described_by_their_sentences():
    project = open_project(REPOSITORY).project
    described = 0
    for name, view in project.views.items():
        for entity in view.entities:
            schema = feature_columns(view, entity)
            assert schema is not None
            assert [c.name for c in schema.columns] == list(view.column_types(entity))
            assert all(c.description for c in schema.columns), name
            described += len(schema.columns)
    assert described > 150
    problem = project.problem("late_arrival")
    training = training_columns(project, problem)
    assert training is not None
    columns = {c.name: c for c in training.columns}
    for definition in resolve_features(project, problem):
        assert definition.name in columns
        assert columns[definition.name].description or definition.name in problem.spine_key


def test_the_ui_is_told_of_a_training_set_with_expressions_and_their_request(tmp_path, monkeypatch):
    project = open_project(write(tmp_path, monkeypatch)).project
    schema = training_columns(project, project.problem("buys_again"))
    assert schema is not None
    told = {c.name: c.description or "" for c in schema.columns}
    assert list(told) == ["order_id", "customer", "amount", "_cutoff", "_split", "_label", "against_usual"]
    assert told["amount"] == "What the caller gives at request time."
    assert told["against_usual"].startswith("amount / customer_amount_mean_7d, per customer, where customer_amount_mean_7d: Mean of amount")


def test_the_assets_carry_them(tmp_path, monkeypatch):
    from ml_platform_tests.components.shop import tree_of

    graph = tree_of(write(tmp_path, monkeypatch)).build_defs().resolve_asset_graph()
    for name in (["features", "spending__customer"], ["training", "buys_again"]):
        metadata = graph.get(dg.AssetKey(["shop", *name])).metadata
        # Under Dagster's own key they would stand before the plots and verdicts that a reader comes for.
        assert IN_PLACE not in metadata
        schema = metadata[BY_LINK].schema
        assert any(c.description and "per customer" in c.description for c in schema.columns)


def test_a_table_begins_with_its_columns_while_they_are_few(tmp_path, monkeypatch):
    from ml_platform_tests.components.shop import tree_of

    graph = tree_of(write(tmp_path, monkeypatch)).build_defs().resolve_asset_graph()
    table = graph.get(dg.AssetKey(["shop", "tables", "orders"]))
    assert IN_PLACE in table.metadata
    columns = [dg.TableColumn(f"c{n}", "BIGINT") for n in range(21)]
    assert list(shown_columns(dg.TableSchema(columns[:20]), is_table=True)) == [IN_PLACE]
    wide = shown_columns(dg.TableSchema(columns), is_table=True)
    assert list(wide) == [BY_LINK]
    assert len(wide[BY_LINK].schema.columns) == 21
