import pytest

from ml_platform.cli import main
from ml_platform_tests.lineage.made_lake import made_shop


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """The small shop's lake in a project, and the project as the working directory."""
    (tmp_path / "pyproject.toml").write_text('[tool.dg]\ndirectory_type = "project"\n')
    monkeypatch.chdir(tmp_path)
    made = made_shop(tmp_path / "data" / "lake")
    yield made
    made.lake.close()


@pytest.fixture
def run(capsys):
    """Run a command and return its exit code, output and errors."""

    def run_command(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_command
