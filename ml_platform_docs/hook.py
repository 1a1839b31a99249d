"""What MkDocs calls while it builds the site: made pages are added, decision records listed, and words lead to the glossary."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from ml_platform_docs.checks import checks_page
from ml_platform_docs.commands import commands_page
from ml_platform_docs.contract import contract_page
from ml_platform_docs.decisions import decisions, decisions_page
from ml_platform_docs.declarations import declaration_page
from ml_platform_docs.functions import functions_page
from ml_platform_docs.glossary_links import PAGE, terms, with_anchors, with_links
from ml_platform_docs.layers import layers_page
from ml_platform_docs.metrics import metrics_page
from ml_platform_docs.python_names import python_page
from ml_platform_docs.settings import settings_page

RECORDS = "adr/*.md"  # stands for all decision records in the menu


def made_pages(docs: Path) -> dict[str, Callable[[], str]]:
    """Return what makes each page, by its path below the pages' folder."""
    declared = {"table": "Table", "feature_view": "FeatureView", "problem": "Problem", "retention": "Retention"}
    return {
        **{f"reference/{file}.md": lambda name=name: declaration_page(name) for file, name in declared.items()},
        "reference/contract.md": contract_page,
        "reference/functions.md": functions_page,
        "reference/checks.md": checks_page,
        "reference/layers.md": layers_page,
        "reference/metrics.md": metrics_page,
        "reference/commands.md": commands_page,
        "reference/python.md": python_page,
        "reference/settings.md": settings_page,
        "adr/index.md": lambda: decisions_page(docs),
    }


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put every decision record where the menu has the word for them."""
    records = [{title: name} for name, title in decisions(Path(config.docs_dir)).items()]
    config.nav = _with_records(config.nav, records)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made from the code."""
    for name, make in made_pages(Path(config.docs_dir)).items():
        files.append(File.generated(config, name, content=make()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Let the words of the glossary lead to it, where a page that is written by hand uses them first."""
    name = page.file.src_uri
    if name == PAGE:
        return with_anchors(markdown)
    if page.file.generated_by or name.startswith("adr/"):
        return markdown
    return with_links(markdown, name, terms((Path(config.docs_dir) / PAGE).read_text(encoding="utf-8")))


def _with_records(entry: Any, records: list[dict[str, str]]) -> Any:
    if isinstance(entry, list):
        return [new for old in entry for new in (records if old == RECORDS else [_with_records(old, records)])]
    return {title: _with_records(below, records) for title, below in entry.items()} if isinstance(entry, dict) else entry
