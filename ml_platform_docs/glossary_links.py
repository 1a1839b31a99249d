"""Words of the glossary lead to it where a page uses them for the first time, without anybody having to write the link."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from markdown.extensions.toc import slugify

PAGE = "glossary.md"
_ENTRY = re.compile(r"^(\S[^\n]*)\n: {3}", re.MULTILINE)
# A page says by `<!-- plain words: version -->` which words it uses as everybody does.
_PLAIN = re.compile(r"<!-- plain words: (.*?) -->")
# What is no running text: blocks of code, code in a line, links and pictures, headings, tables, HTML, titles of notes.
_KEPT = re.compile(
    r"^( *)(```|~~~).*?^\1\2 *$|`[^`\n]*`|!?\[[^\]]*\](?:\([^)]*\)|\[[^\]]*\])|<[^>\n]*>|^#[^\n]*|^ *\|[^\n]*|^(?:!!!|\?\?\?)[^\n]*|https?://\S+",
    re.MULTILINE | re.DOTALL,
)


def terms(glossary: str) -> dict[str, str]:
    r"""Return the anchor of each word of the glossary; an entry of several words, parted by commas, has one anchor.

    Examples
    --------
    >>> terms("cutoff\n:   A moment.\n\nmature, matured\n:   Known.")
    {'cutoff': 'cutoff', 'mature': 'mature-matured', 'matured': 'mature-matured'}
    """
    return {word.strip(): slugify(entry, "-") for entry in _ENTRY.findall(glossary) for word in entry.split(",")}


def with_anchors(glossary: str) -> str:
    """Return the glossary with an anchor at each entry."""
    return _ENTRY.sub(lambda found: f'<span id="{slugify(found[1], "-")}">{found[1]}</span>\n:   ', glossary)


def with_links(text: str, page: str, anchors: Mapping[str, str]) -> str:
    r"""Return a page on which each word of the glossary is a link where it first stands in running text.

    Parameters
    ----------
    text : str
        Markdown.
    page : str
        Its path below the folder of the pages.
    anchors : mapping of str to str
        Anchor by word.

    Examples
    --------
    >>> with_links("# A cutoff\n\nThe cutoff; `cutoff`, cutoffs.", "how_to/why.md", {"cutoff": "cutoff"})
    '# A cutoff\n\nThe [cutoff](../glossary.md#cutoff); `cutoff`, cutoffs.'
    """
    target = posixpath.relpath(PAGE, posixpath.dirname(page) or ".")
    plain = _PLAIN.search(text)
    meant = {word: anchor for word, anchor in anchors.items() if plain is None or word not in re.split(r",\s*", plain[1])}
    forms = {form: anchor for word, anchor in meant.items() for form in (word, f"{word}s", re.sub("y$", "ies", word))}
    # The longest first: "feature view" is not a feature.
    word = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, sorted(forms, key=len, reverse=True)))})(?![\w-])", re.IGNORECASE)
    seen: set[str] = set()

    def linked(found: re.Match[str]) -> str:
        anchor = forms[found[1].lower()]
        if anchor in seen:
            return found[0]
        seen.add(anchor)
        return f"[{found[0]}]({target}#{anchor})"

    parts, end = [], 0
    for kept in _KEPT.finditer(text):
        parts += [word.sub(linked, text[end : kept.start()]), kept[0]]
        end = kept.end()
    return "".join([*parts, word.sub(linked, text[end:])])
