import os
import uuid

import pytest

from ml_platform.lake.files.store import open_store
from ml_platform.lake.lake import Lake
from ml_platform_tests.lake import postgres


@pytest.fixture(scope="session")
def postgres_server():
    if not postgres.FOUND:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed; .ci/run installs it")
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    server = postgres.Postgres()
    yield server
    server.stop()


# What these hold is the same on both databases; the others never look at the ledger itself.
ON_BOTH = {
    "test_branches",
    "test_collecting",
    "test_forgetting",
    "test_history",
    "test_lake",
    "test_ledger",
    "test_leases",
    "test_provenance",
    "test_publishing",
    "test_scope",
    "test_tags",
}


def pytest_generate_tests(metafunc):
    if "lake" in metafunc.fixturenames:
        both = metafunc.module.__name__.rpartition(".")[2] in ON_BOTH and not metafunc.definition.get_closest_marker("sqlite")
        metafunc.parametrize("lake", ["sqlite", "postgres"] if both else ["sqlite"], indirect=True)


@pytest.fixture
def lake(tmp_path, request):
    """A new lake; its ledger is the SQLite file in its folder, or a schema of a real PostgreSQL."""
    dsn = None if request.param == "sqlite" else request.getfixturevalue("postgres_server").dsn(f"t{uuid.uuid4().hex}")
    opened = Lake.open(tmp_path / "lake", ledger=dsn)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def object_server():
    pytest.importorskip("moto", reason="a lake in an object store is tested against moto's server: install the extra 'dev'")
    from ml_platform_tests.lake.object_server import ObjectServer

    server = ObjectServer()
    yield server
    server.stop()


@pytest.fixture
def bucket(object_server, monkeypatch):
    """The URL of a prefix in an empty bucket, with the environment that reaches it."""
    for name, value in object_server.environment.items():
        monkeypatch.setenv(name, value)
    object_server.break_requests(lambda n: None)
    yield f"s3://{object_server.new_bucket()}/some/prefix"
    object_server.break_requests(lambda n: None)


@pytest.fixture(params=["folder", "bucket"])
def root(request, tmp_path):
    """Where a lake can lie: each kind of root once."""
    return str(tmp_path / "lake") if request.param == "folder" else request.getfixturevalue("bucket")


@pytest.fixture
def store(root):
    return open_store(root)


@pytest.fixture
def any_lake(root, tmp_path):
    """A lake in each kind of root, with its ledger beside."""
    opened = Lake.open(root, ledger=f"sqlite:///{tmp_path}/beside/ledger.sqlite")
    yield opened
    opened.close()
