"""The YAML that declarations and contracts are written in: what it cannot be read for, said in one sentence with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from ml_platform.core.errors import DeclarationError
from ml_platform.core.unquoted import in_quotes

# In braces, a text that is not in quotes ends where the next word or the closing brace begins. SQL first: it has most of what needs quotes.
_UNQUOTED = [
    re.compile(rf"\b({words}): (?![\"'{{\[])([^{{}}]*?[,:'\"()\[\]][^{{}}]*?)(?=, [a-z_]+: |\}}+\s*$)")
    for words in ("sql|where|cutoff|available_at", "(?!name)[a-z_]+")
]
# Quotes of SQL at the beginning of a text, which YAML takes for its own.
_QUOTED_AT_FIRST = re.compile(r"\b(\w+): ((?:'[^']*'|\"[^\"]*\")[^{}]*?)(?=, [a-z_]+: |\}+\s*$|$)")
_WITH_PLACEHOLDER = re.compile(r"\b(\w+): ([^\s\"'{,]*\{\w+\}[^\s\"',}]*)")
_NO_NAMES = {"tag:yaml.org,2002:bool": "true or false", "tag:yaml.org,2002:null": "nothing"}
_LEVEL = "Words of one level begin in the same column, each level two spaces further in"


def read_yaml(text: str, place: str) -> Any:
    """Return what one document says.

    Parameters
    ----------
    text : str
        The content of the file.
    place : str
        The file's name for messages.

    Raises
    ------
    DeclarationError
        If it cannot be read, or a word stands twice in one place; the message shows the line.
    """
    faults = yaml_faults(text, place)
    if faults:
        raise DeclarationError.of(faults)
    second = next(iter(documents(text)[1:]), None)
    if second is not None:
        line = second.start_mark.line + 1
        raise DeclarationError(
            describe_fault(place, text, line, "a second document begins here, below a line ---. A contract is one: remove the ---.")
        )
    try:
        return yaml.safe_load(text)
    except ValueError as problem:
        # A value that looks like a day or a time and is none that the calendar has.
        raise DeclarationError(f"{place}: a value looks like a day or a time, but {problem}. Put it in quotes if it is a text.") from None


def yaml_faults(text: str, place: str) -> list[str]:
    """Return why a file cannot be read, or which words stand twice in one place; empty if it is good YAML.

    Parameters
    ----------
    text, place
        As of :func:`read_yaml`.

    Returns
    -------
    list of str
        A message each: file, line, what is wrong, how it is written, and the line itself.
    """
    try:
        nodes = documents(text)
    except yaml.YAMLError as error:
        number, sentence = _explained(error, text.splitlines())
        return [describe_fault(place, text, number, sentence)]
    return [describe_fault(place, text, number, sentence) for node in nodes for number, sentence in _misread(node, text.splitlines())]


def documents(text: str) -> list[yaml.Node]:
    """Return the documents of a file as nodes, which know their lines."""
    return list(yaml.compose_all(text, Loader=yaml.SafeLoader))


def describe_fault(place: str, text: str, number: int, sentence: str) -> str:
    """Return a message about one line of a file (the first is 1), with the line below."""
    lines = text.splitlines()
    shown = f"\n    {number} | {lines[number - 1].rstrip()}" if 0 < number <= len(lines) and lines[number - 1].strip() else ""
    return f"{place}:{number}: {sentence}{shown}"


def _misread(node: yaml.Node, lines: list[str]) -> Iterator[tuple[int, str]]:
    """Yield what can be read, but not as it was meant, with its line."""
    if not node.tag.startswith("tag:yaml.org,2002:"):
        yield node.start_mark.line + 1, f"a text cannot begin with {node.tag[:1]}, which is a sign of YAML. Put it in quotes."
    if isinstance(node, yaml.SequenceNode):
        for part in node.value:
            yield from _misread(part, lines)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key, value in node.value:
        number = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            yield number, 'a template needs quotes around it, such as source: "{{ env.SOURCE }}".'
            continue
        if key.tag in _NO_NAMES:
            yield number, f"YAML reads {key.value or 'nothing'} as {_NO_NAMES[key.tag]}, not as a name. Put it in quotes, or take it out."
        if key.value in seen and key.value != "<<":
            yield number, _twice(key.value, seen[key.value], value, lines)
            if key.value == "type" and key.start_mark.column == 0:
                # All that follows is another declaration.
                return
        seen.setdefault(key.value, number)
        yield from _misread(value, lines)


def _twice(word: str, first: int, value: yaml.Node, lines: list[str]) -> str:
    line = lines[value.start_mark.line]
    cut = _unquoted(line)
    if value.value == "" and cut is not None:
        return f"in braces a comma ends a text that is not in quotes. Write {cut[1]}: {in_quotes(cut[2])}"
    if word == "type" and not line.startswith(" "):
        return f"`type` stands for the second time in one declaration, first in line {first}. Between two declarations write a line ---"
    return f"`{word}` stands twice in one place, first in line {first}; YAML would read only the second. Keep one."


def _explained(error: yaml.YAMLError, lines: list[str]) -> tuple[int, str]:
    """Return the line that a syntax error comes from, and what is wrong with it in our words."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return 1, f"the file holds what is no text: {error}. Save it as UTF-8."
    begun = error.context_mark or error.problem_mark
    opened = _opened(error, lines, begun)
    if opened is not None:
        return begun.line + 1, opened
    at = error.problem_mark
    return at.line + 1, _at_the_problem(error.problem or "", lines, at, begun)


def _opened(error: yaml.MarkedYAMLError, lines: list[str], begun: yaml.Mark) -> str | None:
    """Return what is wrong with something that begins in an earlier line than the one in which YAML gave up; None if nothing is."""
    if error.context == "while scanning a quoted scalar":
        return "a quote is opened in this line and never closed. Close it where the text ends."
    if error.context in ("while parsing a flow mapping", "while parsing a flow sequence"):
        is_here = error.problem_mark is not None and error.problem_mark.line == begun.line
        return _in_braces(lines[begun.line]) if is_here else _not_closed(error.context, lines[begun.line])
    return _without_colon(lines[begun.line].strip()) if error.problem == "could not find expected ':'" else None


def _at_the_problem(problem: str, lines: list[str], at: yaml.Mark, begun: yaml.Mark) -> str:
    line = lines[at.line] if at.line < len(lines) else ""
    if "'\\t'" in problem:
        return "a tab stands where YAML wants spaces. Indent with two spaces for each level."
    if problem.startswith(("found character", "expected alphabetic", "found undefined alias")):
        quoted = _QUOTED_AT_FIRST.search(line)
        if quoted is not None and quoted.start(2) < begun.column:
            return f"a text goes on after its closing quote. Put the whole of it in quotes. Write {quoted[1]}: {in_quotes(quoted[2])}"
        sign = lines[begun.line][begun.column : begun.column + 1]
        return f"a text cannot begin with {sign} because that is a sign of YAML. Put the whole text in quotes."
    if problem == "mapping values are not allowed here":
        return _second_colon(line, at.column) or _indented(lines, at.line)
    if problem.startswith("expected <block end>") and line[: at.column].strip():
        return f"YAML cannot read `{line[at.column :].strip()}` at the end of this line. Put the whole text in one pair of quotes."
    return _indented(lines, at.line) if problem.startswith("expected <block end>") else f"YAML cannot read this line: {problem}."


def _in_braces(line: str) -> str:
    placed = _WITH_PLACEHOLDER.search(line)
    if placed is not None:
        return f"a text with a brace in it needs quotes around it. Write {placed[1]}: {in_quotes(placed[2])}"
    found = _unquoted(line)
    written = f"{found[1]}: {in_quotes(found[2])}" if found is not None else 'sql: "coalesce(amount, 0) > 100"'
    return f"in braces or brackets a text with a comma, a colon, a bracket or a quote in it needs quotes around it. Write {written}"


def _unquoted(line: str) -> re.Match[str] | None:
    return next((found for pattern in _UNQUOTED if (found := pattern.search(line)) is not None), None)


def _not_closed(context: str, line: str) -> str:
    opened, closing = ("{", "}") if "mapping" in context else ("[", "]")
    comment = " What follows ` #` is a comment: put a text that holds it in quotes." if " #" in line and closing in line else ""
    return f"a {opened} is opened in this line and never closed. Write {closing} where it ends.{comment}"


def _without_colon(line: str) -> str:
    word, colon, value = line.partition(":")
    if colon and value:
        return f"a colon needs a space after it. Write {word.strip()}: {value.strip()}"
    word, _, value = line.partition(" ")
    written = f" Write {word}: {value.strip()}" if value and word.isidentifier() else ""
    return f"a word and its value are parted by a colon and a space.{written}"


def _second_colon(line: str, column: int) -> str | None:
    found = re.match(r"\s*(?:- )?(\w+):\s+(\S.*)", line)
    if found is None or found.start(2) > column:
        return None
    return f"a text with a colon in it needs quotes. Write {found[1]}: {in_quotes(found[2].rstrip())}"


def _indented(lines: list[str], number: int) -> str:
    above = next((n for n in range(number - 1, -1, -1) if lines[n].strip()), None)
    mine = len(lines[number]) - len(lines[number].lstrip())
    if above is None:
        return f"this line is not indented as it must be. {_LEVEL}."
    other = len(lines[above]) - len(lines[above].lstrip())
    return f"this line begins after {_spaces(mine)}, the one above it after {_spaces(other)}. {_LEVEL}."


def _spaces(count: int) -> str:
    return f"{count or 'no'} space{'' if count == 1 else 's'}"
