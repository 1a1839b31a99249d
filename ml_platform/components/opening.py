"""A project opened from Python: notebooks, the command line and tests work with the same objects as the assets do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ml_platform.components.opened_projects import dg_root, open_projects
from ml_platform.components.resources.resource import Platform
from ml_platform.core.errors import FeatureError, UnknownNameError, did_you_mean
from ml_platform.core.layers import TableName
from ml_platform.project.project import Project

if TYPE_CHECKING:
    import polars as pl

    from ml_platform.audit.reproduce import Reproduction
    from ml_platform.components.opened_champion import OpenChampion
    from ml_platform.lake.lake import Lake
    from ml_platform.lake.ledger.scope import At
    from ml_platform.lake.reading.reading import Reading
    from ml_platform.pipeline.workspace import Workspace

CUTOFF = "_cutoff"


@dataclass(frozen=True)
class Features:
    """Features of a project at any spine of your own."""

    workspace: Workspace

    def at(
        self, spine: Any, names: Sequence[str], *, cutoff: str | None = None, missing_days: Literal["stop", "allowed"] = "stop"
    ) -> pl.DataFrame:
        """Return features as of each row's cutoff.

        Parameters
        ----------
        spine : polars or pandas DataFrame of n rows
            The entity columns and one column of cutoff times: aware, or naive UTC; a date is its midnight (UTC), a text is read as an ISO
            time. Whole numbers that pandas holds as floats, because one of them is missing, are keys like any.
        names : sequence of str
            Views (``delays``), single features (``delays.origin_count_7d``) or table columns (``airlines.name``).
        cutoff : str, optional
            The cutoff column; by default ``_cutoff``, ``cutoff``, or the only column of times.
        missing_days : str
            What to do where a window reaches days of a table that are not there and nothing is declared of them: ``stop``, or compute from
            what is there (``allowed``); :meth:`coverage` tells how much that is.

        Returns
        -------
        polars.DataFrame of n rows
            The spine, row by row as it was given, with one column per feature.

        Raises
        ------
        MissingDaysError
            If days are missing; the message says which days of which table, why, and what to do.
        """
        from ml_platform.pipeline.feature_tables.feature_values import features_at
        from ml_platform.pipeline.feature_tables.given_spine import with_cutoff, with_whole_keys
        from ml_platform.pipeline.tables.coverage import Reached
        from ml_platform.project.asked_features import resolve_features

        frame, given = with_cutoff(spine, cutoff)
        definitions = resolve_features(self.workspace.project, names, frame.columns)
        if missing_days not in ("stop", "allowed"):
            raise FeatureError(f"missing_days is {missing_days!r}. {did_you_mean(missing_days, ('stop', 'allowed'))}")
        keyed = with_whole_keys(frame, definitions)
        values, _ = features_at(self.workspace, keyed, definitions, reached=None if missing_days == "stop" else Reached())
        # Keys that were given as floats, because one of them is missing, come back as they were given.
        asked = {d.name for d in definitions}
        values = values.with_columns(frame[c] for c in frame.columns if c not in asked and frame.schema[c] != keyed.schema[c])
        return values.rename({CUTOFF: given}) if given != CUTOFF else values

    def coverage(self, spine: Any, names: Sequence[str], *, cutoff: str | None = None) -> pl.DataFrame:
        """Return, per table, how many of the days that the features of these rows reach are there, and how many are missing.

        Parameters
        ----------
        spine, names, cutoff
            As of :meth:`at`.
        """
        import polars as pl

        from ml_platform.pipeline.feature_tables.feature_values import features_at
        from ml_platform.pipeline.feature_tables.given_spine import with_cutoff, with_whole_keys
        from ml_platform.pipeline.tables.coverage import Reached
        from ml_platform.project.asked_features import resolve_features

        frame, _ = with_cutoff(spine, cutoff)
        reached, head = Reached(), self.workspace.lake.versions.newest_commit()
        definitions = resolve_features(self.workspace.project, names, frame.columns)
        features_at(self.workspace, with_whole_keys(frame, definitions), definitions, at=head, reached=reached)
        return pl.DataFrame(reached.coverage(self.workspace, head).rows())


@dataclass(frozen=True)
class OpenProblem:
    """A problem in a notebook."""

    workspace: Workspace
    name: str

    def training_set(self, at: str | None = None) -> pl.DataFrame:
        """Return the training set of training date ``at`` (``YYYY-MM-DD``; the newest one by default)."""
        return self._newest("training", at).pl()

    @property
    def champion(self) -> OpenChampion | None:
        """The model that scores now, with its metrics, features and card; None if none was promoted yet."""
        from ml_platform.components.opened_champion import OpenChampion
        from ml_platform.pipeline.models.champion import current_champion

        found = current_champion(self.workspace, self.name)
        return None if found is None else OpenChampion(self.workspace, found)

    @property
    def verdicts(self) -> pl.DataFrame:
        """Every verdict on a model (promoted, refused or held) with its reasons, the newest last."""
        import polars as pl

        from ml_platform.pipeline.models.worth import verdicts

        return pl.DataFrame(verdicts(self.workspace, self.name))

    def predictions(self, day: str | None = None) -> pl.DataFrame:
        """Return the scores of cutoff day ``day`` (the newest one by default)."""
        return self._newest("predictions", day).pl()

    def outcomes(self, day: str | None = None) -> pl.DataFrame:
        """Return what came of the scores of cutoff day ``day`` (the newest one by default), beside them."""
        return self._newest("outcomes", day).pl()

    def reproduce(self, version: int | None = None, *, from_landing: bool = False, keep_branch: bool = False) -> Reproduction:
        """Make a model version (the champion by default) again from exactly what it was made from, and compare the two.

        Nothing is published on the branch that is read; see :func:`ml_platform.audit.reproduce.reproduce`.
        """
        from ml_platform.audit.reproduce import reproduce
        from ml_platform.audit.reproduction_plan import plan_reproduction

        plan = plan_reproduction(self.workspace, self.name, version, from_landing=from_landing)
        return reproduce(self.workspace, plan, keep_branch=keep_branch)

    def _newest(self, layer: str, key: str | None) -> Reading:
        table = self.workspace.table(layer, self.name)
        if key is None:
            keys = [k for k in self.workspace.lake.partitions(table) if k is not None]
            key = max(keys, default=None)
        return self.workspace.lake.read(table, None if key is None else [key], missing="raise")


@dataclass(frozen=True)
class OpenView:
    """A feature view in a notebook."""

    workspace: Workspace
    name: str

    def preview(self, rows: int = 20) -> pl.DataFrame:
        """Return the newest ``rows`` change points of every entity of the view."""
        import polars as pl

        from ml_platform.features.declared.definition import feature_table_name

        view = self.workspace.project.view(self.name).view
        frames = []
        for entity in view.entities:
            table = self.workspace.table("features", feature_table_name(self.name, entity))
            days = sorted(k for k in self.workspace.lake.partitions(table) if k is not None)[-2:]
            frames.append(self.workspace.lake.read(table, days, missing="raise").pl().sort("valid_from").tail(rows))
        return pl.concat(frames, how="diagonal")


@dataclass(frozen=True)
class Session:
    """An open project: its declarations, its lake and its clock."""

    project: Project
    workspace: Workspace

    @property
    def lake(self) -> Lake:
        """The lake that holds the project's tables."""
        return self.workspace.lake

    @property
    def features(self) -> Features:
        """Features at any spine of your own."""
        return Features(self.workspace)

    def table(self, name: str, partition: str | Sequence[str] | None = None, at: At = None) -> Reading:
        """Return a table as of a commit or time: ``.pl()``, ``.df()``, ``.arrow()`` or ``.relation(connection)``.

        ``name`` is a declared table (``arrivals``) or any stored one (``features/delays__origin``).
        """
        known = self.lake.tables()
        own = TableName.given(self.project.name, name)
        stored = name if own not in known and name in known else own
        keys = [partition] if isinstance(partition, str) else partition
        return self.lake.read(stored, keys, at, missing="raise")

    def schema(self, table: str, backend: Literal["polars", "pandas"] = "polars") -> Any:
        """Return a table's contract as a pandera schema for notebooks and tests; it agrees with the platform on every row."""
        from ml_platform.tables.judged.pandera_schema import to_pandera

        return to_pandera(self.project.table(table).contract, backend)

    def problem(self, name: str | None = None) -> OpenProblem:
        """Return a problem by name; without one the only problem there is."""
        if name is None and len(self.project.problems) != 1:
            raise UnknownNameError(f"Say which problem: {', '.join(self.project.problems) or 'none is declared'}.")
        return OpenProblem(self.workspace, self.project.problem(name or next(iter(self.project.problems))).name)

    def view(self, name: str) -> OpenView:
        """Return a feature view by name."""
        return OpenView(self.workspace, self.project.view(name).view.name)


def open_project(path_or_name: str | Path | None = None, *, branch: str | None = None) -> Session:
    """Open a project by the folder of its dg project, by its name, or by where you stand.

    Parameters
    ----------
    path_or_name : str or Path, optional
        A folder inside a dg project, or the name of a project that is declared in the one around the working directory.
        Without it: the only project there.
    branch : str, optional
        The branch of the lake to read and write, instead of ``ML_PLATFORM_BRANCH`` (or ``main``).

    Returns
    -------
    Session
        Declarations are compiled and checked; the lake is opened, nothing is read yet.

    Raises
    ------
    DeclarationError
        If there is no dg project around, or a declaration in it is wrong.
    UnknownNameError
        If the project is not declared there.
    """
    is_folder = path_or_name is not None and Path(path_or_name).is_dir()
    start = Path(path_or_name).resolve() if is_folder else Path.cwd()  # type: ignore[arg-type]
    root = dg_root(start)
    projects = open_projects(root)
    if path_or_name is not None and not is_folder:
        name = str(path_or_name)
        if name not in projects:
            raise UnknownNameError(f"There is no project {name!r} below {root.name}/. {did_you_mean(name, projects)}")
        project = projects[name]
    elif len(projects) == 1:
        project = next(iter(projects.values()))
    else:
        raise UnknownNameError(f"Say which project: {', '.join(sorted(projects)) or 'none is declared there'}.")
    return Session(project, Platform(root=str(root)).workspace(project, branch=branch))
