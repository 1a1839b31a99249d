from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from ml_platform.core.svg import Picture

SVG = "{http://www.w3.org/2000/svg}"


def picture():
    return Picture(100, (-5, 0, 90, 20), {"font_size": 10})


def parsed(made):
    return ElementTree.fromstring(made.to_svg())  # noqa: S314 - our own text


def test_elements_stand_in_the_order_in_which_they_were_drawn():
    made = picture()
    made.path("")
    made.curve("M0 0h5", "black")
    made.text(0.4, 11.6, "x", text_anchor="end")
    assert made.to_svg() == (
        "<svg xmlns='http://www.w3.org/2000/svg' width='100' viewBox='-5 0 90 20' font-size='10'>"
        "<path d='M0 0h5' stroke='black' fill='none'/><text y='12' text-anchor='end'>x</text></svg>"
    )


@pytest.mark.parametrize("words", ["R&D", "a<b>c", "100 % #1", 'it\'s "so"', "&lt;b&gt;", "back\\<slash", "é – ≥"])
def test_words_are_words_in_the_picture_and_in_a_page_that_reads_its_markdown(words):
    made = picture()
    made.text(1, 2, words, fill=words)
    (text,) = parsed(made).iter(f"{SVG}text")
    assert (text.text, text.get("fill")) == (words, words)
    reader = MarkdownIt()
    reader.validateLink = lambda url: True  # it lets pictures of other kinds pass only
    page = ElementTree.fromstring(reader.render(made.to_markdown("plot")))  # noqa: S314 - our own text
    (image,) = page.iter("img")
    assert unquote(image.get("src")).removeprefix("data:image/svg+xml,") == made.to_svg()
