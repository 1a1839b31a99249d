"""A module of definitions is found as Dagster finds it, and importing nothing that only Dagster's tests need."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ml_platform.components.code_location import load_definitions
from ml_platform.core.errors import DeclarationError
from ml_platform_tests.components.made_project import make_project

BUILT = "import dagster as dg\n\nbuilt = dg.Definitions(metadata={'which': 'built'})\n"


@pytest.mark.parametrize(
    ("text", "which"),
    [(BUILT, "built"), (BUILT + "\n\n@dg.definitions\ndef lazy():\n    return dg.Definitions(metadata={'which': 'lazy'})\n", "lazy")],
)
def test_definitions_are_found_under_any_name_and_those_of_a_function_first(tmp_path, text, which):
    project = make_project(tmp_path, "shop")
    (project.root / project.package / "definitions.py").write_text(text)
    assert load_definitions(project.root).metadata["which"].value == which


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BUILT + "other = dg.Definitions()\n", r"definitions holds more than one dagster\.Definitions: built, other\. Merge them"),
        ("import dagster\n", r"definitions holds no dagster\.Definitions\. Write a function with @dg\.definitions"),
    ],
)
def test_none_and_several_are_refused(tmp_path, text, message):
    project = make_project(tmp_path, "shop")
    (project.root / project.package / "definitions.py").write_text(text)
    with pytest.raises(DeclarationError, match=message):
        load_definitions(project.root)


@pytest.mark.slow
def test_nothing_is_imported_that_dagster_is_tested_with(tmp_path):
    project = make_project(tmp_path, "shop")
    code = (
        "import sys, pathlib; from ml_platform.components.code_location import load_definitions; "
        "load_definitions(pathlib.Path(sys.argv[1])); sys.exit('dagster._utils.test' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(project.root)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
