import pytest

from ml_platform_tests.lineage.made_lake import made_shop


@pytest.fixture
def shop(tmp_path):
    made = made_shop(tmp_path / "data" / "lake")
    yield made
    made.lake.close()
