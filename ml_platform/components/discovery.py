"""``discover:`` of a problem: checked words in, a core discovery out."""

from pathlib import Path
from typing import Annotated, Any

import dagster as dg
from pydantic import Field

from ml_platform.core.durations import parse_duration
from ml_platform.core.errors import DeclarationError
from ml_platform.features.nested.declaration import Discovery, Relationship


class RelationshipModel(dg.Model, dg.Resolvable):
    """Columns of one table that name rows of another."""

    parent: Annotated[str, Field(description="The table whose rows are named.")]
    key: Annotated[str | list[str], Field(description="Its key.")]
    child: Annotated[str, Field(description="The table that names them.")]
    via: Annotated[str | list[str], Field(description="Its columns, in the order of the key.")]


class PrimitivesModel(dg.Model, dg.Resolvable):
    """Featuretools' primitives by name; docs/reference/primitives.md lists them all."""

    aggregations: Annotated[list[str] | None, Field(description="Over children: mean, max, percent_true...")] = None
    transforms: Annotated[list[str], Field(description="Of a row's own values: hour, weekday, divide_numeric...")] = []
    where: Annotated[list[str], Field(description="Aggregations that are also computed for each interesting value.")] = []


class DiscoverModel(dg.Model, dg.Resolvable):
    """Let Featuretools search the tables for features of the spine's row, or load definitions that it has saved."""

    tables: Annotated[list[str], Field(description="Tables to search in; the spine's own is always there.")] = []
    definitions: Annotated[str | None, Field(description="A file of ft.save_features beside the declaration; nothing is searched.")] = None
    max_depth: Annotated[int, Field(description="1, or 2 or 3: features of features.")] = 2
    primitives: Annotated[PrimitivesModel, Field(description="With what.")] = PrimitivesModel()
    windows: Annotated[list[str], Field(description="Each feature that aggregates, once per window; none: over all before.")] = []
    interesting_values: Annotated[
        dict[str, list[Any]], Field(description="{arrivals.carrier: [UA, AA]}: `where` aggregates the rows with each value by itself.")
    ] = {}
    types: Annotated[dict[str, str], Field(description="Featuretools' logical types of texts, e.g. {notes.text: NaturalLanguage}.")] = {}
    relationships: Annotated[list[RelationshipModel], Field(description="Beside the references of the contracts.")] = []
    max_features: Annotated[int, Field(description="Keep at most so many, in Featuretools' order.")] = 200

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
            windows=tuple(parse_duration(w, what=f"discover.windows of {where}") for w in self.windows),
            interesting_values={name: tuple(values) for name, values in self.interesting_values.items()},
            types=dict(self.types),
            relationships=tuple(Relationship(r.parent, _names(r.key), r.child, _names(r.via)) for r in self.relationships),
            max_features=self.max_features,
            definitions=None if self.definitions is None else _text(folder / self.definitions, where),
            **words,
        )


def _names(given: str | list[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _text(path: Path, where: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DeclarationError(f"{where}: discover.definitions names {path.name}, which cannot be read beside the declaration.") from error
