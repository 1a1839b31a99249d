from urllib.parse import unquote

from ml_platform.core.svg import INLINE_LIMIT
from ml_platform.pipeline.lineage_report import lineage_metadata
from ml_platform.pipeline.models.model import materialize_model
from ml_platform_tests.pipeline.modelled_world import FIRST, PROBLEM, SECOND, modelled


def test_a_model_is_published_with_its_lineage_in_place_and_in_full(tmp_path):
    workspace = modelled(tmp_path)
    outcome = materialize_model(workspace, PROBLEM, [FIRST, SECOND])
    newest = outcome.partitions[1].version
    assert outcome.metadata.items() >= lineage_metadata(workspace, newest).items()
    small, large = outcome.metadata["lineage"].text, outcome.metadata["lineage_tables"].text
    assert len(small) < INLINE_LIMIT
    assert f"version {newest.id}" in small
    assert len(large) < 40_000
    drawn = unquote(large)
    assert f"What flights/models/{PROBLEM}, {SECOND}, version {newest.id} was made from" in drawn
    assert ">arrivals<" in drawn
