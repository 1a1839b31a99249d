import pytest

from ml_platform.lake.lake import Lake


@pytest.fixture
def lake(tmp_path):
    opened = Lake.open(tmp_path / "lake")
    yield opened
    opened.close()
