from dataclasses import replace
from urllib.parse import unquote
from xml.etree import ElementTree

import pyarrow as pa
import pytest

from ml_platform.core.layers import TableName
from ml_platform.core.svg import INLINE_LIMIT
from ml_platform.lake.lake import Lake
from ml_platform.lineage.closure import day_lineage_of, lineage_of
from ml_platform.lineage.picture import draw, sketch
from ml_platform_tests.lineage.made_lake import DAYS

SVG = "{http://www.w3.org/2000/svg}"


def nodes(svg, name="text"):
    return list(ElementTree.fromstring(svg).iter(f"{SVG}{name}"))  # noqa: S314 - our own text


def texts(svg):
    return ["".join(node.itertext()) for node in nodes(svg)]


def test_every_table_stands_in_its_layer_with_what_it_holds(shop):
    svg = draw(lineage_of(shop.lake, [shop.first])).to_svg()
    written = texts(svg)
    assert written[0] == f"What shop/models/churn, 2024-02-01, version {shop.first.id} was made from"
    assert [t for t in written if t.isupper()] == ["RAW", "TABLES", "FEATURES", "TRAINING", "SELECTED", "MODELS"]
    place = written.index("orders")
    assert written[place : place + 4] == ["orders", "2 days, 2024-01-01 – 01-02", "4 rows · commit 1", "3 files, 362 bytes"]
    place = written.index("spend__customer")
    assert written[place + 2] == "2 rows · commits 4–5"
    assert written[-3:] == ["churn", "2024-02-01", f"version {shop.first.id} · commit {shop.first.commit}"]


def test_text_stays_inside_its_box_in_the_widest_usual_font(shop):
    pytest.importorskip("matplotlib", reason="its fonts are measured with matplotlib, which the platform does not need")
    """DejaVu Sans, of which matplotlib brings a copy."""
    from matplotlib import font_manager
    from PIL import ImageFont

    fonts = {
        weight: font_manager.findfont(font_manager.FontProperties(family="DejaVu Sans", weight=weight)) for weight in ("normal", "bold")
    }
    svg = draw(lineage_of(shop.lake, [shop.predictions[DAYS[1]]])).to_svg()
    boxes = [{k: float(rect.attrib[k]) for k in ("x", "y", "width", "height")} for rect in nodes(svg, "rect")[1:]]
    inside = 0
    drawn = [node for node in nodes(svg) if float(node.get("y")) >= -12]
    for node in drawn:
        x, y = float(node.get("x", 0)), float(node.get("y", 0))
        for box in boxes:
            if box["x"] < x < box["x"] + box["width"] and box["y"] < y < box["y"] + box["height"]:
                bold = node.get("class") == "n"
                font = ImageFont.truetype(fonts["bold" if bold else "normal"], 100)
                width = font.getlength(node.text or "") * (12 if bold else 10.5) / 100
                assert x + width <= box["x"] + box["width"], node.text
                inside += 1
    # All but the names of the seven layers.
    assert inside == len(drawn) - 7


def test_a_day_of_predictions_shows_its_own_rows_and_not_what_the_model_learnt_from(shop):
    lineage = day_lineage_of(shop.lake, shop.predictions[DAYS[0]])
    svg = draw(lineage).to_svg()
    assert "2 days, 2024-01-01 – 01-02" not in texts(svg)
    assert svg.count("stroke-dasharray") == 1
    assert "Dashed: what that was made from is drawn with its model." in texts(svg)
    assert [v.table.split("/", 1)[1] for v in lineage.sources] == [
        *("raw/orders", "tables/orders", "tables/customers", "features/spend__customer", "training/churn", "selected/churn", "models/churn")
    ]
    assert not [i for i in lineage.edges if i == lineage.sources[4].id]


def test_a_table_derived_from_tables_stands_after_them(tmp_path):
    lake = Lake.open(tmp_path)
    rows = pa.table({"x": [1]})
    first = lake.writing.publish([lake.writing.stage("p/tables/z_first", None, rows)]).versions[0]
    second = lake.writing.publish([lake.writing.stage("p/tables/a_second", None, rows, inputs=[first])]).versions[0]
    svg = draw(lineage_of(lake, [second])).to_svg()
    x = {node.text: float(node.get("x", 0)) for node in nodes(svg)}
    assert x["z_first"] < x["a_second"]
    assert texts(svg).count("TABLES") == 1


def test_names_are_text_and_not_markup(shop):
    strange = replace(shop.raw[DAYS[0]], partition="a&b<c")
    lineage = lineage_of(shop.lake, [shop.raw[DAYS[0]]])
    assert "a&b<c" in texts(draw(replace(lineage, subjects=(strange,), versions=(strange,))).to_svg())[0]


def test_the_sketch_is_small_enough_to_be_shown_in_place(shop):
    """Also with seven layers of a large project, with years of days and millions of rows."""
    lineage = lineage_of(shop.lake, [shop.predictions[DAYS[0]]])
    many = tuple(
        replace(
            version, id=100_000 * number + version.id, table=TableName(f"{version.table}_{number}"), partition=f"d{day}", rows=10_000_000
        )
        for version in lineage.versions
        for number in range(40 if "/raw/" in version.table or "/tables/" in version.table or "/features/" in version.table else 1)
        for day in range(100)
    )
    for versions in (lineage.versions, many):
        small = sketch(replace(lineage, versions=versions))
        assert len(small.to_markdown("lineage")) < INLINE_LIMIT
        lines = texts(small.to_svg())
        assert " ".join(lines[::2]).split() == ["raw", "tables", "features", "training", "selected", "models", "predictions"]
        assert len(lines) == 4, "two rows of boxes"
        # Browsers set it on every text, so it is not inherited: without it names lose the spaces that put them into their boxes.
        assert {node.get("{http://www.w3.org/XML/1998/namespace}space") for node in nodes(small.to_svg())} == {"preserve"}
        root = ElementTree.fromstring(small.to_svg())  # noqa: S314 - our own text
        assert float(root.get("width")) <= 415, "a window of 1,500 pixels shows no more of it"
    assert "40 × 100 days" in texts(sketch(replace(lineage, versions=many)).to_svg())[1]


def test_markdown_carries_the_picture_and_nothing_that_ends_it_early(shop):
    lineage = lineage_of(shop.lake, [shop.first])
    for picture in (sketch(lineage), draw(lineage)):
        address = picture.to_markdown("lineage").removeprefix("![lineage](<data:image/svg+xml,").removesuffix(">)")
        assert not set("<>\n#") & set(address)
        assert unquote(address) == picture.to_svg()
