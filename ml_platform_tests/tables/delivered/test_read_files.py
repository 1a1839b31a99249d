import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_platform.core.errors import DeclarationError, SourceError
from ml_platform.tables.declared.file_formats import file_format
from ml_platform.tables.delivered.read_files import parse_delivery, read_delivery


def csv(text, **options):
    return parse_delivery(text.encode() if isinstance(text, str) else text, "x.csv", **options)


def test_a_csv_stays_text():
    table = csv("id,late,note\n007,NA,\n8,true,a b\n")
    assert table.to_pydict() == {"id": ["007", "8"], "late": ["NA", "true"], "note": ["", "a b"]}


def test_null_values_can_be_asked_for():
    assert csv("id,late\n1,NA\n2,\n", null_values=("NA", "")).to_pydict() == {"id": ["1", "2"], "late": [None, None]}


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_seen_in_the_header(mark):
    assert csv(f"a{mark}b\r\n1{mark}2\r\n").to_pydict() == {"a": ["1"], "b": ["2"]}


def test_quotes_newlines_and_a_byte_order_mark():
    table = csv(b'\xef\xbb\xbfid,"the, note"\n1,"two\nlines, ""said"""\n2,5 inch"\n')
    assert table.to_pydict() == {"id": ["1", "2"], "the, note": ['two\nlines, "said"', '5 inch"']}


def test_a_header_alone_is_a_delivery_of_no_rows():
    assert csv("a,b\n").to_pydict() == {"a": [], "b": []}


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (b"", "x.csv", r"x.csv is empty \(0 bytes\)"),
        (b"a,b\n1,2\n3", "x.csv", r"cannot be read as CSV: .*Expected 2 columns, got 1. It is truncated"),
        (b'a,b\n1,"tw', "x.csv", "it ends inside a quoted value"),
        (b"a,b\n1,\xff\xfe\n", "x.csv", r"not written in UTF-8 .*encoding: cp1252 \(Windows"),
        (b"a,\n1,2\n", "x.csv", "column 2 has no name"),
        (b"a,A\n1,2\n", "x.csv", "two columns called 'a'"),
        (b"a,_row\n1,2\n", "x.csv", "a column '_row', a name that the platform uses"),
        (b"PAR1 and no more", "x.parquet", "cannot be read as Parquet: .*magic bytes"),
        (b"a,b\n1,2\n", "x.parquet", "cannot be read as Parquet"),
        (b'{"a": 1}\n{"a": 2', "x.jsonl", "cannot be read as JSON lines: line 2: .*It is truncated"),
        (b'{"a": 1}\n[1, 2]\n', "x.jsonl", r"line 2 is a list, not an object"),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-9], "x.csv.gz", "cannot be read as a gzip file"),
    ],
)
def test_what_cannot_be_read_says_file_and_cause(data, name, message):
    with pytest.raises(SourceError, match=message):
        parse_delivery(data, name)


def test_a_parquet_file_that_was_cut_anywhere_is_refused(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": list(range(1000))}), path)
    whole = path.read_bytes()
    for end in (1, 4, 100, len(whole) // 2, len(whole) - 1):
        with pytest.raises(SourceError, match=r"x.parquet cannot be read as Parquet"):
            parse_delivery(whole[:end], "x.parquet")


def test_packed_types_are_unpacked(tmp_path):
    pq.write_table(
        pa.table({"a": pa.array(["x", "y"]).dictionary_encode(), "b": pa.array(["x", "y"], pa.large_string())}), tmp_path / "x.pq"
    )
    assert read_delivery(tmp_path / "x.pq").schema.types == [pa.string(), pa.string()]


def test_json_lines_keep_times_as_text_and_gaps_as_nulls():
    lines = [{"id": 1, "at": "2013-01-05T10:00:00-05:00"}, {"id": 2, "temp": 1.5, "at": "2013-01-05 10:00:00"}]
    table = parse_delivery("\n".join(map(json.dumps, lines)).encode(), "x.jsonl")
    assert table.to_pydict() == {"id": [1, 2], "at": [line["at"] for line in lines], "temp": [None, 1.5]}


def test_a_json_column_of_mixed_types_is_text_so_that_rows_are_judged_alone():
    table = parse_delivery(b'{"temp": 1, "ok": true}\n{"temp": "hot", "ok": false}\n{"temp": NaN}\n', "x.jsonl")
    assert table.to_pydict() == {"temp": ["1", "hot", "NaN"], "ok": [True, False, None]}


def test_a_packed_file_is_read(tmp_path):
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"a\n1\n", mtime=0))
    assert read_delivery(tmp_path / "x.csv.gz").to_pydict() == {"a": ["1"]}


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SourceError, match=r"x.csv cannot be opened: No such file"):
        read_delivery(tmp_path / "x.csv")


TEXT = "id,city\n1,Łódź – 3 €\n2,Köln\n"
ROWS = {"id": ["1", "2"], "city": ["Łódź – 3 €", "Köln"]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1250"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_text_is_the_same_however_it_is_written(encoding, ending):
    data = TEXT.replace("\n", ending).encode(encoding)
    assert parse_delivery(data, "x.csv", encoding=encoding).to_pydict() == ROWS
    packed = gzip.compress(data, mtime=0)
    assert parse_delivery(packed, "x.csv.gz", encoding=encoding).to_pydict() == ROWS
    lines = "".join(json.dumps({"city": city}, ensure_ascii=False) + "\n" for city in ROWS["city"])
    assert parse_delivery(lines.encode(encoding), "x.jsonl", encoding=encoding).to_pydict() == {"city": ROWS["city"]}


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_says_more_than_the_declaration(mark):
    for declared in (None, "cp1252", "shift_jis"):
        assert parse_delivery(TEXT.encode(mark), "x.csv", encoding=declared).to_pydict() == ROWS


def test_what_is_not_written_as_declared_is_refused():
    with pytest.raises(SourceError, match=r"x.csv is written in UTF-8, and its source is declared with encoding: latin-1. Leave"):
        csv("city\nKöln\n", encoding="latin-1")
    with pytest.raises(SourceError, match=r"x.csv is not written in cp1252, .*byte 6 \(0x81\) is no letter there"):
        csv(b"city\n\x81\n", encoding="cp1252")
    with pytest.raises(SourceError, match=r"x.csv is not written in utf-16-le"):
        csv("city\nKöln\n".encode("utf-16-le") + b"!", encoding="utf-16-le")
    assert csv("city\nBern\n", encoding="cp1252").to_pydict() == {"city": ["Bern"]}


def test_columns_that_no_line_names_get_the_declared_names():
    assert csv("1;a\n2;b\n", names=("id", "x y")).to_pydict() == {"id": ["1", "2"], "x y": ["a", "b"]}
    with pytest.raises(SourceError, match=r"3 values in its first line, and the `names` of its source are 2: id, x\. Name every column"):
        csv("1,2,3\n", names=("id", "x"))
    with pytest.raises(SourceError, match=r"begins with the names of its columns, which its source gives as `names` too. Leave"):
        csv("ID,x\n1,2\n", names=("id", "x"))
    with pytest.raises(SourceError, match=r"Expected 2 columns, got 1"):
        csv("1,2\n3\n", names=("id", "x"))


def test_the_format_is_declared_or_read_from_the_ending():
    assert [file_format(n) for n in ("a.CSV", "a.csv.gz", "a.pq", "a.ndjson")] == ["csv", "csv", "parquet", "jsonl"]
    assert file_format("a.dat", "csv") == "csv"
    with pytest.raises(DeclarationError, match=r"cannot be told from its ending"):
        file_format("a.dat")
    with pytest.raises(DeclarationError, match=r"Did you mean 'parquet'"):
        file_format("a.dat", "parqet")
