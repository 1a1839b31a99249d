"""Whether a label is one of two classes or a number is never guessed from its type alone."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from ml_platform.core.errors import DeclarationError
from ml_platform.training.label_task import decide_task, is_amount
from ml_platform.training.labels import Labels
from ml_platform.training.problem import Model, Value
from ml_platform_tests import flights_like as like

TWO, THREE = [0.0, 1.0, None], [0.0, 1.0, 2.0, None]


def problem(sql: str, task: str | None = None):
    label = replace(like.LATE_ARRIVAL.label, sql=sql)
    return replace(like.LATE_ARRIVAL, label=label, task=task)


def labels(values: list[float | None], task: str = "regression") -> Labels:
    return Labels(pl.Series(values, dtype=pl.Float64), pl.Series([1] * len(values)), task)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sql", "task", "values", "decided"),
    [
        ("max(arr_delay) > 15", None, TWO, "classification"),
        ("max(arr_delay)", "binary", TWO, "classification"),
        ("max(arr_delay)", "regression", TWO, "regression"),
        ("max(arr_delay)", "regression", THREE, "regression"),
        ("count(*)", None, THREE, "regression"),
        ("coalesce(sum(arr_delay), 0)", None, TWO, "regression"),
        ("max(arr_delay)", None, [0.5, 1.0], "regression"),
        ("max(arr_delay)", None, [float(n) for n in range(11)], "regression"),
        ("max(arr_delay)", None, [3.0, 3.0], "regression"),
    ],
)
def test_what_a_label_asks_for(sql: str, task: str | None, values: list[float | None], decided: str) -> None:
    given = labels(values, "classification" if ">" in sql else "regression")
    declared = like.project(problem=problem(sql, task)).problem("late_arrival").problem
    assert decide_task(declared, given) == decided


def test_a_few_whole_numbers_have_to_be_declared() -> None:
    with pytest.raises(DeclarationError, match=r"late_arrival\.yaml:1: .*`max\(arr_delay\)` is only ever 0, 1 or 2\. .*task: regression"):
        decide_task(problem("max(arr_delay)"), labels(THREE))
    with pytest.raises(DeclarationError, match=r"only ever 0 or 1\. Declare what it is: task: binary .* or task: regression"):
        decide_task(problem("max(arr_delay)"), labels(TWO))
    with pytest.raises(DeclarationError, match=r"task: binary needs .*`max\(arr_delay\)` is also 2\."):
        decide_task(problem("max(arr_delay)", "binary"), labels(THREE))


CASE = "case when max(arr_delay) > 60 then 2 when max(arr_delay) > 15 then 1 else 0 end"


def test_what_the_sql_says_is_refused_at_load() -> None:
    with pytest.raises(DeclarationError, match=r"is 0, 1 or 2\. These may be classes or amounts"):
        like.project(problem=problem(CASE))
    assert like.project(problem=problem(CASE, "regression")).problems
    with pytest.raises(DeclarationError, match=r"is 0 or 1\. Declare what it is"):
        like.project(problem=problem(CASE.replace("2", "1")))
    assert like.project(problem=problem(CASE.replace("2", "1"), "binary")).problems
    with pytest.raises(DeclarationError, match="needs a label of true and false, or of 0 and 1"):
        like.project(problem=problem(CASE, "binary"))
    with pytest.raises(DeclarationError, match="true or false: task: binary"):
        like.project(problem=problem("max(arr_delay) > 15", "regression"))
    assert like.project(problem=problem("max(arr_delay) > 15", "binary")).problems


@pytest.mark.parametrize(
    ("sql", "amount"),
    [
        ("count(*)", True),
        ("count(*) filter (where arr_delay > 0)", True),
        ("round(avg(arr_delay), 1)::int", True),
        ("-sum(arr_delay)", True),
        ("sum(arr_delay) - max(arr_delay)", False),
        ("max(arr_delay)", False),
        ("mode(arr_delay)", False),
        ("sign(sum(arr_delay))", False),
    ],
)
def test_what_is_counted_added_up_or_averaged_is_an_amount(sql: str, amount: bool) -> None:
    assert is_amount(sql) is amount


@pytest.mark.parametrize(
    ("sql", "more", "says"),
    [
        ("max(carrier)", {"task": "binary"}, r"is a text, which names a class.*Declare task: multiclass, or compare it with one"),
        ("max(carrier)", {"task": "regression"}, r"task: regression needs a number\. Declare task: multiclass"),
        ("max(carrier) = 'AA'", {"task": "multiclass"}, r"true or false: task: binary\. For task: multiclass give texts"),
        ("max(arr_delay)", {"task": "regression", "quantiles": (0.1, 0.9)}, r"task is regression\. Write task: quantiles"),
        ("max(arr_delay)", {"task": "quantiles", "quantiles": (0.9, 0.1)}, r"must rise and lie between 0 and 1, e\.g\."),
        ("max(arr_delay)", {"task": "quantiles", "quantiles": (0.1, 1.0)}, "must rise and lie between 0 and 1"),
        ("max(landed_at)", {}, r"is TIMESTAMP.*; it must be true or false, a number, or a text.*epoch\(min\(\.\.\.\) - _cutoff\)"),
        (
            "max(carrier)",
            {"model": Model("ridge")},
            r"model\.trainer 'ridge' cannot learn task: multiclass\. These can: constant, lightgbm, logistic",
        ),
        ("max(arr_delay)", {"task": "quantiles", "quantiles": (0.5,), "model": Model("logistic")}, "cannot learn task: quantiles"),
    ],
)
def test_a_label_that_contradicts_its_task_is_refused_at_load(sql: str, more: dict, says: str) -> None:
    with pytest.raises(DeclarationError, match=rf"late_arrival\.yaml:1: .*{says}"):
        like.project(problem=replace(problem(sql), **more))


@pytest.mark.parametrize(
    ("sql", "without_rows", "says"),
    [
        ("max(carrier)", "zero", r"label\.without_rows is zero, but the label is a class\. Write .*\{value: nothing\}"),
        ("max(arr_delay)", Value("none"), "is the text 'none', but the label is a number"),
        ("max(arr_delay) > 15", Value(2.0), "is 2.0, but the label is true or false: write zero"),
    ],
)
def test_what_rows_without_label_rows_are_has_to_be_of_the_labels_kind(sql: str, without_rows, says: str) -> None:
    declared = problem(sql)
    with pytest.raises(DeclarationError, match=says):
        like.project(problem=replace(declared, label=replace(declared.label, without_rows=without_rows)))


def test_a_label_may_read_the_cutoff_of_its_row() -> None:
    assert like.project(problem=problem("epoch(min(landed_at) - _cutoff) / 3600")).problems
    with pytest.raises(DeclarationError, match="must be an aggregate"):
        like.project(problem=problem("epoch(_cutoff)"))
