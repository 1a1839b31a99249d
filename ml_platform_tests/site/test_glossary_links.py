"""Words of the glossary lead to it where a page first uses them."""

import re

from ml_platform_docs.glossary_links import PAGE, terms, with_anchors, with_links
from ml_platform_tests.site.blocks import REPOSITORY, pages

GLOSSARY = (REPOSITORY / "docs" / PAGE).read_text(encoding="utf-8")
ANCHORS = terms(GLOSSARY)
LINK = re.compile(r"\[([^\[\]]+)\]\((?:\.\./)*glossary\.md#([\w-]+)\)")


def test_every_entry_has_an_anchor_and_every_word_leads_to_one() -> None:
    there = set(re.findall(r'<span id="([\w-]+)">', with_anchors(GLOSSARY)))
    assert set(ANCHORS.values()) == there
    assert len(there) > 50


def test_each_word_is_linked_once_and_nothing_else_of_a_page_changes() -> None:
    for name, path in pages().items():
        text = path.read_text(encoding="utf-8")
        linked = with_links(text, name.removeprefix("docs/"), ANCHORS)
        assert LINK.sub(r"\1", linked) == LINK.sub(r"\1", text), name
        of_page = [anchor for _, anchor in LINK.findall(linked)][len(LINK.findall(text)) :]
        assert len(of_page) == len(set(of_page)), name


def test_code_headings_tables_links_and_pictures_stay() -> None:
    for text in (
        "`cutoff`",
        "# Cutoff",
        "| cutoff |",
        "[the cutoff](time.md)",
        "![A cutoff](a.svg)",
        "```sh\ncutoff\n```",
        "https://a/cutoff",
    ):
        assert with_links(text, "index.md", ANCHORS) == text
    assert with_links("Entities, by the cutoff.", "how_to/a.md", ANCHORS) == (
        "[Entities](../glossary.md#entity), by the [cutoff](../glossary.md#cutoff)."
    )
    assert with_links("<!-- plain words: version, key -->\nA version; a tag.", "a.md", ANCHORS).endswith(
        "A version; a [tag](glossary.md#tag)."
    )
