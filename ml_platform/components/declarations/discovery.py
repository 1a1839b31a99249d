"""``discover:`` of a problem: checked words in, a core discovery out."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
from pydantic import Field

from ml_platform.core.durations import parse_duration
from ml_platform.core.errors import DeclarationError, DurationError
from ml_platform.features.nested.declaration import Discovery, Relationship


class RelationshipModel(dg.Model, dg.Resolvable):
    """Columns of one table that name rows of another."""

    parent: Annotated[str, Field(description="The table whose rows are named.", examples=["customers"])]
    key: Annotated[str | list[str], Field(description="Its key column, or columns.", examples=["customer"])]
    child: Annotated[str, Field(description="The table that names them.", examples=["orders"])]
    via: Annotated[str | list[str], Field(description="Its column, or columns in the order of the key.", examples=["customer"])]


class PrimitivesModel(dg.Model, dg.Resolvable):
    """Featuretools' primitives by name; docs/reference/primitives.md lists them all."""

    aggregations: Annotated[
        list[str] | None,
        Field(
            description="Over the rows of other tables. Default: count, sum, mean, std, min, max, percent_true.", examples=[["mean", "max"]]
        ),
    ] = None
    transforms: Annotated[
        list[str], Field(description="Of a row's own values. Default: none.", examples=[["hour", "weekday", "divide_numeric"]])
    ] = []
    where: Annotated[
        list[str],
        Field(
            description="Aggregations that are also computed for each of the interesting values alone. Default: none.", examples=[["count"]]
        ),
    ] = []


class DiscoverModel(dg.Model, dg.Resolvable):
    """Let Featuretools search the tables for features of the spine's row, or load definitions that it has saved."""

    tables: Annotated[
        list[str],
        Field(description="The tables to search in, besides the spine's own. Default: only that.", examples=[["orders", "customers"]]),
    ] = []
    definitions: Annotated[
        str | None,
        Field(
            description="A file that ft.save_features has written, beside this one: these features, without a search.",
            examples=["features.json"],
        ),
    ] = None
    max_depth: Annotated[
        int, Field(description="How many steps a feature may take: 1, or 2 or 3 for features of features. Default: 2.", examples=[2])
    ] = 2
    primitives: Annotated[
        PrimitivesModel,
        Field(description="What features are made of.", examples=[{"aggregations": ["mean", "max"], "transforms": ["hour"]}]),
    ] = PrimitivesModel()
    windows: Annotated[
        list[str],
        Field(
            description="Each feature that aggregates is made once per window (w weeks, d days, h hours). Default: over everything before.",
            examples=[["7d", "28d"]],
        ),
    ] = []
    interesting_values: Annotated[
        dict[str, list[Any]],
        Field(
            description="Values of a column (table.column) for which `where` aggregates by themselves.",
            examples=[{"orders.country": ["SE", "DK"]}],
        ),
    ] = {}
    types: Annotated[
        dict[str, str],
        Field(description="Featuretools' logical types of columns (table.column).", examples=[{"notes.text": "NaturalLanguage"}]),
    ] = {}
    relationships: Annotated[
        list[RelationshipModel],
        Field(
            description="How tables name each other's rows, besides the references of their contracts.",
            examples=[[{"parent": "customers", "key": "customer", "child": "orders", "via": "customer"}]],
        ),
    ] = []
    max_features: Annotated[int, Field(description="At most this many features, in Featuretools' order. Default: 200.", examples=[100])] = (
        200
    )

    def to_core(self, folder: Path, where: str) -> Discovery:
        """Return the declaration as the core knows it; a file of definitions is read, so that its text is what is declared.

        Raises
        ------
        DeclarationError
            If there is no such file.
        """
        words: dict[str, Any] = {}
        if self.primitives.aggregations is not None:
            words["aggregations"] = tuple(self.primitives.aggregations)
        return Discovery(
            tables=tuple(self.tables),
            max_depth=self.max_depth,
            transforms=tuple(self.primitives.transforms),
            where=tuple(self.primitives.where),
            windows=tuple(_length(w, f"discover.windows[{n}]", where) for n, w in enumerate(self.windows)),
            interesting_values={name: tuple(values) for name, values in self.interesting_values.items()},
            types=dict(self.types),
            relationships=tuple(Relationship(r.parent, _names(r.key), r.child, _names(r.via)) for r in self.relationships),
            max_features=self.max_features,
            definitions=None if self.definitions is None else _text(folder / self.definitions, where),
            **words,
        )


def _length(text: str, what: str, where: str) -> timedelta:
    try:
        return parse_duration(text, what=what)
    except DurationError as problem:
        raise DurationError(f"{where}: {problem}") from None


def _names(given: str | list[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _text(path: Path, where: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DeclarationError(f"{where}: discover.definitions names {path.name}, which cannot be read beside the declaration.") from error
