"""Small entity sets, random or by hand: the same rows as tables of the platform and as Featuretools holds them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import strategies as st

from ml_platform.features.nested.declaration import Discovery, Relationship
from ml_platform.features.nested.evaluate import evaluate
from ml_platform.features.nested.schema import Schema, compile_schema
from ml_platform.features.nested.search import entity_set
from ml_platform.features.nested.translate import Translator
from ml_platform.features.nested.tree import Tree, from_code, to_code
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Availability, Table

START = datetime(2024, 2, 28, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
TYPES = {"x": "float64", "n": "int64", "b": "bool", "c": "string"}
_POLARS = {
    "id": pl.Int64, "at": pl.Datetime("us", "UTC"), "x": pl.Float64, "n": pl.Int64, "b": pl.Boolean, "c": pl.String,
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """Tables ``t0``, ``t1``... by name, their rows, and who names whose rows: (child, column, parent)."""

    rows: Mapping[str, pl.DataFrame]
    references: tuple[tuple[str, str, str], ...]
    later: tuple[str, ...] = ()  # columns that become known at `told`
    interesting: Mapping[str, tuple[object, ...]] = field(default_factory=dict)

    def tables(self) -> dict[str, Table]:
        """Return the tables as declared."""
        found = {}
        for name, frame in self.rows.items():
            types = {c: TYPES.get(c, "timestamp" if c in {"at", "told"} else "int64") for c in frame.columns}
            early = tuple(c for c in frame.columns if c not in self.later and c != "told")
            groups = (Availability("at", early), *((Availability("told"),) if self.later and "told" in frame.columns else ()))
            timed = "at" in frame.columns
            found[name] = Table(
                name,
                FileSource("-"),
                Contract(tuple(Column(c, t) for c, t in types.items()), key=("id",)),
                event_time="at" if timed else None,
                availability=groups if timed else (),
                timeless=not timed,
            )
        return found

    def frames(self) -> dict[str, pl.DataFrame]:
        """Return the rows as the lake stores them, with their availability."""
        return {
            name: frame.with_columns(
                *([pl.col("at").alias("_available_at")] if "at" in frame.columns else []),
                *([pl.col("told").alias("_available_at_2")] if self.later and "told" in frame.columns else []),
            )
            for name, frame in self.rows.items()
        }

    def schema(self, target: str, **words: Any) -> Schema:
        """Return the compiled discovery from one table on."""
        links = tuple(Relationship(parent, ("id",), child, (via,)) for child, via, parent in self.references)
        words = {"tables": tuple(self.rows), "relationships": links, "interesting_values": self.interesting, **words}
        return compile_schema(Discovery(**words), self.tables(), spine_table=target, spine_key=None, where="problem.yaml:1")

    def entity_set(self) -> Any:
        """Return the rows as Featuretools' entity set."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import featuretools as ft

            found = ft.EntitySet("world")
            for name, frame in self.rows.items():
                kinds = {"x": "Double", "n": "IntegerNullable", "b": "BooleanNullable", "c": "Categorical"}
                logical = {c: kinds.get(c, "Datetime" if c in {"at", "told"} else "IntegerNullable") for c in frame.columns}
                types = {"Double": "float64", "IntegerNullable": "Int64", "BooleanNullable": "boolean", "Datetime": "datetime64[ns]"}
                plain = frame.with_columns(pl.col(c).dt.replace_time_zone(None) for c in ("at", "told") if c in frame.columns)
                data = pd.DataFrame({c: pd.Series(plain[c].to_list(), dtype=types.get(logical[c], "object")) for c in frame.columns})
                later = {"told": list(self.later)} if self.later and "told" in frame.columns else None
                found.add_dataframe(
                    dataframe_name=name, dataframe=data, index="id", time_index="at" if "at" in frame.columns else None,
                    logical_types=logical, secondary_time_index=later,
                )  # fmt: skip
                values = {n.partition(".")[2]: list(v) for n, v in self.interesting.items() if n.startswith(f"{name}.")}
                if values:
                    found.add_interesting_values(dataframe_name=name, values=values)
            for child, via, parent in self.references:
                found.add_relationship(parent, "id", child, via)
            return found


def search(entityset: Any, target: str, schema: Schema) -> list[Any]:
    """Let Featuretools search the entity set with the words of the discovery."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import featuretools as ft

        discovery = schema.discovery
        found: Any = ft.dfs(
            entityset=entityset, target_dataframe_name=target, agg_primitives=list(discovery.aggregations),
            trans_primitives=list(discovery.transforms), where_primitives=list(discovery.where), max_depth=discovery.max_depth,
            features_only=True,
        )  # fmt: skip
    return found


def windowed(feature: Any, window: timedelta | None) -> Any:
    """Return a feature with ``use_previous`` on each of its aggregations over rows that have a time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import featuretools as ft
        from featuretools.feature_base import AggregationFeature, DirectFeature, IdentityFeature

    if window is None or isinstance(feature, IdentityFeature):
        return feature
    if type(feature).__name__ == "FeatureOutputSlice":
        return windowed(feature.base_feature, window)[feature.n]
    bases = [windowed(base, window) for base in feature.base_features]
    if isinstance(feature, DirectFeature):
        return DirectFeature(bases[0], feature.dataframe_name, relationship=feature.relationship_path[0][1])
    if isinstance(feature, AggregationFeature):
        timed = feature.base_features[0].dataframe.ww.time_index is not None
        return AggregationFeature(
            bases, feature.parent_dataframe_name, feature.primitive, relationship_path=feature.relationship_path,
            use_previous=ft.Timedelta(int(window / HOUR), "h") if timed else None,
            where=None if feature.where is None else windowed(feature.where, window),
        )  # fmt: skip
    return ft.Feature(bases, primitive=feature.primitive)


def theirs(features: Sequence[Any], entityset: Any, spine: pl.DataFrame, **more: Any) -> pd.DataFrame:
    """Return Featuretools' own values for the spine's rows, in their order."""
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        import featuretools as ft
        from featuretools.primitives import MaxConsecutiveZeros
        from featuretools.utils import time_utils

        # Of pandas' nullable integers, in which it holds counts where one is missing, it finds no zeros in a row: here always of floats.
        zeros = MaxConsecutiveZeros().get_function()
        patch.setattr(MaxConsecutiveZeros, "get_function", lambda _: lambda x: zeros(x.astype("float64")))
        # Its trend is per day, hour, minute or second, as the first row's time happens to be a multiple of: here always per day.
        patch.setattr(time_utils, "find_dividend_by_unit", lambda _: 86400)
        asked = pd.DataFrame({"id": spine["id"].to_list(), "time": spine["_cutoff"].dt.replace_time_zone(None).to_pandas()})
        unique = asked.drop_duplicates()
        found: Any = ft.calculate_feature_matrix(
            list(features), entityset, cutoff_time=unique, cutoff_time_in_index=True, include_cutoff_time=False, **more
        )
        index = pd.MultiIndex.from_frame(asked)
        found.index = pd.MultiIndex.from_arrays([found.index.get_level_values(0).astype("int64"), found.index.get_level_values(1)])
        return found.loc[index]


def theirs_or_none(features: Sequence[Any], entityset: Any, spine: pl.DataFrame) -> pd.DataFrame | None:
    """Return Featuretools' values; None where it breaks (windows without rows, defaults of another type, names)."""
    try:
        return theirs(features, entityset, spine)
    except (KeyError, TypeError, pd.errors.MergeError):
        return None


def ours(
    world: World, schema: Schema, features: Sequence[Any], spine: pl.DataFrame, *, window: timedelta | None = None, **more: Any
) -> list[pl.Series]:
    """Return the engine's values of the same features, each through its definition's text."""
    _, links = entity_set(schema)
    translator = Translator(schema, links, window)
    trees: list[Tree] = []
    for feature in features:
        tree = translator.tree(feature)
        assert tree is not None, translator.refused
        trees.append(from_code(to_code(tree)))
        assert trees[-1] == tree
    return evaluate(world.frames(), spine, trees, **more)


def same(mine: pl.Series, found: pd.Series, name: str) -> None:
    """Assert that values are equal, floats within 1e-9; NULL must meet a missing value."""
    if mine.dtype == pl.String:
        assert mine.to_list() == [None if pd.isna(v) else str(v) for v in found], name
        return
    if mine.dtype.is_temporal():
        assert mine.dt.replace_time_zone(None).to_list() == [None if pd.isna(v) else pd.Timestamp(v).to_pydatetime() for v in found], name
        return
    numbers = pd.to_numeric(found.astype("object"), errors="raise").to_numpy(dtype="float64", na_value=np.nan)
    np.testing.assert_allclose(mine.cast(pl.Float64).fill_null(np.nan).to_numpy(), numbers, rtol=1e-9, atol=1e-9, err_msg=name)


def frame(columns: Mapping[str, list[Any]]) -> pl.DataFrame:
    """Return rows with the types of their columns; foreign keys are integers."""
    types = {c: _POLARS.get(c, pl.Datetime("us", "UTC") if c == "told" else pl.Int64) for c in columns}
    return pl.DataFrame({c: pl.Series(c, values, dtype=types[c]) for c, values in columns.items()})


def spine(asked: Sequence[tuple[int, datetime]]) -> pl.DataFrame:
    """Return a spine of (id, cutoff)."""
    return pl.DataFrame(list(asked), schema={"id": pl.Int64, "_cutoff": pl.Datetime("us", "UTC")}, orient="row")


def positive(world: World) -> World:
    """Return the world with numbers above nothing."""
    rows = {n: f.with_columns(pl.col(c).abs() + 1 for c in ("x", "n") if c in f.columns) for n, f in world.rows.items()}
    return World(rows, world.references, world.later, world.interesting)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[World, str, pl.DataFrame]:
    """Draw 2 to 4 tables that name each other's rows, a target, and a spine with cutoffs at the edges of windows and times."""
    count = draw(st.integers(2, 4))
    rows: dict[str, pl.DataFrame] = {}
    references: list[tuple[str, str, str]] = []
    moments = [START + n * HOUR for n in range(5)]
    for n in range(count):
        size = draw(st.integers(1, 6))
        many = {"min_size": size, "max_size": size}
        columns: dict[str, list[Any]] = {"id": list(range(1, size + 1))}
        if draw(st.integers(0, 3)):
            columns["at"] = sorted(draw(st.lists(st.sampled_from(moments), **many)))
        values = {
            "x": st.sampled_from([None, -1.5, 0.0, 0.25, 2.0, 1e6]), "n": st.sampled_from([None, -1, 0, 2, 3]),
            "b": st.sampled_from([None, True, False]), "c": st.sampled_from([None, "a", "b"]),
        }  # fmt: skip
        for name in draw(st.lists(st.sampled_from(sorted(values)), min_size=1, max_size=2, unique=True)):
            columns[name] = draw(st.lists(values[name], **many))
        if n:
            for other in draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=2, unique=True)):
                ids = st.sampled_from([None, *range(1, rows[f"t{other}"].height + 1)])
                columns[f"of{other}"] = draw(st.lists(ids, **many))
                references.append((f"t{n}", f"of{other}", f"t{other}"))
        rows[f"t{n}"] = frame(columns)
    target = f"t{draw(st.integers(0, count - 1))}"
    asked = draw(st.lists(st.tuples(st.sampled_from(rows[target]["id"].to_list()), st.sampled_from(moments)), min_size=1, max_size=4))
    cutoffs = [(i, t + draw(st.sampled_from([0, 1])) * timedelta(microseconds=1)) for i, t in asked]
    interesting = {f"{t}.c": ("a",) for t, f in rows.items() if "c" in f.columns}
    return World(rows, tuple(references), interesting=interesting), target, spine(cutoffs)
