import pytest

from ml_platform.core.errors import DeclarationError
from ml_platform.sql.endless import refuse_endless
from ml_platform.sql.tree import parse_select


def judged(sql):
    refuse_endless(parse_select(sql, "features.sql"), "features.sql")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT repeat('x', 1000000000)", r"asks repeat\(\) for 1,000,000,000 values at once; [\d,]+ is the most"),
        ("SELECT repeat('x', 100000 * 100000)", r"asks repeat\(\) for 10,000,000,000 values"),
        ("SELECT range(2 ** 40)", r"asks range\(\) for a power of values at once"),
        ("SELECT LPAD(name, 1_000_000_000, ' ') FROM t", r"asks lpad\(\) for 1,000,000,000 values"),
        ("SELECT * FROM range(2000000000)", r"asks range\(\) for 2,000,000,000 values at once; 1,000,000,000 is the most"),
        ("SELECT format('{:1000000}', x) FROM t", r"calls format\(\) with a width of six digits or more"),
        ("SELECT printf('%*d', n, x) FROM t", r"calls printf\(\) with a width .* or a computed one\. Use lpad\(\) or rpad\(\)"),
        ("SELECT main.repeat('x', 3)", r"calls main\.repeat\(\)\. Write repeat\(\)"),
    ],
)
def test_more_than_any_row_needs_is_refused(sql, message):
    with pytest.raises(DeclarationError, match=rf"^features\.sql {message}"):
        judged(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT repeat('x', 3), range(10)",
        "SELECT * FROM range(1000000000)",
        "SELECT repeat('x', n * 1000000000) FROM t",
        "SELECT format('{:10}', x), printf('%5d', y), 2 ** 40 FROM t",
        "SELECT sum(x) FROM t WHERE y > 1000000000000",
    ],
    ids=["few", "rows one after the other", "computed: judged when it is", "small widths", "a number that makes nothing"],
)
def test_what_makes_few_values_is_not(sql):
    judged(sql)
