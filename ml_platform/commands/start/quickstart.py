"""``ml_platform.quickstart``: from one frame, file or folder to an opened project with a champion, in one call."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import DeclarationError, MlPlatformError
from ml_platform.core.names import check_name

if TYPE_CHECKING:
    from ml_platform.commands.start.draft.asked import Asked
    from ml_platform.commands.start.draft.roles import Drafted
    from ml_platform.components.opening import Session

# Beside the project: the call that has written it.
_CALL = "quickstart.json"


def quickstart(
    data: Any,
    *,
    label: str,
    time: str,
    entity: str | Sequence[str] | None = None,
    horizon: str | None = None,
    every: str | None = None,
    key: str | Sequence[str] | None = None,
    task: str | None = None,
    name: str | None = None,
    table: str | None = None,
    into: str | Path | None = None,
    say: Callable[[str], None] | None = None,
) -> Session:
    """Make a project of a table, train and choose a champion, score, and return the project opened.

    Parameters
    ----------
    data : frame, or path of a file or a folder
        A pandas or Polars frame, an Arrow table, a DuckDB relation; a CSV, Parquet or JSON lines file; or a folder of them. Files are read
        where they are, a frame is written into the project. Called again with a frame that has more rows, or changed ones, only what they
        change is made again.
    label : str
        What is to be predicted. A column: for each row, from what its other columns say and from what came before it; it is taken to be
        known ``horizon`` after the row (a day, if you do not say). Or an aggregate in SQL over the rows to come, such as
        ``count(*) > 0`` or ``sum(amount)``: for each ``entity``, ``every`` so often, over the ``horizon`` ahead.
    time : str
        The column that says when a row came about. Its other columns are taken to be known then.
    entity : str or sequence of str, optional
        Columns that name what comes again, such as a customer. For a label in SQL it is what is predicted about; guessed if left out.
    horizon, every : str, optional
        Lengths of time, such as ``14d``.
    key : str or sequence of str, optional
        Columns that identify a row; guessed if left out. A frame without any gets a running number.
    task : str, optional
        ``binary``, ``multiclass``, ``regression`` or ``quantiles``, where the label's values leave it open.
    name : str, optional
        Of the project; by default that of the file or folder, or ``quickstart``.
    table : str, optional
        Of a folder with several tables, the one that has label and time.
    into : str or Path, optional
        The folder of the project: a real dg project, which ``dg dev`` opens. By default ``NAME_project`` below the working directory.
    say : callable, optional
        Takes each line of progress and of the story at the end; by default they are written to standard error.

    Returns
    -------
    Session
        ``.problem().champion``, ``.problem().predictions()``, ``.table(...)``, ``.features.at(...)``...

    Raises
    ------
    MlPlatformError
        If the data cannot be asked that, or nothing could be scored; the message says what to do.
    """
    from ml_platform.commands.run.running import opened_runs
    from ml_platform.commands.run.story import story
    from ml_platform.commands.start.draft.asked import Asked
    from ml_platform.components.opening import open_project

    tell = say or _to_standard_error
    chosen = check_name(name or _named(data), "project")
    root = (Path(into) if into is not None else Path.cwd() / f"{chosen}_project").resolve()
    root.mkdir(parents=True, exist_ok=True)
    asked = Asked(label, None, _words(entity), horizon, every, task)
    problem = _declare(data, root, chosen, asked, time=time, key=_words(key), table=table, tell=tell)
    with opened_runs(root, tell) as (_, make):
        run = make(chosen, problem)
        run.go()
        for line in story(run):
            tell(line)
    tell(f"The project is in {root}. Its declarations: {_defs(root, chosen)}. Again, when data changes: the same call, or ml-platform run")
    session = open_project(root)
    if session.problem(problem).champion is None and run.failed:
        raise MlPlatformError(f"No champion was made of {problem!r}. {run.failed[0]} Correct it in {_defs(root, chosen)}, or in the data.")
    return session


def _declare(
    data: Any, root: Path, name: str, asked: Asked, *, time: str, key: Sequence[str], table: str | None, tell: Callable[[str], None]
) -> str:
    """Write the project, or go on with the one that the same call has written; return the name of the problem."""
    from ml_platform.commands.new_project import new_project
    from ml_platform.commands.start.draft.asked import column_of, entities_named, question_asked, with_time
    from ml_platform.commands.start.draft.roles import draft_tables
    from ml_platform.commands.start.starting import in_landing, look_at, write_drafts

    call = {**asdict(asked), "entity": list(asked.entity), "time": time, "key": list(key), "table": table, "name": name}
    written = _written(root, call)
    given = _delivered(data, root, name, key)
    if written is not None:
        return written
    found, left_out = look_at(given)
    for reason in left_out:
        tell(f"Left out: {reason}")
    if not found:
        raise DeclarationError(" ".join([f"{given} holds no CSV, Parquet or JSON lines files that can be read.", *left_out]))
    main = _main(found, table, time)
    if key:
        columns = tuple(column_of(draft_tables({main: found[main]})[main], one, "key") for one in key)
        found[main] = replace(found[main], key=columns)
    tables: dict[str, Drafted] = draft_tables(found)
    tables[main] = entities_named(with_time(tables[main], time), asked.entity)
    question = question_asked(asked, tables[main], tables)
    if not (root / "pyproject.toml").exists():
        new_project(root, _package(root))
    write_drafts(_defs(root, name).parent, tables, [question], in_landing(given, root, name)[0], name)
    (root / _CALL).write_text(json.dumps({"problem": question.name, "call": call}, indent=2), encoding="utf-8")
    tell(f"Wrote the project {root} with the problem {question.name}: {question.asks}")
    return question.name


def _written(root: Path, call: Mapping[str, Any]) -> str | None:
    """Return the problem that the same call has declared before, whatever somebody has changed in it since; None if there is nothing yet.

    Raises
    ------
    DeclarationError
        If another call has: what it wrote is left as it is.
    """
    path = root / _CALL
    if not path.exists():
        return None
    before = json.loads(path.read_text(encoding="utf-8"))
    other = [
        f"{name} was {before['call'].get(name)!r} and is {value!r}" for name, value in call.items() if before["call"].get(name) != value
    ]
    if other:
        raise DeclarationError(
            f"{root} was made by another call ({'; '.join(other)}), and was left as it is. To begin anew: another folder with into=. To go "
            f"on with what stands there: ml_platform.open_project({str(root)!r}), or `ml-platform run` in it."
        )
    return before["problem"]


def _delivered(data: Any, root: Path, name: str, key: Sequence[str]) -> Path:
    """Return the file or folder of the data; a frame is written to a file, with a running number if nothing tells its rows apart."""
    if isinstance(data, str | os.PathLike):
        path = Path(data).expanduser().resolve()
        if not path.exists():
            raise DeclarationError(f"There is no file or folder {path}.")
        return path
    import polars as pl

    from ml_platform.tables.delivered.frames import to_arrow

    frame = pl.from_arrow(to_arrow(data, "the frame"))
    if not isinstance(frame, pl.DataFrame) or frame.is_empty():
        raise DeclarationError("The frame has no rows, so nothing can be learnt from it.")
    if not key and not any(frame[column].n_unique() == frame.height and frame[column].null_count() == 0 for column in frame.columns):
        frame = frame.with_row_index("row_number")
    path = root / "data" / "landing" / name / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_suffix(".new")
    frame.write_parquet(written)
    if path.exists() and path.read_bytes() == written.read_bytes():
        # The same frame again is the same delivery, with the time that it had.
        written.unlink()
    else:
        os.replace(written, path)
    return path


def _main(found: Mapping[str, Any], table: str | None, time: str) -> str:
    """Return the table that the label is asked of."""
    if table is not None:
        if table not in found:
            raise DeclarationError(f"table={table!r}: there is no such table. There are: {', '.join(found)}.")
        return table
    having = [
        name for name, one in found.items() if any(time in (column, body.get("was")) for column, body in one.contract["columns"].items())
    ]
    if len(having) == 1:
        return having[0]
    if having:
        raise DeclarationError(f"Several tables have a column {time!r}. Say which with table=: {', '.join(having)}.")
    columns = "; ".join(f"{name}: {', '.join(one.contract['columns'])}" for name, one in found.items())
    raise DeclarationError(f"time={time!r}: no table has such a column. What there is: {columns}.")


def _named(data: Any) -> str:
    if not isinstance(data, str | os.PathLike):
        return "quickstart"
    stem = Path(data).resolve().name.split(".")[0].lower()
    name = re.sub(r"[^a-z0-9]+", "_", stem).strip("_")
    return name if name[:1].isalpha() else f"data_{name}"


def _package(root: Path) -> str:
    """Return the Python package of the project: called after its folder, because a process imports each name once."""
    return f"{_named(root)}_platform"


def _defs(root: Path, name: str) -> Path:
    return root / _package(root) / "defs" / name / "defs.yaml"


def _words(value: str | Sequence[str] | None) -> tuple[str, ...]:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def _to_standard_error(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
