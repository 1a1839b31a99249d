"""The page of the contract: every word that a contract, its columns, rules and references know."""

from __future__ import annotations

from ml_platform.tables.declared import parse
from ml_platform.tables.declared.contract import Contract
from ml_platform.tables.declared.number_formats import NUMBER_FORMATS
from ml_platform_docs.declarations import _as_yaml
from ml_platform_docs.markdown import code, fence, page, table

# Words for each; one that the parser knows and that has none here stops the build, and so does one the other way round.
WORDS = {
    "contract": {
        "columns": "Name of each column, and its type or `{type: ..., ...}`; see below. Names are those in the files.",
        "rules": "Conditions over the whole row.",
        "references": "Values that must exist in another table.",
        "max_rejected": "The share of a day's rows that may be set aside before the whole day is stopped.",
        "min_rows": "A day with fewer rows is stopped.",
        "max_shrink": "The share of a day's rows that a new delivery of it may lose, as `30%` or `0.3`. Left out: 10 % of a delivered "
        "table, no bound of a derived one.",
        "known_early": "What a row is that was known before it happened, where `available_at` reads columns of its own: `warn` counts it "
        "in the check `contract_warnings`, `reject` sets it aside (and stops a day with too many), `allow` is for plans of what comes.",
        "extra_columns": "What a delivered column does that is not declared: `stop` the day, or `ignore`.",
    },
    "column": {
        "type": "`string`, `bool`, `int8` to `int64`, `float32`, `float64`, `date`, `timestamp` or `decimal(p,s)`.",
        "nullable": "Whether the value may be missing. A column of the key is never missing.",
        "description": "What it is, for a reader of the Dagster UI.",
        "min": "The smallest value, itself included.",
        "max": "The largest value, itself included.",
        "one_of": "The only values there are.",
        "matches": "A regular expression for the whole text.",
        "zone": "The time zone of times that are delivered without one, `Europe/Oslo`. They are kept in UTC.",
        "format": "How a time is written that is none by itself: `epoch_s`, `epoch_ms`, `epoch_us` (counted from 1970), or a pattern such "
        "as `%Y%m%d`; `cut_to_us` keeps a time that is delivered in nanoseconds to the microsecond. "
        f"Of a number what parts its digits, by example: {', '.join(map(code, NUMBER_FORMATS))}.",
        "optional": "`true` for a column that some files lack, such as one that was added later: their rows have no value there.",
        "made_of": "Delivered columns whose values, joined by a blank, are the time: `[date, time]`.",
        "was": "Earlier names of the column, latest first: older versions and files are read as if they had the new one.",
    },
    "rule": {
        "name": "How reports and the quarantine call it.",
        "sql": "A condition over the row. A row for which it is false breaks the rule; one for which it is unknown (NULL) keeps it.",
        "severity": "`reject`: the row is set aside in quarantine. `warn`: it stays, and is counted.",
        "description": "Why the rule is there.",
    },
    "reference": {
        "columns": "Columns of this table.",
        "in": "The other table.",
        "to": "Its columns, in the same order.",
        "severity": "`warn` (default) or `reject`.",
    },
}
_DEFAULTS = {"max_rejected", "min_rows", "extra_columns", "known_early"}
_EXAMPLE = """
columns:
  order_id: {type: int64}
  customer: {type: string, nullable: false, description: Number of the customer}
  amount: {type: float64, min: 0}
  country: {type: string, one_of: ["NO", SE, DK]}
  ordered_at: {type: timestamp, nullable: false, zone: Europe/Oslo}
rules:
  - {name: not_from_the_future, sql: "ordered_at < TIMESTAMPTZ '2100-01-01'"}
references:
  - {columns: [customer], in: customers, to: [customer], severity: warn}
max_rejected: 0.02
"""


def contract_page() -> str:
    """Return the page of the contract."""
    known = {kind: getattr(parse, f"_{kind.upper()}_KEYS") for kind in WORDS}
    wrong = {f"{kind}.{word}" for kind, words in WORDS.items() for word in set(words) ^ set(known[kind])}
    if wrong:
        raise LookupError(f"words of a contract that are not told, or not known: {', '.join(sorted(wrong))}")
    default = Contract(columns=())
    sections = []
    for kind, words in WORDS.items():
        rows = []
        for word in known[kind]:
            given = code(_as_yaml(getattr(default, word))) if kind == "contract" and word in _DEFAULTS else ""
            rows.append([code(word), given, words[word]])
        title = "The contract" if kind == "contract" else f"A {kind}"
        sections.append(f"## {title}\n\n" + table(["word", "default", "what it means"], rows))
    return page(
        "Contract",
        "A contract says what the rows of a table must keep. It is checked before anything is published: rows that break it are set aside "
        "in *quarantine* with the rules that they broke, and a day with too many of them is stopped: what was readable stays readable.",
        "It stands in a file beside the declaration (`contract: orders.contract.yaml`) or in the declaration itself. "
        "`ml-platform contract infer FILES` writes a first one from your files.",
        fence(_EXAMPLE, "yaml"),
        *sections,
    )
