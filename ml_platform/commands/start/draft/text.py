"""Words of a draft: values as YAML on one line, columns as SQL."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

_NO_LIMIT = 1_000_000
_WIDTH = 130


def flow(value: Any) -> str:
    """Write a value as YAML on one line; words that YAML would read as something else are quoted.

    Examples
    --------
    >>> flow({"type": "string", "one_of": ["NO", "SE"]})
    "{type: string, one_of: ['NO', SE]}"
    """
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=_NO_LIMIT)
    return text.removesuffix("...\n").strip()


def block(kind: str, fields: Sequence[tuple[str, Any] | str]) -> str:
    """Write one declaration: fields in order, each on one line; a text among them is a comment."""
    lines = [f"type: ml_platform.{kind}", "attributes:"]
    for field in fields:
        if isinstance(field, str):
            lines += textwrap.wrap(field, _WIDTH, initial_indent="  # ", subsequent_indent="  #   ", break_long_words=False)
        else:
            lines.append(f"  {field[0]}: {flow(field[1])}")
    return "\n".join(lines) + "\n"


def sql_text(value: str) -> str:
    """Write a text as a literal of SQL."""
    return "'" + value.replace("'", "''") + "'"


def listed(words: Sequence[str]) -> str:
    """Write words as a sentence lists them."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def contract_text(contract: Mapping[str, Any], comments: Mapping[str, str], references: Sequence[Mapping[str, Any]] = ()) -> str:
    """Write a contract as YAML, one line per column."""
    lines = ["columns:"]
    for name, body in contract["columns"].items():
        comment = f"  # {comments[name]}" if name in comments else ""
        lines.append(f"  {flow(name)}: {flow(body)}{comment}")
    if references:
        lines.append("references:")
        lines += [f"  - {flow(dict(reference))}" for reference in references]
    lines += [f"{name}: {flow(value)}" for name, value in contract.items() if name != "columns"]
    return "\n".join(lines) + "\n"
