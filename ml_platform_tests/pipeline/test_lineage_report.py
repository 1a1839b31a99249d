import base64

from ml_platform.lineage.picture import SHOWN_IN_PLACE
from ml_platform.pipeline.lineage_report import lineage_metadata
from ml_platform.pipeline.models.model import materialize_model
from ml_platform_tests.pipeline.modelled_world import FIRST, PROBLEM, SECOND, modelled


def test_a_model_is_published_with_its_lineage_in_place_and_in_full(tmp_path):
    workspace = modelled(tmp_path)
    outcome = materialize_model(workspace, PROBLEM, [FIRST, SECOND])
    newest = outcome.partitions[1].version
    assert outcome.metadata.items() >= lineage_metadata(workspace, newest).items()
    small, large = outcome.metadata["lineage"].text, outcome.metadata["lineage_tables"].text
    assert len(small) < SHOWN_IN_PLACE
    assert f"version {newest.id}" in small
    assert len(large) < 40_000
    drawn = base64.b64decode(large.partition("base64,")[2].removesuffix(")")).decode()
    assert f"What flights/models/{PROBLEM}, {SECOND}, version {newest.id} was made from" in drawn
    assert ">arrivals<" in drawn
