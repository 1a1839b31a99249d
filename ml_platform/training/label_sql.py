"""The label's SQL: an aggregate over the rows that match, which may also read the cutoff of its spine row."""

from __future__ import annotations

from ml_platform.features.declared.definition import CUTOFF
from ml_platform.sql.binding import Bound, bind_expression
from ml_platform.tables.declared.table import Table
from ml_platform.tables.declared.types import contract_columns
from ml_platform.training.problem import Problem

_OF_SPINE = {CUTOFF: "TIMESTAMP WITH TIME ZONE"}


def bind_label(problem: Problem, table: Table) -> Bound:
    """Check the label's SQL.

    Parameters
    ----------
    problem : Problem
        Its ``label``.
    table : Table
        The table that the label is taken from.

    Returns
    -------
    Bound
        The label's type, and the columns of the table that it reads.

    Raises
    ------
    DeclarationError
        If it is no aggregate over the table's columns and ``_cutoff``.
    """
    where = f"{problem.where}, label.sql"
    bound = bind_expression(problem.label.sql, contract_columns(table.contract), where=where, aggregate=True, of_group=_OF_SPINE)
    return Bound(bound.type, bound.columns - _OF_SPINE.keys())
