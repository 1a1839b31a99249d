"""Entities whose columns are called as no table of the lake may be: their features have a table all the same."""

import pytest

from ml_platform.pipeline.delivery.raw import materialize_raw
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.tables.table import materialize_table
from ml_platform_tests.components.made_project import make_project

DECLARATIONS = """
type: ml_platform.Table
attributes:
  name: results
  source: {files: "results.csv"}
  partitions: {start: "2024-01-01", end: "2024-01-11"}
  contract: results.contract.yaml
  event_time: held
  available_at: held
---
type: ml_platform.FeatureView
attributes:
  name: recent
  source: results
  entities: [[raceId], ["Kunden Nr", raceId], [città]]
  windows: [3d]
  refresh: 1d
  features:
    - {column: points, functions: [sum]}
"""
CONTRACT = """
columns:
  raceId: {type: int64, nullable: false}
  Kunden Nr: {type: string, nullable: false}
  città: {type: string, nullable: false}
  held: {type: date, nullable: false}
  points: int64
"""


@pytest.mark.slow
def test_columns_of_any_name_are_entities(tmp_path):
    project = make_project(tmp_path, "races")
    project.declare(DECLARATIONS, results=CONTRACT)
    project.land(
        "results.csv",
        "raceId,Kunden Nr,città,held,points\n1,a,Bari,2024-01-02,3\n1,b,Bari,2024-01-03,4\n2,b,Bari,2024-01-04,9\n",
        "2024-01-05",
    )
    project.set_clock("2024-01-05")
    names = {key.path[-1] for key in project.definitions().resolve_asset_graph().materializable_asset_keys if key.path[1] == "features"}
    workspace = project.open().workspace
    materialize_raw(workspace, "results", [None])
    days = ["2024-01-02", "2024-01-03", "2024-01-04"]
    materialize_table(workspace, "results", days)
    view = workspace.project.view("recent")
    assert set(view.asset_names.values()) == names
    assert view.asset_names["raceId",] == "recent__raceid"
    for entity in view.entities:
        materialize_features(workspace, "recent", entity, days)
    made = project.open().view("recent").preview()
    assert made["raceId_points_sum_3d"].max() == 7
    assert set(made["città"].drop_nulls()) == {"Bari"}
