"""The site is built from what is there, loads nothing from elsewhere, and its made pages have all that the code has."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import ml_platform
from ml_platform.core.layers import LAYERS
from ml_platform.features.declared.functions.registry import FUNCTIONS
from ml_platform_docs.checks import checks
from ml_platform_docs.commands import commands, commands_page
from ml_platform_docs.contract import contract_page
from ml_platform_docs.declarations import declaration_page, fields_of
from ml_platform_docs.functions import functions_page
from ml_platform_docs.hook import made_pages
from ml_platform_docs.layers import layers_page
from ml_platform_docs.metrics import metrics_page
from ml_platform_docs.python_names import python_page
from ml_platform_docs.settings import settings_page
from ml_platform_tests.site.blocks import REPOSITORY

DOCS = REPOSITORY / "docs"


class Loaded(HTMLParser):
    """Collects what a browser loads by itself: not what a reader may click."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        loads = given.get("src") or (given.get("href") if tag == "link" and given.get("rel") != "canonical" else None)
        self.addresses += [loads] if loads else []


@pytest.mark.slow
def test_the_site_is_built_strictly_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    records = sorted(p.stem for p in (DOCS / "adr").glob("0*.md"))
    assert sorted(p.stem for p in (tmp_path / "adr").glob("0*.html")) == records
    for page in tmp_path.rglob("*.html"):
        loaded = Loaded()
        loaded.feed(page.read_text(encoding="utf-8"))
        assert [a for a in loaded.addresses if re.match(r"(https?:)?//", a)] == [], page.name
    for sheet in tmp_path.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", sheet.read_text(encoding="utf-8")), sheet.name
    assert "iframe-worker" in (tmp_path / "index.html").read_text(encoding="utf-8"), "search works in a site opened from the disk"


@pytest.mark.parametrize("name", ["Table", "FeatureView", "Problem", "Retention"])
def test_every_field_of_a_declaration_is_told(name: str) -> None:
    page = declaration_page(name)
    for field, info in fields_of(getattr(ml_platform, name)):
        assert re.search(rf"^\| `{field}` \| [^|]+ \| [^|]+ \| \S", page, re.MULTILINE), field
        assert info.description, field


def test_every_command_and_option_is_told() -> None:
    page = commands_page()
    for parser in commands():
        section = page.partition(f"## {parser.prog.removeprefix('ml-platform ')}\n")[2].partition("\n## ")[0]
        shared = page.partition("## Options of every command")[2].partition("\n## ")[0]
        for action in parser._actions:
            for option in action.option_strings:
                assert f"`{option}`" in section + shared or option in ("-h", "--help"), f"{parser.prog} {option}"
    assert "%(" not in page, "a default that was not filled in"


@pytest.mark.slow
def test_every_layer_is_told() -> None:
    assert [name for name, layer in LAYERS.items() if f"| `{name}` | {layer.words} |" not in layers_page()] == []


def test_every_function_and_check_is_told() -> None:
    assert [name for name in FUNCTIONS if f"| `{name}` |" not in functions_page()] == []
    assert [key for key, text in checks().items() if not text] == []


@pytest.mark.slow
def test_every_setting_metric_and_word_of_a_contract_is_told() -> None:
    """The makers of these pages refuse what they have no words for; here that is said before the whole site is built."""
    assert all("| " in page() for page in (settings_page, metrics_page, contract_page))


def test_every_public_name_is_told() -> None:
    page = python_page()
    assert [name for name in ml_platform.__all__ if f"`ml_platform.{name}`" not in page] == []
    assert re.search(r"\| `missing_days` \| str", page), "parameters of methods"


def test_pages_made_from_the_code_are_not_written_by_hand() -> None:
    assert [name for name in made_pages(DOCS) if (DOCS / name).exists()] == []
