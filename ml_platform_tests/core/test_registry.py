"""Extensions come from the platform, from a project, and from installed packages: a folder with an ``entry_points.txt`` is one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ml_platform.core.environment import environment_here
from ml_platform.core.errors import ExtensionError, UnknownNameError
from ml_platform.models.trainers.known_trainers import TRAINERS
from ml_platform.testing import isolated_registries
from ml_platform_tests.installed import install

TRAINER = """
from ml_platform.models.trainers.built_in.constant import ConstantTrainer


class Forest(ConstantTrainer):
    name = "forest"


class Ridge(ConstantTrainer):
    name = "ridge"


class Nothing:
    name = "nothing"
"""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    with isolated_registries():
        yield
    for name in [name for name in sys.modules if name.startswith("ext_")]:
        del sys.modules[name]


def _install(folder: Path, package: str, *offers: str, source: str = TRAINER, group: str = "ml_platform.trainers") -> None:
    install(folder, package, {group: list(offers)}, source)


def test_what_an_installed_package_offers_is_imported_when_it_is_asked_for(tmp_path: Path) -> None:
    _install(tmp_path, "ext_forest", "forest = ext_forest:Forest")
    assert TRAINERS.get("ridge").name == "ridge"
    assert TRAINERS.names() == ["constant", "forest", "lightgbm", "logistic", "ridge"]
    assert "ext_forest" not in sys.modules
    assert TRAINERS.get("forest").__class__.__module__ == "ext_forest"
    assert TRAINERS.code("forest") != ""
    # What a model was made with names the package and its version.
    assert environment_here(tmp_path, seed=0, threads=1)["packages"]["ext_forest"] == "1.0"
    assert TRAINERS.code("ridge") == ""


def test_a_broken_package_says_so_and_breaks_no_other(tmp_path: Path) -> None:
    _install(tmp_path, "ext_broken", "wood = ext_broken:Wood", source="import no_such_package\n")
    _install(tmp_path, "ext_forest", "forest = ext_forest:Forest")
    assert TRAINERS.get("forest").name == "forest"
    with pytest.raises(
        ExtensionError,
        match=r"trainer 'wood' of ext_broken 1\.0 \(ext_broken:Wood\) cannot be loaded: ModuleNotFoundError.*no_such_package",
    ):
        TRAINERS.get("wood")


def test_a_second_one_of_a_name_is_refused_with_both_origins(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for package in ("ext_one", "ext_two"):
        _install(tmp_path, package, f"forest = {package}:Forest", f"ridge = {package}:Ridge")
    with pytest.raises(ExtensionError, match=r"Two trainers are called 'forest': of ext_one 1\.0 .* and of ext_two 1\.0"):
        TRAINERS.get("forest")
    assert TRAINERS.get("ridge").__class__.__module__ == "ml_platform.models.trainers.built_in.ridge"
    assert "Two trainers are called 'ridge': of ml_platform and of ext_one 1.0 (ext_one:Ridge)" in caplog.text

    class Ridge(type(TRAINERS.get("constant"))):
        name = "ridge"

    with pytest.raises(ExtensionError, match=r"Two trainers are called 'ridge': of ml_platform and of .*Ridge\. Rename one"):
        TRAINERS.register(Ridge())


def test_what_is_none_of_its_kind_is_refused(tmp_path: Path) -> None:
    _install(tmp_path, "ext_odd", "nothing = ext_odd:Nothing", "wood = ext_odd:Forest")
    with pytest.raises(ExtensionError, match=r"ext_odd:Nothing of ext_odd 1\.0 .* is no trainer: it lacks tasks, train, load\."):
        TRAINERS.get("nothing")
    with pytest.raises(ExtensionError, match=r"The trainer 'wood' of ext_odd 1\.0 .* calls itself 'forest'"):
        TRAINERS.get("wood")


def test_a_module_that_is_loaded_again_registers_again(tmp_path: Path) -> None:
    (tmp_path / "ext_mine.py").write_text(
        TRAINER + "\n\nfrom ml_platform.models.trainers.known_trainers import TRAINERS\nTRAINERS.register(Forest())\n"
    )
    sys.path.insert(0, str(tmp_path))
    for _ in range(2):
        sys.modules.pop("ext_mine", None)
        __import__("ext_mine")
        assert type(TRAINERS.get("forest")) is sys.modules["ext_mine"].Forest


def test_an_unknown_name_is_told_with_what_is_installed(tmp_path: Path) -> None:
    _install(tmp_path, "ext_forest", "forest = ext_forest:Forest")
    with pytest.raises(
        UnknownNameError,
        match=r"There is no trainer 'forst'\. What exists: constant, forest, lightgbm, logistic, ridge\. Did you mean 'forest'\?",
    ):
        TRAINERS.get("forst")


def test_without_extensions_nothing_is_looked_for() -> None:
    code = (
        "import importlib.metadata as m\n"
        "m.entry_points = None\n"
        "from ml_platform.models.trainers.known_trainers import TRAINERS\n"
        "print(TRAINERS.get('ridge').name, TRAINERS.built_in())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("ridge")
