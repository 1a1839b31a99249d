"""What a label asks for: one of two classes or of several, or a number. Where its values leave that open, the declaration has to say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import DeclarationError
from ml_platform.sql.tree import parse_select
from ml_platform.training.problem import Problem

if TYPE_CHECKING:
    from ml_platform.training.labels import Labels, Task

# So many different whole numbers may be the names of classes as well as amounts.
FEW_VALUES = 10
_SHOWN = 5
_BINARY = "task: binary needs a label of true and false, or of 0 and 1"
_AMOUNTS = frozenset({"count", "count_star", "sum", "fsum", "kahan_sum", "avg", "mean", "favg"})
_ARITHMETIC = frozenset({"+", "-", "*", "/", "//", "%", "round", "abs", "floor", "ceil", "ln", "log", "sqrt", "greatest", "least"})


def check_task(problem: Problem, label_type: str) -> None:
    """Check at load what the label's SQL and type say about the declared task.

    Parameters
    ----------
    problem : Problem
        Its ``task``, ``quantiles`` and ``label``.
    label_type : str
        The DuckDB type of the label.

    Raises
    ------
    DeclarationError
        If type and task contradict each other, if ``without_rows`` is of another kind than the label, or if the SQL can give nothing but a
        few whole numbers and no task is declared.
    """
    where, sql, task = problem.where, problem.label.sql, problem.task
    is_text, is_boolean = label_type == "VARCHAR" or label_type.startswith("ENUM"), label_type == "BOOLEAN"
    other = label_type in ("DATE", "TIME", "INTERVAL", "BLOB") or label_type.startswith(("TIMESTAMP", "STRUCT", "LIST", "MAP", "UNION"))
    if other or label_type.endswith("]"):
        hint = " For the time until something, write epoch(min(...) - _cutoff) / 86400: days." if "TIME" in label_type else ""
        raise DeclarationError(
            f"{where}: the label `{sql}` is {label_type}; it must be true or false, a number, or a text (a class).{hint}"
        )
    if is_text and task not in (None, "multiclass"):
        raise DeclarationError(
            f"{where}: the label `{sql}` is a text, which names a class, and task: {task} needs "
            f"{'true or false' if task == 'binary' else 'a number'}. Declare task: multiclass"
            + (f", or compare it with one of the texts: ({sql}) = '...'." if task == "binary" else ", or predict a number instead.")
        )
    if is_boolean and task not in (None, "binary"):
        way = "leave the comparison out" if task != "multiclass" else "give texts: case when ... then '...' else '...' end"
        raise DeclarationError(f"{where}: the label `{sql}` is true or false: task: binary. For task: {task} {way}.")
    _check_instead(problem, is_text or task == "multiclass", is_boolean)
    _check_quantiles(problem)
    values = _constants(parse_select(f"SELECT ({sql}\n)", f"{where}, label.sql")["select_list"][0])
    if task is None and values is not None and all(isinstance(value, int) for value in values):
        raise DeclarationError(f"{where}: the label `{sql}` is {_listed(sorted(set(values)))}. {_say_which(sorted(set(values)))}")
    if task == "binary" and values is not None and not is_boolean and not set(values) <= {0, 1}:
        raise DeclarationError(
            f"{where}: task: binary needs a label of true and false, or of 0 and 1; `{sql}` is {_listed(sorted(values))}."
        )


def _check_instead(problem: Problem, is_class: bool, is_boolean: bool) -> None:
    """Refuse what rows without label rows are declared to be where it is of another kind than the label."""
    where, instead, declared = problem.where, problem.label.instead, problem.label.without_rows
    if instead is None:
        return
    if is_class and not isinstance(instead, str):
        raise DeclarationError(
            f"{where}: label.without_rows is {declared if isinstance(declared, str) else instead}, but the label is a class. Write the "
            "class that a row without label rows is of, without_rows: {value: nothing}, or exclude such rows."
        )
    if not is_class and isinstance(instead, str):
        raise DeclarationError(f"{where}: label.without_rows is the text {instead!r}, but the label is a number or true or false.")
    if is_boolean and instead not in (0.0, 1.0):
        raise DeclarationError(f"{where}: label.without_rows is {instead}, but the label is true or false: write zero, or {{value: 1}}.")


def _check_quantiles(problem: Problem) -> None:
    asked = problem.quantiles
    if asked and problem.task != "quantiles":
        raise DeclarationError(f"{problem.where}: quantiles are asked for, but task is {problem.task}. Write task: quantiles.")
    if list(asked) != sorted(set(asked)) or not all(0 < quantile < 1 for quantile in asked):
        raise DeclarationError(
            f"{problem.where}: quantiles must rise and lie between 0 and 1, e.g. [0.1, 0.5, 0.9]; they are {list(asked)}."
        )


def decide_task(problem: Problem, labels: Labels) -> Task:
    """Return what a model of these labels predicts.

    Parameters
    ----------
    problem : Problem
        Its ``task`` decides where it is declared; else a boolean label means two classes, a text one of several, and a number an amount.
    labels : Labels
        The labels of the rows to learn from.

    Raises
    ------
    DeclarationError
        If no task is declared and the labels are a few whole numbers that may be classes as well as amounts, or if they are not what the
        declared task needs.
    """
    if labels.task == "multiclass":
        return "multiclass"
    values = sorted(labels.values.drop_nulls().unique().to_list())
    if problem.task == "binary" and not set(values) <= {0.0, 1.0}:
        raise DeclarationError(
            f"{problem.where}: {_BINARY}; `{problem.label.sql}` is also "
            f"{_listed([v for v in values if v not in (0.0, 1.0)])}. Compare it with a value, or declare task: regression or multiclass."
        )
    if problem.task is not None:
        return "classification" if problem.task == "binary" else problem.task
    if labels.task == "classification" or is_amount(problem.label.sql):
        return labels.task
    if 1 < len(values) <= FEW_VALUES and all(value == int(value) for value in values):
        told = [int(value) for value in values]
        raise DeclarationError(f"{problem.where}: the label `{problem.label.sql}` is only ever {_listed(told)}. {_say_which(told)}")
    return labels.task


def is_amount(sql: str) -> bool:
    """Return whether an aggregate counts, adds up or averages, so that its values are amounts however few there are.

    Examples
    --------
    >>> is_amount("coalesce(sum(sales), 0) / 2"), is_amount("max(points)")
    (True, False)
    """
    return _amount(parse_select(f"SELECT ({sql}\n)", "the label")["select_list"][0]) is True


def _amount(node: dict[str, Any]) -> bool | None:
    """Return whether a node is an amount; None for a constant, which changes nothing about what it is combined with."""
    kind = node.get("class")
    if kind == "CONSTANT":
        return None
    if kind == "CAST":
        return _amount(node["child"])
    if kind == "FUNCTION" and node["function_name"] in _AMOUNTS:
        return True
    arithmetic = kind == "FUNCTION" and node["function_name"] in _ARITHMETIC
    if not arithmetic and node.get("type") != "OPERATOR_COALESCE":
        return False
    parts = [_amount(part) for part in _parts(node)]
    return None if all(part is None for part in parts) else all(part is not False for part in parts)


def _parts(node: dict[str, Any]) -> list[dict[str, Any]]:
    parts = node.get("arguments") or node.get("children") or []
    return [part.get("expression", part) for part in parts]


def _constants(node: dict[str, Any]) -> list[Any] | None:
    """Return the values of a CASE whose every answer is a constant; None of anything else."""
    if node.get("class") != "CASE":
        return None
    answers = [*(check["then_expr"] for check in node["case_checks"]), node["else_expr"]]
    if any(answer.get("class") != "CONSTANT" for answer in answers):
        return None
    literals = [answer["literal"] for answer in answers if answer["literal"]["kind"] != "NULL"]
    return [int(one["text"]) if one["kind"] == "INTEGER" else one["text"] for one in literals] or None


def _say_which(values: list[int]) -> str:
    if set(values) <= {0, 1}:
        return "Declare what it is: task: binary for the probability of 1, or task: regression for an amount."
    return "These may be classes or amounts. Declare task: multiclass for classes, or task: regression for an amount."


def _listed(values: list[Any]) -> str:
    told = [f"{value:g}" if isinstance(value, float) else str(value) for value in values[:_SHOWN]]
    more = ", ..." if len(values) > _SHOWN else ""
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])}{',' if more else ' or'} {told[-1]}{more}"
