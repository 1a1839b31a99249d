import hashlib
import os
import sqlite3

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

A, B = "p/tables/a", "p/tables/b"


@pytest.fixture
def filled(lake):
    for i in range(3):
        rows = pa.table({"x": [i, i + 1], "s": ["a", None]})
        inputs = [v.id for v in lake.history(A)] if i else []
        lake.publish(
            [
                lake.stage(A, "d1", rows),
                lake.stage(B, f"d{i}", rows, inputs=inputs),
                lake.stage_artifact("p/models/m", f"d{i}", {"f": b"12"}),
            ],
            run_id=f"r{i}",
        )
    assert lake.verify() == []
    return lake


def edit(lake, statement):
    lake.close()
    connection = sqlite3.connect(lake.root / "ledger.sqlite")
    assert connection.execute(statement).rowcount > 0
    connection.commit()
    connection.close()


def problems(lake):
    return {(problem.kind, problem.commit) for problem in lake.verify()}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE commits SET run_id = 'x' WHERE number = 2", {("chain", 2)}),
        ("UPDATE commits SET time = time - 1 WHERE number = 1", {("chain", 1)}),
        ("UPDATE versions SET rows = 3 WHERE id = 4", {("chain", 2), ("changed content", 2)}),
        ("UPDATE versions SET code_version = 'x' WHERE id = 1", {("chain", 1)}),
        ("UPDATE versions SET properties = '{\"auc\": 1}' WHERE id = 9", {("chain", 3)}),
        ("UPDATE versions SET properties = '{' WHERE id = 9", {("ledger", 3), ("chain", 3)}),
        ("UPDATE versions SET partition_key = 'd9' WHERE id = 5", {("chain", 2)}),
        ("UPDATE inputs SET input_id = 3 WHERE version_id = 5", {("chain", 2)}),
        ("DELETE FROM inputs WHERE version_id = 5", {("chain", 2)}),
        ("DELETE FROM versions WHERE id = 8", {("ledger", 0), ("ledger", 3), ("chain", 3)}),
        ("UPDATE files SET sha256 = 'x' WHERE version_id = 2", {("chain", 1), ("changed file", 1)}),
        ("UPDATE commits SET hash = 'x' WHERE number = 2", {("chain", 2), ("chain", 3)}),
        ("DELETE FROM commits WHERE number = 2", {("chain", 3), ("ledger", 0), ("ledger", 3)}),
        ("UPDATE schemas SET arrow = CAST(arrow || x'00' AS BLOB)", {("ledger", 0), ("chain", 1), ("chain", 2), ("chain", 3)}),
    ],
)  # fmt: skip
def test_an_edited_ledger_is_found(filled, statement, expected):
    edit(filled, statement)
    assert problems(filled) == expected


def test_a_flipped_bit_is_found(filled):
    path = filled.root / filled.version(4).files[0].path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    (problem,) = filled.verify()
    assert (problem.kind, problem.commit, problem.path) == ("changed file", 2, filled.version(4).files[0].path)
    assert "version 4 of 'p/tables/a', partition 'd1' is not what was published" in problem.text


def test_a_missing_file_is_found(filled):
    os.remove(filled.root / filled.version(3).files[0].path)
    assert problems(filled) == {("missing file", 1)}


def test_a_file_whose_digest_was_edited_along_with_it_still_has_other_rows(filled):
    version = filled.version(7)
    path = filled.root / version.files[0].path
    pq.write_table(pa.table({"x": [2, 4], "s": ["a", None]}), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    edit(filled, f"UPDATE files SET sha256 = '{digest}', bytes = {path.stat().st_size} WHERE version_id = 7")
    assert problems(filled) == {("chain", 3), ("changed content", 3)}
