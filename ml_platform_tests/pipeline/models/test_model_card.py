from dataclasses import replace
from datetime import timedelta

from ml_platform.features.declared.kinds import ColumnFeature, HandmadeFeature, WindowFeature
from ml_platform.pipeline.models.model_card import timeless_tables
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform_tests.flights_like import ARRIVALS, SCHEDULE, project
from ml_platform_tests.pipeline.modelled_world import modelled

PLANES = replace(SCHEDULE, name="planes", source=FileSource("planes.csv"), timeless=True, partitions=None, availability=())


def test_tables_that_are_read_as_they_are_now_are_named(tmp_path):
    workspace = replace(modelled(tmp_path), project=project(tmp_path, tables=(SCHEDULE, ARRIVALS, PLANES)))
    column = ColumnFeature("seats", ("tailnum",), "BIGINT", table="planes", value="seats")
    window = WindowFeature("origin_count_7d", ("origin",), "BIGINT", view="delays", table="arrivals")
    handmade = HandmadeFeature("legs", ("tailnum",), "BIGINT", view="legs", reads=(("planes", timedelta(0)),))
    assert timeless_tables(workspace, [window]) == ()
    assert timeless_tables(workspace, [column, window]) == ("planes",)
    assert timeless_tables(workspace, [handmade]) == ("planes",)
