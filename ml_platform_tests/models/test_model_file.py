import io
import json
import re

import numpy as np
import polars as pl
import pytest

from ml_platform.core.errors import ModelError
from ml_platform.models.model_file import GOLDEN_ROWS, check_golden, read_model_files, write_model_files
from ml_platform.models.trainers.training import train
from ml_platform.testing.rows import features_of, split_of, training_set

ROWS = training_set().with_columns(
    since=pl.duration(seconds=pl.col("strong").abs() * 3600),
    busy=pl.col("weak") > 0,
    ratio=pl.col("weak") / pl.when(pl.col("weak") > 1).then(0).otherwise(1),
)
LEARNT = ROWS.filter(pl.col("_split") != "test")
DEFINITIONS = [{"name": name, "kind": "column"} for name in features_of(ROWS)]
CARD = {"problem": "late_arrival"}


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    def trained(kind: str):
        return train(kind, split_of(ROWS, "train"), features_of(ROWS), "_label", validate=split_of(ROWS, "validate"))

    companions = {"baseline": trained("logistic"), "constant": trained("constant")}
    return write_model_files(trained("lightgbm"), companions, DEFINITIONS, CARD, "# Card\n", LEARNT, label="_label", seed=0)


def test_what_was_written_is_read(files):
    found = read_model_files({name: content for name, content in files.items() if name != "reference.parquet"})
    assert (found.trained.kind, found.companions["baseline"].kind, found.companions["constant"].kind) == (
        "lightgbm",
        "logistic",
        "constant",
    )
    assert found.definitions == tuple(DEFINITIONS)
    assert (found.card, found.card_text) == (CARD, "# Card\n")
    assert len(json.loads(files["golden.json"])["scores"]) == GOLDEN_ROWS


def test_no_file_holds_code(files):
    assert sorted(files) == [
        "baseline_model.json", "card.json", "card.md", "constant_model.json", "definitions.json", "golden.json", "model.json", "model.txt",
        "reference.parquet",
    ]  # fmt: skip
    assert not any(content.startswith((b"\x80\x04", b"\x80\x05")) for content in files.values())


def test_the_reference_holds_training_rows_with_their_scores(files):
    reference = pl.read_parquet(io.BytesIO(files["reference.parquet"]))
    assert reference.columns == [*features_of(ROWS), "_label", "_score", "_baseline_score"]
    assert reference.height == LEARNT.height
    found = read_model_files(files)
    np.testing.assert_array_equal(reference["_score"].to_numpy(), found.serving("model").predict(reference))
    np.testing.assert_array_equal(reference["_baseline_score"].to_numpy(), found.serving("baseline").predict(reference))
    assert (found.serving("model").kind, found.serving("baseline").kind) == ("lightgbm", "logistic")
    assert reference["_label"].sum() == LEARNT["_label"].sum()


def test_a_model_whose_scores_have_changed_is_refused(files):
    text = files["model.txt"].decode()
    leaf = re.search(r"leaf_value=(-?0\.\d)", text)
    assert leaf is not None
    changed = text[: leaf.end() - 1] + str((int(text[leaf.end() - 1]) + 1) % 10) + text[leaf.end() :]
    with pytest.raises(ModelError, match="does not give the scores that it was stored with"):
        read_model_files({**files, "model.txt": changed.encode()})


def test_a_baseline_whose_scores_have_changed_is_refused_as_well(files):
    golden = json.loads(files["golden.json"])
    golden["baseline_scores"][3] += 1e-6
    with pytest.raises(ModelError, match=r"1 of 50 golden rows differ \(golden row 3"):
        read_model_files({**files, "golden.json": json.dumps(golden).encode()})
    del golden["baseline_scores"]
    assert read_model_files({**files, "golden.json": json.dumps(golden).encode()}).trained.kind == "lightgbm"


def test_a_version_without_a_baseline_cannot_serve_it(files):
    alone = read_model_files({name: content for name, content in files.items() if name != "baseline_model.json"})
    with pytest.raises(ModelError, match=r"holds no baseline\. It holds: model, constant"):
        alone.serving("baseline")


def test_golden_rows_catch_a_change_beyond_a_billionth(files):
    trained = read_model_files(files).trained
    golden = json.loads(files["golden.json"])
    golden["scores"][7] += 1e-11
    check_golden(trained, golden)
    golden["scores"][7] += 1e-8
    with pytest.raises(ModelError, match=r"1 of 50 golden rows differ \(golden row 7"):
        check_golden(trained, golden)


def test_a_model_without_golden_rows_is_refused(files):
    empty = json.dumps({"rows": {name: [] for name in features_of(ROWS)}, "scores": []}).encode()
    with pytest.raises(ModelError, match="no golden rows"):
        read_model_files({**files, "golden.json": empty})
    with pytest.raises(ModelError, match="golden rows cannot be read"):
        read_model_files({**files, "golden.json": b"{}"})


@pytest.mark.parametrize("name", ["model.json", "model.txt", "golden.json", "definitions.json", "card.json", "card.md"])
def test_a_missing_file_is_named(files, name):
    with pytest.raises(ModelError, match=re.escape(name)):
        read_model_files({key: content for key, content in files.items() if key != name})


@pytest.mark.parametrize("name", ["model.json", "baseline_model.json", "golden.json", "definitions.json", "card.json"])
def test_a_truncated_file_is_refused(files, name):
    with pytest.raises(ModelError, match="damaged"):
        read_model_files({**files, name: files[name][: len(files[name]) // 2]})


def test_a_linear_model_with_a_weight_too_few_is_refused(files):
    header = json.loads(files["baseline_model.json"])
    header["weights"].pop()
    with pytest.raises(ModelError, match="weights for"):
        read_model_files({**files, "baseline_model.json": json.dumps(header).encode()})


def test_trees_of_another_model_are_refused(files):
    other = train("lightgbm", split_of(ROWS, "train"), ["strong", "weak"], "_label")
    with pytest.raises(ModelError, match=r"are not those that model\.json"):
        read_model_files({**files, "model.txt": other.to_files()["model.txt"]})
