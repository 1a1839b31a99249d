"""A contract as a pandera schema: the object for notebooks and tests, which accepts and rejects the rows that the engine does."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from ml_platform.core.errors import DeclarationError, did_you_mean
from ml_platform.sql.declared_sql import declared_sql
from ml_platform.sql.duck import quote_name, session
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.rules import EXACT_DUPLICATE, KEY_UNIQUE, Rule, column_rules, row_rules
from ml_platform.tables.declared.types import INTEGER_BITS, arrow_type, decimal_digits, polars_type
from ml_platform.tables.judged.casts import cast_column

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

Backend = Literal["polars", "pandas"]


def to_pandera(contract: Contract, backend: Backend = "polars") -> Any:
    """Return a contract as a ``pandera`` schema.

    Parameters
    ----------
    contract : Contract
        Types, NULLs, ranges, sets, regular expressions, row rules and the key are carried over, under the engine's names of the rules;
        references to other tables are not, because a frame knows only itself. Rules of severity ``warn`` raise warnings.
    backend : {"polars", "pandas"}
        Which frames it validates. Pandas has no integers with gaps, so its columns are coerced to nullable types first.

    Returns
    -------
    pandera.polars.DataFrameSchema or pandera.pandas.DataFrameSchema
        ``schema.validate(frame, lazy=True)`` raises ``SchemaErrors`` whose ``failure_cases`` name rule and row.

    Raises
    ------
    DeclarationError
        If there is no such backend.
    """
    if backend == "polars":
        import pandera.polars as pandera
    elif backend == "pandas":
        import pandera.pandas as pandera
    else:
        raise DeclarationError(f"There is no pandera schema for {backend!r}. {did_you_mean(str(backend), ['polars', 'pandas'])}")
    columns = {c.name: _column(pandera, c, c.name in contract.key, backend) for c in contract.columns}
    declared = {r.name for r in contract.rules}
    checks = [
        pandera.Check(
            partial(_keeps_rule, contract=contract, rule=rule, backend=backend), name=rule.name, raise_warning=rule.severity == "warn"
        )
        for rule in row_rules(contract)
        if rule.name in declared
    ]
    if contract.key:
        repeated = _unrepeated_polars if backend == "polars" else _unrepeated_pandas
        checks += [
            pandera.Check(partial(repeated, key=list(contract.key), exact=exact), name=name)
            for name, exact in ((KEY_UNIQUE, False), (EXACT_DUPLICATE, True))
        ]
    schema = pandera.DataFrameSchema if backend == "pandas" else _collecting(pandera.DataFrameSchema)
    return schema(columns, checks=checks, strict=contract.extra_columns == "stop")


def _collecting(schema: Any) -> Any:
    """Return a pandera schema that judges the rows of a lazy frame too: of those pandera itself looks at the types alone."""
    import polars as pl

    class ContractSchema(schema):
        @classmethod
        def get_backend(cls, *args: Any, **kwargs: Any) -> Any:
            # Looked up by class, and registered for pandera's own.
            return schema.get_backend(*args, **kwargs)

        def validate(self, check_obj: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(check_obj, pl.LazyFrame):
                return super().validate(check_obj.collect(), *args, **kwargs).lazy()
            return super().validate(check_obj, *args, **kwargs)

    return ContractSchema


def _column(pandera: Any, column: Column, is_key: bool, backend: Backend) -> Any:
    test = _polars_test if backend == "polars" else _pandas_test
    checks = [
        pandera.Check(partial(test, column=column, kind=rule.name.removesuffix(f"_{column.name}")), name=rule.name, ignore_na=False)
        for rule in column_rules(column, is_key)
        if not rule.name.startswith("not_null_")
    ]
    common = {
        "nullable": column.nullable and not is_key, "required": not column.optional, "description": column.description or None,
    }  # fmt: skip
    if backend == "polars":
        return pandera.Column(polars_type(column.type), checks, **common)
    return pandera.Column(_pandas_type(column.type), checks, coerce=True, **common)


def _pandas_type(type_: str) -> Any:
    import pandas as pd
    from pandera.engines import pandas_engine

    digits = decimal_digits(type_)
    if digits:
        return pandas_engine.Decimal(*digits)
    if type_ in INTEGER_BITS:
        return type_.replace("int", "Int")
    if type_ == "date":
        return pandas_engine.Date()
    if type_ == "timestamp":
        return pd.DatetimeTZDtype("us", "UTC")
    return {"bool": "boolean", "string": "string"}.get(type_, type_)


def _polars_test(data: Any, column: Column, kind: str) -> pl.LazyFrame:
    """Return TRUE for values that keep a rule of their column; no value keeps every rule."""
    import polars as pl

    value = pl.col(data.key)
    dtype = polars_type(column.type)
    if column.type.startswith("float"):
        value = value.fill_nan(None)
    if kind == "range":
        kept = pl.lit(True)
        if column.minimum is not None:
            kept = kept & (value >= pl.lit(column.minimum, dtype=dtype))
        if column.maximum is not None:
            kept = kept & (value <= pl.lit(column.maximum, dtype=dtype))
    elif kind == "one_of":
        kept = value.is_in(pl.Series(list(column.one_of or ()), dtype=dtype).implode())
    else:
        kept = value.str.contains(f"^(?:{column.matches})\\z")
    return data.lazyframe.select((kept | value.is_null()).fill_null(True))


def _pandas_test(values: Any, column: Column, kind: str) -> Any:
    """Return TRUE for values of a series that keep a rule of their column; no value keeps every rule."""
    import numpy as np

    there = values.notna()
    known = values[there]
    # A bound of a float32 column is that float32, as in the engine.
    bound: Any = np.float32 if column.type == "float32" else _same
    keeps = []
    if kind == "one_of":
        members = {bound(v) for v in column.one_of or ()}
        keeps.append([value in members for value in known])
    elif kind == "matches":
        keeps.append(known.str.fullmatch(f"(?:{column.matches})"))
    elif column.minimum is not None:
        keeps.append(known >= bound(column.minimum))
    if kind == "range" and column.maximum is not None:
        keeps.append(known <= bound(column.maximum))
    kept = there | ~there
    kept[there] = np.logical_and.reduce([np.asarray(k, dtype=bool) for k in keeps])
    return kept


def _same(value: Any) -> Any:
    return value


def _keeps_rule(data: Any, contract: Contract, rule: Rule, backend: Backend) -> Any:
    """Ask DuckDB which rows keep a declared condition: it is SQL, and only SQL says what it means."""
    if backend == "polars":
        import polars as pl

        frame = data.lazyframe.collect()
        return pl.LazyFrame({rule.name: _ask(frame.to_arrow(), contract, rule)})
    import pandas as pd
    import pyarrow as pa

    there = set(data.columns)
    names = [c for c in contract.column_names if c in there]
    rows = pa.table({n: pa.array(data[n], type=arrow_type(_declared(contract, n).type), from_pandas=True) for n in names})
    return pd.Series(_ask(rows, contract, rule), index=data.index, dtype=bool)


def _ask(rows: pa.Table, contract: Contract, rule: Rule) -> list[bool]:
    with session(threads=1) as con, declared_sql(con, f"The rule {rule.name!r}", rule.broken):
        con.register("frame", rows)
        delivered = {r[0]: r[1] for r in con.execute("DESCRIBE frame").fetchall()}
        cells = []
        for column in contract.columns:
            cast = cast_column(column, delivered[column.name]) if column.name in delivered else None
            if cast is not None:
                cells.append(f"{cast.value} AS {quote_name(column.name)}")
        return [r[0] for r in con.execute(f"SELECT NOT ({rule.broken}) FROM (SELECT {', '.join(cells)} FROM frame)").fetchall()]


def _declared(contract: Contract, name: str) -> Column:
    column = contract.column(name)
    if column is None:
        raise DeclarationError(f"The contract has no column {name!r}. {did_you_mean(name, contract.column_names)}")
    return column


def _unrepeated_polars(data: Any, key: list[str], exact: bool) -> pl.LazyFrame:
    """Return TRUE for rows whose key stands once; of exact repetitions the first is kept, of contradicting rows none."""
    import polars as pl

    frame = data.lazyframe.collect()
    first = frame.select(pl.struct(pl.all()).is_first_distinct()).to_series()
    known = frame.select(pl.all_horizontal(pl.col(k).is_not_null() for k in key)).to_series()
    contradicted = frame.with_columns(first.alias("_first")).select(pl.col("_first").sum().over(key) > 1).to_series() & known
    return pl.LazyFrame({"kept": (first | contradicted | ~known) if exact else ~contradicted})


def _unrepeated_pandas(data: Any, key: list[str], exact: bool) -> Any:
    """Return of a pandas frame what :func:`_unrepeated_polars` does."""
    first = ~data.duplicated(keep="first")
    known = data[key].notna().all(axis=1)
    different = data[first].duplicated(subset=key, keep=False)
    contradicted = data.set_index(key).index.isin(data[first][different].set_index(key).index)
    contradicted = known & contradicted
    return (first | contradicted | ~known) if exact else ~contradicted
