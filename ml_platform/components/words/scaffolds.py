"""``dg scaffold defs ml_platform.Table shop/orders``: a declaration with every field explained, and filled in where that is known."""

import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import click
import dagster as dg
import yaml
from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

from ml_platform.components.settings import landing_root
from ml_platform.core.errors import DeclarationError
from ml_platform.core.names import is_name, written_as_name
from ml_platform.sql.duck import sql_name
from ml_platform.tables.declared.pattern import Pattern

# The widest line of a comment.
_WIDTH = 110


class TableParams(BaseModel):
    """What ``dg scaffold`` takes for a table."""

    files: Annotated[str | None, Field(description="Files below the landing zone, such as orders/{day}.csv.")] = None
    start: Annotated[str | None, Field(description="The first day, YYYY-MM-DD.")] = None
    key: Annotated[list[str], Field(description="Columns that identify a row; once for each.")] = []
    event_time: Annotated[str | None, Field(description="The column that says when it happened.")] = None
    available_at: Annotated[str | None, Field(description="SQL from when a row is known.")] = None


class ViewParams(BaseModel):
    """What ``dg scaffold`` takes for a feature view."""

    source: Annotated[str | None, Field(description="The table whose rows are aggregated.")] = None
    entity: Annotated[list[str], Field(description="Key columns of an entity, joined by commas; once for each entity.")] = []
    window: Annotated[list[str], Field(description="How far back features look, such as 7d; once for each window.")] = []
    column: Annotated[list[str], Field(description="Columns that are aggregated; once for each.")] = []


class ProblemParams(BaseModel):
    """What ``dg scaffold`` takes for a problem."""

    each: Annotated[str | None, Field(description="The entity's key column: one prediction per entity and step.")] = None
    every: Annotated[str | None, Field(description="The step, such as 1d.")] = None
    table: Annotated[str | None, Field(description="The table that the label is taken from.")] = None
    sql: Annotated[str | None, Field(description="The label: an aggregate over its rows.")] = None
    horizon: Annotated[str | None, Field(description="How long after the cutoff rows count, such as 7d.")] = None
    feature: Annotated[list[str], Field(description="Views and columns the model may use; once for each.")] = []


class RetentionParams(BaseModel):
    """What ``dg scaffold`` takes for a retention."""

    superseded_for: Annotated[str | None, Field(description="How long a superseded version is kept, such as 30d.")] = None
    versions: Annotated[int | None, Field(description="How many of the newest versions are kept.")] = None


class Commented(dg.Scaffolder[Any]):
    """Writes a ``defs.yaml`` in which every field of the declaration stands with what it means, those that are not needed as comments."""

    def scaffold(self, request: dg.ScaffoldRequest[Any]) -> None:
        """Write the file; where the declaration is filled in with a placeholder, a comment says so."""
        if request.scaffold_format == "python":
            _python(request)
            return
        kind = request.type_name.rpartition(".")[2]
        name = written_as_name(request.target_path.name) or kind.lower()
        values = self.values(request.params, name, request)
        file = request.target_path if request.append else request.target_path / "defs.yaml"
        text = block(request.type_name, _declared(request.type_name), {"name": name, **values})
        with file.open("a" if request.append else "x", encoding="utf-8") as out:
            out.write(f"---\n{text}" if request.append else text)
        click.echo(_project_of(request))

    def values(self, params: Any, name: str, request: dg.ScaffoldRequest[Any]) -> dict[str, Any]:
        """Return the fields that are filled in, with their values."""
        raise NotImplementedError


class TableScaffolder(Commented):
    """A table: with the contract of its files, where they are there already."""

    @classmethod
    def get_scaffold_params(cls) -> type[TableParams]:
        """Return what the command takes."""
        return TableParams

    def values(self, params: TableParams, name: str, request: dg.ScaffoldRequest[Any]) -> dict[str, Any]:
        """Return the fields that are filled in, with their values."""
        wanted = params.files or f"{name}/{{day}}.csv"
        inferred = _inferred(wanted, request.project_root)
        # Files of which each holds many days are no files by day, whatever their names say.
        files = wanted if inferred is None else inferred.pattern
        key = params.key or (["id"] if inferred is None else list(inferred.key))
        contract = inferred.contract if inferred is not None else _unknown_contract(key, params.event_time)
        event_time = params.event_time or (inferred.event_time if inferred is not None else None)
        found = {
            "source": {"files": files, **(inferred.reading if inferred is not None else {})},
            "partitions": _partitions(params, files, inferred, event_time),
            "contract": contract,
            "key": key or None,
            "event_time": event_time,
            "available_at": params.available_at or _known(event_time, contract),
        }
        return {field: value for field, value in found.items() if value is not None}


class ViewScaffolder(Commented):
    """A feature view over a table."""

    @classmethod
    def get_scaffold_params(cls) -> type[ViewParams]:
        """Return what the command takes."""
        return ViewParams

    def values(self, params: ViewParams, name: str, request: dg.ScaffoldRequest[Any]) -> dict[str, Any]:  # noqa: ARG002
        """Return the fields that are filled in, with their values."""
        columns: list[dict[str, Any]] = [{"column": column, "functions": ["mean", "max"]} for column in params.column]
        return {
            "source": params.source or "TABLE",
            "entities": [[part.strip() for part in entity.split(",")] for entity in params.entity] or [["KEY_COLUMN"]],
            "windows": params.window or ["7d", "28d"],
            "features": [{"functions": ["count"]}, *columns],
        }


class ProblemScaffolder(Commented):
    """A prediction problem on a grid of entities."""

    @classmethod
    def get_scaffold_params(cls) -> type[ProblemParams]:
        """Return what the command takes."""
        return ProblemParams

    def values(self, params: ProblemParams, name: str, request: dg.ScaffoldRequest[Any]) -> dict[str, Any]:  # noqa: ARG002
        """Return the fields that are filled in, with their values."""
        each, table = params.each or "KEY_COLUMN", params.table or "TABLE"
        label = {"from": table, "match": [each], "sql": params.sql or "count(*) > 0", "horizon": params.horizon or "7d"}
        return {
            "spine": {"each": each, "every": params.every or "1d", "active": {"in": table, "within": "28d"}},
            "label": {**label, "without_rows": "zero"},
            "features": params.feature or ["VIEW"],
        }


class RetentionScaffolder(Commented):
    """How much of a project's history is kept."""

    @classmethod
    def get_scaffold_params(cls) -> type[RetentionParams]:
        """Return what the command takes."""
        return RetentionParams

    def values(self, params: RetentionParams, name: str, request: dg.ScaffoldRequest[Any]) -> dict[str, Any]:  # noqa: ARG002
        """Return the fields that are filled in, with their values."""
        return {"superseded_for": params.superseded_for or "30d", "versions": params.versions or 2}


def block(kind: str, declared: type[BaseModel], values: Mapping[str, Any]) -> str:
    """Return a declaration as YAML: fields with a value first, then all others as comments with their example."""
    fields = {field.alias or name: field for name, field in declared.model_fields.items()}
    given = [line for word, value in values.items() for line in _field(fields[word], word, value)]
    others = [line for word, field in fields.items() if word not in values for line in _left_out(field, word)]
    lines = [f"type: {kind}", "attributes:", *(f"  {line}".rstrip() for line in given)]
    lines += ["", "  # All else that can be said, with an example of each:", *(f"  # {line}".rstrip() for line in others)]
    return "\n".join(lines) + "\n"


def _field(field: FieldInfo, word: str, value: Any) -> Iterator[str]:
    for line in textwrap.wrap(field.description or "", _WIDTH):
        yield f"# {line}"
    placeholders = sorted({text for text in _texts(value) if text.isupper() and text.isidentifier()})
    if placeholders:
        yield f"# TO FILL IN: {', '.join(placeholders)}."
    if word == "contract":
        yield from _contract(value)
    else:
        yield f"{word}: {_yaml(value)}"


class _Unknown(dict[str, Any]):
    """A contract of columns that nobody has named yet."""


def _unknown_contract(key: list[str], event_time: str | None) -> dict[str, Any]:
    times = {event_time: {"type": "timestamp"}} if event_time else {}
    return _Unknown(columns={column: {"type": "string"} for column in key} | times)


def _contract(value: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(value, _Unknown):
        yield "# TO FILL IN: the columns of your files and their types."
    yield from ("contract:", "  columns:")
    for column, body in value["columns"].items():
        yield f"    {_yaml(column)}: {_yaml(body)}"
    yield from (f"  {word}: {_yaml(body)}" for word, body in value.items() if word != "columns")


def _left_out(field: FieldInfo, word: str) -> Iterator[str]:
    yield from textwrap.wrap(f"{word}: {field.description}", _WIDTH)
    for example in field.examples or []:
        yield f"  {word}: {_yaml(example)}"


def _yaml(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...").strip()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(part)


def _declared(type_name: str) -> type[BaseModel]:
    from ml_platform.components.words.declared_files import component_types

    known = component_types()
    return known.get(type_name) or known[f"ml_platform.{type_name.rpartition('.')[2]}"]


def _partitions(params: TableParams, files: str, inferred: Any, event_time: str | None) -> dict[str, Any] | None:
    """Return the days of a table: of files by day, and of rows that find their day by their time; none for what has neither."""
    found = dict(inferred.partitions or {}) if inferred is not None else {}
    if not Pattern(files).has_day and event_time is None:
        return None
    return {**found, "start": params.start or found.get("start", "2024-01-01")}


def _known(event_time: str | None, contract: Mapping[str, Any]) -> str | None:
    """Return when a row is known, as long as nobody says better: when it happened, and of a date when its day was over."""
    if event_time is None:
        return None
    sql = sql_name(event_time)
    is_date = contract["columns"].get(event_time, {}).get("type") == "date"
    return f"{sql} + interval 1 day - interval 1 second" if is_date else sql


def _inferred(files: str, root: Path | None) -> Any:
    """Return what the files of a pattern seem to hold; None where there is none yet, or it is no pattern."""
    from ml_platform.tables.inference.infer import infer_table

    landing = landing_root(root) if root is not None else None
    if landing is None:
        return None
    try:
        pattern = Pattern.parse(files, "--files")
    except DeclarationError as error:
        raise click.ClickException(str(error)) from None
    listed = sorted(landing.glob(re.sub(r"\{\w+\}", "*", files)))
    found = [path for path in listed if path.is_file() and pattern.matches(path.relative_to(landing).as_posix())]
    return infer_table(found, landing, files) if found else None


def _project_of(request: dg.ScaffoldRequest[Any]) -> str:
    """Return which project a declaration belongs to, and how to give it another one."""
    parts = request.target_path.parts
    below = list(parts[parts.index("defs") + 1 :] if "defs" in parts else parts[-1:])
    if len(below) > 1 or not is_name(below[0]):
        return f"It belongs to the project {below[0]}."
    others = sorted(folder.name for folder in request.target_path.parent.iterdir() if folder != request.target_path and folder.is_dir())
    there = f" Folders that are there: {', '.join(name for name in others if is_name(name))}." if any(map(is_name, others)) else ""
    return (
        f"It is a project of its own, called {below[0]}: the declarations of one project stand below one folder.{there} "
        f"To declare it in another project: dg scaffold defs {request.type_name} PROJECT/{below[0]}"
    )


def _python(request: dg.ScaffoldRequest[Any]) -> None:
    from dagster.components.component_scaffolding import scaffold_component

    scaffold_component(request)
