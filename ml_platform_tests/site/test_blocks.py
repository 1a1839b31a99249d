"""What README and documentation show exists: commands with their options, fields of declarations, names in Python."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import sys
import tomllib
from types import ModuleType
from typing import Any

import pytest
import yaml

import ml_platform
from ml_platform import extensions
from ml_platform.cli import build_parser
from ml_platform.core.errors import DeclarationError
from ml_platform.core.registry import Registry
from ml_platform.tables.declared.parse import parse_contract
from ml_platform.testing import isolated_registries
from ml_platform_docs.declarations import fields_of
from ml_platform_tests.site.blocks import Block, all_blocks, blocks_of, pages

LANGUAGES = {"sh", "python", "yaml", "text", "sql", "json", "toml"}
PARSER = build_parser()
DECLARED = re.compile(r"ml_platform\.(Table|FeatureView|Problem|Retention)")


def _commands(page: str) -> list[str]:
    shown = [command for block in blocks_of(page) if block.language == "sh" for command in block.commands]
    # In running text, too: `ml-platform lake usage`.
    text = re.sub(r"^( *)```.*?^\1```$", "", pages()[page].read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return shown + re.findall(r"`(ml-platform [^`]*)`", text)


def test_every_block_says_its_language() -> None:
    assert [str(b) for page in pages() for b in blocks_of(page) if b.language not in LANGUAGES] == []


def test_entry_points_are_of_groups_that_are_looked_for() -> None:
    """Each kind of extension has a page of its own, which offers one under the group that its registry looks for."""
    groups = {value.group for name, value in _registries()}
    shown = {group for block in all_blocks("toml") for group in tomllib.loads(block.text)["project"]["entry-points"]}
    assert shown == groups


def _registries() -> list[tuple[str, Registry]]:
    return [(name, value) for name in extensions.__all__ if isinstance(value := getattr(extensions, name), Registry)]


def test_commands_stand_in_blocks_that_are_run() -> None:
    hidden = [str(block) for block in all_blocks("text") if re.search(r"^\s*(\$ )?(ml-platform|dg|make|pip) \w", block.text, re.MULTILINE)]
    assert hidden == []


@pytest.mark.parametrize("page", sorted(page for page in pages() if _commands(page)))
def test_commands_and_their_options_exist(page: str) -> None:
    for command in _commands(page):
        for part in re.split(r"\s(?:&&|\||;)\s", command):
            words = [word for word in shlex.split(part) if not re.fullmatch(r"[A-Z_]+=\S*", word)]
            if words and words[0] == "ml-platform":
                assert _is_known(words[1:]), f"{page}: {command}"


def _is_known(words: list[str]) -> bool:
    """Tell whether there is such a command with these options; names in capitals and `...` stand for what a reader fills in."""
    parser: Any = PARSER
    while words and (below := next((a.choices for a in parser._actions if isinstance(getattr(a, "choices", None), dict)), None)):
        names = words[0].split("|")
        if not set(names) <= set(below):
            return words[0] in ("COMMAND", "--help")
        parser, words = below[names[-1]], words[1:]
    options = {option for action in parser._actions for option in action.option_strings}
    return {word.partition("=")[0].strip("[]") for word in words if word.strip("[").startswith("--")} <= options


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=str)
def test_yaml_is_what_a_declaration_may_say(block: Block) -> None:
    with isolated_registries():
        # What the page adds to the platform is there where it is declared.
        for added in blocks_of(block.page):
            if added.language == "python" and ".register(" in added.text:
                module = ModuleType("shop_platform_added")
                sys.modules[module.__name__] = module
                exec(compile(added.text, str(added), "exec", dont_inherit=True), vars(module))  # noqa: S102 - our own page
        _check_declared(block)


def _check_declared(block: Block) -> None:
    for part in filter(None, yaml.safe_load_all(block.text)):
        if "type" in part:
            kind = DECLARED.fullmatch(part["type"])
            assert kind, f"{block}: {part['type']}"
            _check_fields(getattr(ml_platform, kind[1]), part["attributes"], str(block))
        elif "columns" in part:
            assert parse_contract(part, where=str(block)).columns
        else:
            # A piece of a declaration, or of Dagster's own settings.
            kinds = (getattr(ml_platform, kind) for kind in ("Table", "FeatureView", "Problem", "Retention"))
            assert set(part) <= {"ops", "compute_logs", "python_logs"} | {name for kind in kinds for name, _ in fields_of(kind)}, str(block)


def _check_fields(model: Any, given: dict[str, Any], where: str) -> None:
    known = dict(fields_of(model))
    assert set(given) <= set(known), f"{where}: {sorted(set(given) - set(known))} are no fields of {model.__name__}"
    if all(name in given for name, field in known.items() if field.is_required()):
        declared = model.model_validate(given)
        try:
            declared.to_core()
        except DeclarationError as error:
            # A contract or a file of SQL that stands in a block of its own.
            if "is not beside the declaration" not in str(error):
                raise


@pytest.mark.parametrize("block", all_blocks("python"), ids=str)
def test_python_names_exist(block: Block) -> None:
    tree = ast.parse(block.text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ml_platform"):
            module = importlib.import_module(str(node.module))
            assert [a.name for a in node.names if not hasattr(module, a.name)] == [], str(block)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ml_platform":
            assert hasattr(importlib.import_module("ml_platform"), node.attr) or _is_module(node.attr), f"{block}: ml_platform.{node.attr}"


def _is_module(name: str) -> bool:
    return importlib.util.find_spec(f"ml_platform.{name}") is not None
