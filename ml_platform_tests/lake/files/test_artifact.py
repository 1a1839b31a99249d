import os

import pyarrow as pa
import pytest

from ml_platform.core.errors import IntegrityError, LakeError


@pytest.fixture
def model(lake):
    return lake.writing.publish([lake.writing.stage_artifact("p/models/m", "d1", {"model.txt": b"tree", "card.json": b"{}"})]).versions[0]


def test_files_come_back(lake, model):
    assert lake.versions.artifact(model, "model.txt") == b"tree"
    assert lake.versions.artifact(model.id, "card.json") == b"{}"
    assert (model.kind, model.rows, model.bytes, model.schema.names) == ("artifact", 0, 6, [])


def test_a_changed_or_missing_file_is_not_handed_out(lake, model):
    path = lake._opened.root / next(file.path for file in model.files if file.name == "model.txt")
    path.write_bytes(b"tres")
    with pytest.raises(IntegrityError, match=r"model\.txt of version 1 of 'p/models/m' is not what was published"):
        lake.versions.artifact(model, "model.txt")
    os.remove(path)
    with pytest.raises(IntegrityError, match="is missing"):
        lake.versions.artifact(model, "model.txt")


def test_what_has_no_such_file_says_what_it_has(lake, model):
    with pytest.raises(LakeError, match=r"has no file 'model'\. What exists: card\.json, model\.txt\. Did you mean 'model\.txt'"):
        lake.versions.artifact(model, "model")
    rows = lake.writing.publish([lake.writing.stage("p/tables/a", None, pa.table({"x": [1]}))]).versions[0]
    with pytest.raises(LakeError, match="holds rows, not files"):
        lake.versions.artifact(rows, "data")
