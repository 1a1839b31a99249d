import pytest

from ml_platform.commands.place import open_lake
from ml_platform.core.errors import LakeError, UnknownTableError
from ml_platform.lake.settings import lake_root, ledger_dsn


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, "{root}/data/lake"), ("", "{root}/data/lake"), ("other/lake", "{root}/other/lake"), ("s3://bucket/lake", "s3://bucket/lake")],
)
def test_a_lake_lies_where_the_setting_says(tmp_path, monkeypatch, given, expected):
    monkeypatch.delenv("ML_PLATFORM_LAKE", raising=False)
    if given is not None:
        monkeypatch.setenv("ML_PLATFORM_LAKE", given)
    assert str(lake_root(tmp_path)) == expected.format(root=tmp_path)


def test_commands_open_the_lake_and_the_ledger_of_the_settings(tmp_path, monkeypatch):
    (tmp_path / "dg.toml").touch()
    monkeypatch.delenv("ML_PLATFORM_LEDGER", raising=False)
    assert ledger_dsn() is None
    with pytest.raises(UnknownTableError, match=f"There is no lake at {tmp_path}/data/lake yet"):
        open_lake(str(tmp_path))
    assert not (tmp_path / "data").exists()
    monkeypatch.setenv("ML_PLATFORM_LAKE", "s3://bucket/lake")
    with pytest.raises(LakeError, match="lies in an object store, which cannot hold its ledger"):
        open_lake(str(tmp_path))
    monkeypatch.setenv("ML_PLATFORM_LEDGER", f"sqlite:///{tmp_path}/ledger.sqlite")
    with pytest.raises(UnknownTableError, match="There is no lake at s3://bucket/lake yet"):
        open_lake(str(tmp_path))
