"""A shop declared without a fault, and what people get wrong in it.

``python -m ml_platform_tests.components.declarations.mistakes`` writes what is said of each into the golden file.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ml_platform
from ml_platform.commands.new_project import new_project
from ml_platform.core.errors import MlPlatformError

GOLDEN = Path(__file__).with_name("mistakes.golden.md")
_HEAD = """\
# What is said of mistakes in declarations

Each mistake is one change in a shop of orders, customers, a feature view and a problem: the changed lines, then all that a user sees.
"""

CONTRACT = """\
columns:
  order_id: {type: int64, nullable: false}
  customer: {type: string, nullable: false}
  amount: {type: float64, min: 0}
  country: {type: string, one_of: ["NO", "SE", "DK"]}
  ordered_at: {type: timestamp, nullable: false}
rules:
  - {name: not_huge, sql: amount < 1000000}
references:
  - {columns: [customer], in: customers}
"""
CUSTOMERS = """\
columns:
  customer: {type: string, nullable: false}
  city: {type: string}
"""
DECLARATIONS = """\
type: ml_platform.Table
attributes:
  name: orders
  source: {files: "orders/{day}.csv"}
  partitions: {start: "2024-01-01"}
  contract: orders.contract.yaml
  key: [order_id]
  event_time: ordered_at
  available_at: ordered_at
---
type: ml_platform.Table
attributes:
  name: customers
  source: {files: customers.csv}
  contract: customers.contract.yaml
  key: [customer]
  timeless: true
---
type: ml_platform.FeatureView
attributes:
  name: spending
  source: orders
  entities: [[customer]]
  windows: [7d, 28d]
  features:
    - {column: amount, functions: [sum, mean]}
    - {name: large, sql: amount > 100, functions: [share]}
---
type: ml_platform.Problem
attributes:
  name: buys_again
  spine: {each: customer, every: 1d, active: {in: orders, within: 28d}}
  label: {from: orders, match: [customer], sql: count(*) > 0, horizon: 7d, without_rows: zero}
  features: [spending, customers.city]
  training: {every: 7d, look_back: 60d, validate: 7d, test: 14d}
"""
FILES = {"defs.yaml": DECLARATIONS, "orders.contract.yaml": CONTRACT, "customers.contract.yaml": CUSTOMERS}


@dataclass(frozen=True)
class Mistake:
    """What somebody got wrong: which text became which other."""

    title: str
    changes: tuple[tuple[str, str], ...]

    def write(self, folder: Path) -> None:
        """Write the shop with this mistake."""
        texts = dict(FILES)
        for before, after in self.changes:
            file = next((name for name, text in texts.items() if before in text), None)
            if file is None:
                raise ValueError(f"{self.title}: there is no {before!r} to change")
            texts[file] = texts[file].replace(before, after, 1)
        for file, text in texts.items():
            (folder / file).write_text(text, encoding="utf-8")


def _mistake(title: str, *changes: tuple[str, str]) -> Mistake:
    return Mistake(title, changes)


LABEL = "sql: count(*) > 0"
WHOLE_LABEL = "label: {from: orders, match: [customer], sql: count(*) > 0, horizon: 7d, without_rows: zero}"
WHOLE_SPINE = "spine: {each: customer, every: 1d, active: {in: orders, within: 28d}}"
MISTAKES: tuple[Mistake, ...] = (
    _mistake("A tab instead of spaces", ("  windows: [7d, 28d]", "\twindows: [7d, 28d]")),
    _mistake("A quote that is not closed", ('start: "2024-01-01"', 'start: "2024-01-01')),
    _mistake("A bracket that is not closed", ("windows: [7d, 28d]", "windows: [7d, 28d")),
    _mistake("A line that is indented too far", ("  source: orders\n", "   source: orders\n")),
    _mistake("A word without its colon", ("  source: orders\n", "  source orders\n")),
    _mistake("No space after the colon", ("  source: orders\n", "  source:orders\n")),
    _mistake("A colon inside a text", ("  source: orders\n", "  description: orders: the last 28 days\n  source: orders\n")),
    _mistake("A text that begins with a sign of YAML", ("  name: spending\n", "  name: spending\n  description: @team of sales\n")),
    _mistake("The same word twice", ("  windows: [7d, 28d]\n", "  windows: [7d, 28d]\n  windows: [90d]\n")),
    _mistake("The line of dashes is forgotten", ("---\ntype: ml_platform.FeatureView", "type: ml_platform.FeatureView")),
    _mistake("A typo in the type", ("type: ml_platform.FeatureView", "type: ml_platform.FeatureVew")),
    _mistake("The type without its package", ("type: ml_platform.FeatureView", "type: FeatureView")),
    _mistake("The type of another tool", ("type: ml_platform.FeatureView", "type: feast.FeatureView")),
    _mistake("A typo above the attributes", ("attributes:\n  name: spending", "atributes:\n  name: spending")),
    _mistake("Words beside the attributes instead of in them", ("  windows: [7d, 28d]\n  features:", "windows: [7d, 28d]\nfeatures:")),
    _mistake("Attributes that are empty", (DECLARATIONS.split("---\n")[1], "type: ml_platform.Table\nattributes:\n")),
    _mistake("An unknown word", ("event_time: ordered_at", "event_tme: ordered_at")),
    _mistake("An unknown word in a part", ("without_rows: zero", "without_row: zero")),
    _mistake("A word of another declaration", ("  timeless: true", "  timeless: true\n  windows: [7d]")),
    _mistake("A word that is missing", (", horizon: 7d", "")),
    _mistake("A name that is missing", ("  name: spending\n", "")),
    _mistake("A name with capital letters", ("name: spending", "name: Spending")),
    _mistake("Windows without units", ("windows: [7d, 28d]", "windows: [7, 28]")),
    _mistake("A window that is no list", ("windows: [7d, 28d]", "windows: 7d")),
    _mistake("A window with a long unit", ("windows: [7d, 28d]", "windows: [7 days, 28d]")),
    _mistake("A horizon without a unit", ("horizon: 7d", "horizon: 7")),
    _mistake("A negative horizon", ("horizon: 7d", "horizon: -7d")),
    _mistake("Entities that are not nested", ("entities: [[customer]]", "entities: [customer, country]")),
    _mistake("An entity that is a column's name alone", ("entities: [[customer]]", "entities: customer")),
    _mistake("An entity that is no column", ("entities: [[customer]]", "entities: [[custmer]]")),
    _mistake("An unknown table in a view", ("  source: orders\n", "  source: ordres\n")),
    _mistake("A source written as of a table", ("  source: orders\n", "  source: {files: orders.csv}\n")),
    _mistake("An unknown column in a view", ("{column: amount,", "{column: amout,")),
    _mistake("An unknown function", ("[sum, mean]", "[sum, avg]")),
    _mistake("Functions that are no list", ("functions: [share]", "functions: share")),
    _mistake("A mean of a text", ("{column: amount,", "{column: country,")),
    _mistake("An unknown column in SQL", ("sql: amount > 100", "sql: amuont > 100")),
    _mistake("SQL that is not SQL", ("sql: amount > 100", "sql: amount >")),
    _mistake("SQL with a comma and without quotes", ("sql: amount > 100", "sql: coalesce(amount, 0) > 100")),
    _mistake("SQL in a label with a comma and without quotes", (LABEL, "sql: coalesce(sum(amount), 0) > 100")),
    _mistake("SQL with a colon and without quotes", ("sql: amount > 100", "sql: amount::int > 100 and country = 'a: b'")),
    _mistake("A label that is no aggregate", (LABEL, "sql: amount > 100")),
    _mistake("A label that is a text", (LABEL, "sql: max(country)")),
    _mistake("A label over an unknown table", ("label: {from: orders", "label: {from: order")),
    _mistake("A label that matches an unknown column", ("match: [customer]", "match: [custmer]")),
    _mistake("A spine of an unknown column", ("each: customer,", "each: client,")),
    _mistake("A spine without its pace", ("each: customer, every: 1d,", "each: customer,")),
    _mistake("An unknown view among the features", ("features: [spending,", "features: [spendings,")),
    _mistake("An unknown feature of a view", ("features: [spending,", "features: [spending.customer_amount_max_7d,")),
    _mistake("An unknown trainer", ("  training:", "  model: {trainer: lightgmb}\n  training:")),
    _mistake("An unknown task", ("  training:", "  task: classification\n  training:")),
    _mistake("A look-back that leaves nothing", ("look_back: 60d", "look_back: 20d")),
    _mistake("A contract that is not there", ("contract: orders.contract.yaml", "contract: order.contract.yaml")),
    _mistake("A contract with a tab", ("  amount: {type", "\tamount: {type")),
    _mistake("An unknown type in a contract", ("amount: {type: float64, min: 0}", "amount: {type: number, min: 0}")),
    _mistake("NO in a list of countries", ('["NO", "SE", "DK"]', "[NO, SE, DK]")),
    _mistake("A rule of a contract with a comma and without quotes", ("sql: amount < 1000000", "sql: coalesce(amount, 0) < 1000000")),
    _mistake("A reference to an unknown table", ("in: customers", "in: custmers")),
    _mistake("A key that is not in the contract", ("key: [order_id]", "key: [order]")),
    _mistake("A key that is no list", ("key: [order_id]", "key: order_id")),
    _mistake("A first day that is no day", ('start: "2024-01-01"', 'start: "01.01.2024"')),
    _mistake("A table that is available at an unknown time", ("available_at: ordered_at", "available_at: loaded_at")),
    _mistake("Rows that nothing says the availability of", ("  available_at: ordered_at\n", "")),
    _mistake("A pattern that leaves the landing zone", ("files: customers.csv", "files: ../customers.csv")),
    _mistake("Two sources", ("files: customers.csv}", "files: customers.csv, sql: select 1}")),
    _mistake("Two tables of one name", ("  name: customers\n", "  name: orders\n")),
    _mistake("An environment variable that is not set", ("  source: orders\n", '  source: "{{ env.SHOP_TABLE }}"\n')),
    _mistake("A number where a text belongs", ("  name: spending\n", "  name: 2024\n")),
    _mistake("Yes where true belongs", ("timeless: true", "timeless: sure")),
    _mistake("A retention that keeps nothing", ("  timeless: true", "  timeless: true\n  retention: 30d")),
    _mistake("A template without quotes", ("  source: orders\n", "  source: {{ env.SHOP_TABLE }}\n")),
    _mistake("SQL that begins with a quote", ("sql: amount > 100", "sql: \"amount\" > 100")),
    _mistake("SQL of which a number is cut off", ("sql: amount > 100", "sql: least(amount, 100, 5)")),
    _mistake("SQL with a comment", ("sql: amount > 100", "sql: amount > 100 # in euros")),
    _mistake("SQL with a list of texts and without quotes", ("sql: amount > 100", "sql: country in ('NO', 'SE')")),
    _mistake("A name that YAML reads as true", ("  timeless: true", "  on: true")),
    _mistake("A length in a mapping without a unit", ("within: 28d", "within: 28")),
    _mistake("A feature's name with a space", ("{name: large,", "{name: large order,")),
    _mistake("A type of a module that is not there", ("type: ml_platform.FeatureView", "type: ml_platform.views.FeatureView")),
    _mistake("A type that is left out", ("type: ml_platform.FeatureView", "type:")),
    _mistake("A star without quotes", ("sql: amount > 100", "sql: *")),
    _mistake("A declaration that is empty", ("---\ntype: ml_platform.FeatureView", "---\n---\ntype: ml_platform.FeatureView")),
    _mistake("A field in the wrong place", ("  features: [spending,", "  horizon: 7d\n  features: [spending,")),
    _mistake("A label that is SQL alone", (WHOLE_LABEL, "label: count(*) > 0")),
    _mistake("A spine that is a table alone", (WHOLE_SPINE, "spine: customers")),
    _mistake("A spine of nothing", ("spine: {each: customer, every: 1d, active: {in: orders, within: 28d}}", "spine: {every: 1d}")),
    _mistake("A time that YAML reads as a number", ("  windows: [7d, 28d]\n", "  windows: [7d, 28d]\n  refresh: 12:00\n")),
    _mistake("A first day that is a number", ('start: "2024-01-01"', "start: 20240101")),
    _mistake("Another word for the day in a pattern", ('"orders/{day}.csv"', '"orders/{date}.csv"')),
    _mistake("An absolute path", ('"orders/{day}.csv"', '"/data/orders/{day}.csv"')),
    _mistake("An SQL file that is not there", (LABEL, "sql: label.sql")),
    _mistake("A Python source without its function", ("{files: customers.csv}", "{python: feed.py}")),
    _mistake("A feature without functions", ("{column: amount, functions: [sum, mean]}", "{column: amount}")),
    _mistake("A contract that is a list", ("contract: customers.contract.yaml", "contract: [customer, city]")),
    _mistake("An unknown field of a column", ("amount: {type: float64, min: 0}", "amount: {type: float64, minimum: 0}")),
    _mistake("A bound of another type", ("amount: {type: float64, min: 0}", "amount: {type: float64, min: none}")),
    _mistake("A name of another table's column", ("spine: {each: customer,", "spine: {each: customer_id,")),
    _mistake("A window of months", ("windows: [7d, 28d]", "windows: [1mo]")),
    _mistake("A part of a day", ("windows: [7d, 28d]", "windows: [0.5d]")),
    _mistake("A word in the plural", ("{column: amount,", "{columns: [amount],")),
    _mistake("A word in the singular", ("functions: [sum, mean]", "function: sum")),
    _mistake("A view's entities in the singular", ("entities: [[customer]]", "entity: [customer]")),
    _mistake("Keys", ("key: [order_id]", "keys: [order_id]")),
    _mistake("Features in one text", ("features: [spending, customers.city]", "features: spending, customers.city")),
    _mistake("Features as mappings", ("features: [spending, customers.city]", "features: [{view: spending}]")),
    _mistake("A tab before a list", ("    - {column: amount,", "\t- {column: amount,")),
    _mistake("A text that begins with a percent sign", ("  name: spending\n", "  name: spending\n  description: %share of sales\n")),
    _mistake("SQL that begins with an at sign", ("sql: amount > 100", "sql: @amount > 100")),
    _mistake("SQL with a semicolon", ("sql: amount > 100", "sql: amount > 100;")),
    _mistake("SQL as Python writes it", ("sql: amount > 100", "sql: amount > 100 && country != None")),
    _mistake("A text of SQL in double quotes", ("sql: amount > 100", 'sql: country = "NO"')),
    _mistake("A length of time in SQL", ("available_at: ordered_at", "available_at: ordered_at + 1d")),
    _mistake("The type among the attributes",
             ("type: ml_platform.FeatureView\nattributes:\n", "attributes:\n  type: ml_platform.FeatureView\n")),
    _mistake("A source that is a path", ('source: {files: "orders/{day}.csv"}', 'source: "orders/{day}.csv"')),
    _mistake("A pattern without quotes", ('"orders/{day}.csv"', "orders/{day}.csv")),
    _mistake("A day as letters in a pattern", ('"orders/{day}.csv"', '"orders/YYYY-MM-DD.csv"')),
    _mistake("A pace in the partitions", ('{start: "2024-01-01"}', '{start: "2024-01-01", every: 1d}')),
    _mistake("Days that are a word", ('partitions: {start: "2024-01-01"}', "partitions: daily")),
    _mistake("An event time that is SQL", ("event_time: ordered_at", "event_time: ordered_at::timestamp")),
    _mistake("An event time that is a text", ("event_time: ordered_at", "event_time: country")),
    _mistake("Seconds without a unit", ("  available_at: ordered_at\n", "  available_at: ordered_at\n  delay: 3600\n")),
    _mistake("A type of a database in a contract", ("customer: {type: string, nullable: false}", "customer: {type: varchar(20)}")),
    _mistake("Two documents in a contract", ("rules:\n", "---\nrules:\n")),
    _mistake("A column of a contract twice", ("  amount: {type", "  customer: {type: string}\n  amount: {type")),
    _mistake("A set that is a text", ('one_of: ["NO", "SE", "DK"]', 'one_of: "NO, SE, DK"')),
    _mistake("Columns in the singular", ("columns:\n  order_id", "column:\n  order_id")),
    _mistake("An encoding that there is not", ("{files: customers.csv}", "{files: customers.csv, encoding: ansi}")),
    _mistake("Names of columns twice", ("{files: customers.csv}", "{files: customers.csv, names: [customer, Customer]}")),
    _mistake("A share of the history for the test", ("test: 14d", "test: 20%")),
    _mistake("A model that is a name", ("  training:", "  model: lightgbm\n  training:")),
    _mistake("An active that is a table", ("active: {in: orders, within: 28d}", "active: orders")),
    _mistake("An owner that is a word", ("  timeless: true", "  timeless: true\n  owners: [sales]")),
    _mistake("A variable as a shell writes it", ("  source: orders\n", "  source: ${SHOP_TABLE}\n")),
    _mistake("Quotes of a word processor", ('start: "2024-01-01"', "start: “2024-01-01”")),
    _mistake(
        "Several at once",
        ("key: [order_id]", "key: order_id"), ("  source: orders\n", "  source: ordres\n"), ("horizon: 7d", "horizon: 7"),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Shop:
    """A dg project in which the shop stands, with one mistake at a time."""

    root: Path
    package: str

    @property
    def folder(self) -> Path:
        """Where the declarations stand."""
        return self.root / self.package / "defs" / "shop"

    def said_of(self, mistake: Mistake) -> str:
        """Return what is said when the project is opened with a mistake in it."""
        mistake.write(self.folder)
        try:
            ml_platform.open_project(self.root)
        except MlPlatformError as error:
            return str(error)
        return "(nothing: it loads)"


def make_shop(root: Path, package: str) -> Shop:
    """Write a dg project as ``ml-platform init`` does, without declarations."""
    new_project(root, package)
    shop = Shop(root, package)
    shop.folder.mkdir(parents=True)
    sys.path.insert(0, str(root))
    return shop


def describe(shop: Shop) -> str:
    """Return a page with every mistake: what is written, and what is said of it."""
    parts = [_HEAD]
    for mistake in MISTAKES:
        written = "\n".join(changed_lines(mistake))
        said = shop.said_of(mistake)
        parts.append(f"## {mistake.title}\n\n```yaml\n{written}\n```\n\n```\n{said}\n```\n")
    return "\n".join(parts)


def changed_lines(mistake: Mistake) -> Iterator[str]:
    """Yield the lines that the mistake puts into the files, or those that are gone."""
    for before, after in mistake.changes:
        old = next(text for text in FILES.values() if before in text)
        lines, new = old.splitlines(), old.replace(before, after, 1).splitlines()
        yield from [line for line in new if line not in lines] or [f"# without: {line.strip()}" for line in before.splitlines()]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        GOLDEN.write_text(describe(make_shop(Path(folder) / "shop_of_mistakes", "shop_of_mistakes")), encoding="utf-8")
