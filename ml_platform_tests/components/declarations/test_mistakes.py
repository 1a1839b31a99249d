"""Mistakes in declarations are told in one kind of message: where, what, what exists, and how it is written."""

from __future__ import annotations

import logging
import os
import re
import sys

import dagster as dg
import jsonschema
import pytest
import yaml
from dagster._utils.error import serializable_error_info_from_exc_info

from ml_platform.components.code_location import load_definitions
from ml_platform.components.words.declared_files import component_types
from ml_platform.components.words.invalid_declarations import TRACEBACK, InvalidDeclarationsError
from ml_platform_tests.components.declarations.mistakes import DECLARATIONS, GOLDEN, MISTAKES, Mistake, Shop, describe, make_shop

# Words of the tools below us, which no user should have to know.
FOREIGN = (
    "Traceback",
    "pydantic",
    "validation error",
    "valid under any",
    "was unexpected",
    "Input should be",
    "input should be",
    "site-packages",
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    package = f"shop_of_mistakes_{os.getpid()}"
    return make_shop(tmp_path_factory.mktemp("mistakes") / package, package)


@pytest.mark.slow
def test_every_mistake_is_told_as_in_the_golden_file(shop: Shop) -> None:
    told = describe(shop)
    assert told == GOLDEN.read_text(encoding="utf-8"), (
        "if this is what should be said: python -m ml_platform_tests.components.declarations.mistakes"
    )


def test_every_message_of_the_golden_file_says_where_and_shows_the_line() -> None:
    told = re.findall(r"```\n\n```\n(.*?)\n```\n", GOLDEN.read_text(encoding="utf-8"), re.DOTALL)
    assert len(told) == len(MISTAKES) >= 40
    assert [text for text in told if not re.match(r"defs/shop/[a-z.]+\.yaml:\d+", text) or not re.search(r"\n    \d+ \| ", text)] == []
    assert [text for text in told if any(word in text for word in FOREIGN)] == []


def test_a_shop_without_mistakes_loads(shop: Shop) -> None:
    assert shop.said_of(Mistake("None", ())) == "(nothing: it loads)"


@pytest.mark.parametrize("title", ["Windows without units", "SQL with a comma and without quotes", "A field in the wrong place"])
def test_the_tools_that_check_the_schema_say_what_loading_says(shop: Shop, title: str) -> None:
    """``dg check yaml`` judges by the published schema alone, with the validator that is used here."""
    mistake = next(one for one in MISTAKES if one.title == title)
    said, found = shop.said_of(mistake), []
    for document in yaml.safe_load_all((shop.folder / "defs.yaml").read_text()):
        schema = component_types()[document["type"]].get_model_cls().model_json_schema()
        found += list(jsonschema.Draft202012Validator(schema).iter_errors(document["attributes"]))
    assert [error.message for error in found if error.message not in said] == []
    assert len(found) == 1
    assert str(next(iter(found[0].absolute_path))) in said


@pytest.mark.parametrize("title", ["A bracket that is not closed", "An unknown table in a view", "Two tables of one name"])
def test_dagster_shows_the_message_and_nothing_else(shop: Shop, monkeypatch: pytest.MonkeyPatch, title: str) -> None:
    """What the code server, ``dg check defs``, ``dg list defs`` and the UI show of an error is what Dagster makes of it here."""
    mistake = next(one for one in MISTAKES if one.title == title)
    said = shop.said_of(mistake)
    assert shown(shop) == f"{said}\n"
    monkeypatch.setenv(TRACEBACK, "1")
    assert "Stack Trace" in shown(shop)
    assert said in shown(shop)


def test_the_code_server_writes_the_message_without_the_steps_that_led_there(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """Its log is what stands on the terminal of ``dg dev``."""
    said = shop.said_of(next(one for one in MISTAKES if one.title == "An unknown table in a view"))
    try:
        load_definitions(shop.root)
    except InvalidDeclarationsError:
        logging.getLogger("dagster.code_server").exception("Error while importing code")
    assert caplog.messages[-1] == f"Error while importing code:\n{said}"
    assert caplog.records[-1].exc_info is None


def shown(shop: Shop) -> str:
    """Return what Dagster shows of the error that loading the code location ends in."""
    try:
        load_definitions(shop.root)
    except InvalidDeclarationsError:
        return serializable_error_info_from_exc_info(sys.exc_info()).to_string()
    return "(nothing: it loads)"


def test_a_project_without_our_loader_shows_the_message_too(shop: Shop) -> None:
    said = shop.said_of(next(one for one in MISTAKES if one.title == "The same word twice"))
    with pytest.raises(InvalidDeclarationsError, match="stands twice") as caught:
        dg.load_from_defs_folder(path_within_project=shop.root)
    assert str(caught.value) == said


def test_a_file_that_is_no_text_is_told(shop: Shop) -> None:
    shop.said_of(Mistake("None", ()))
    (shop.folder / "defs.yaml").write_bytes(DECLARATIONS.encode("utf-16"))
    with pytest.raises(InvalidDeclarationsError, match=r"defs/shop/defs\.yaml: the file holds what is no text in UTF-8"):
        load_definitions(shop.root)


def test_a_file_that_is_passed_over_is_told(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """Dagster looks no further below a folder with declarations of its own, without a sound."""
    for path in ("more/defs.yaml", "component.yaml", "../other/defs.yaml"):
        (shop.folder / path).parent.mkdir(exist_ok=True)
        customers = DECLARATIONS.split("---\n")[1].replace("customers.contract.yaml", "../shop/customers.contract.yaml")
        (shop.folder / path).write_text(customers)
    said = shop.said_of(Mistake("None", ()))
    for path in ("more/defs.yaml", "component.yaml", "../other/defs.yaml"):
        (shop.folder / path).unlink()
    told = {record.message for record in caplog.records if "is not read" in record.message}
    assert said == "Say which project: other, shop."
    assert told == {
        f"defs/shop/{file} is not read: Dagster looks no further where defs/shop/defs.yaml stands. Move its declarations into that file, "
        "or each of the two into a folder of its own, beside each other."
        for file in ("more/defs.yaml", "component.yaml")
    }
