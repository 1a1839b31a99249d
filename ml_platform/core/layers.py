"""The layers of a project: one record of each says all that is asked of it, and every list of layers is made from these.

What a table is called in the lake stands here as well: :class:`TableName` is the only place that joins and splits such names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ml_platform.core.errors import UnknownNameError, did_you_mean

Declaration = Literal["table", "view", "problem"]
# Made again when what it was made from changes; made when a training is asked for (a model of an older declaration keeps its own); or a
# record of what was decided, scored or observed, which happened once, on one branch, and is made again and merged nowhere.
Making = Literal["again", "trained", "decided", "scored", "observed"]
# What tells the rows of a partition apart: the place in a delivery, the declared key, the entity and its change point, the cutoff and the
# spine's key, or the name of a feature.
RowKey = Literal["", "origin", "declared", "change point", "spine", "feature"]


@dataclass(frozen=True)
class Layer:
    """One layer of a project's tables.

    Attributes
    ----------
    name : str
        As it stands in the names of tables, in asset keys and in groups of assets.
    words : str
        What it holds, for readers.
    declared_by : {'table', 'view', 'problem'}
        Which declaration makes a table in it.
    making : {'again', 'trained', 'decided', 'scored', 'observed'}
        How its content comes about, and whether it can be made again.
    row_key : str
        What tells its rows apart.
    is_daily : bool
        Whether it is expected to move every day, and can be late.
    holds_features : bool
        Whether its rows hold a problem's features as of a cutoff.
    beside : str
        The layer whose asset writes it, of one without an asset of its own.
    has_retention : bool
        Whether a retention can be declared for it; if not, it stays for ever.
    seconds : (float, float)
        What an asset takes that has never been run, for itself and for each of its days.
    colour : str
        In pictures, by its place in the flow, so that a glance finds the same layer in every one.
    """

    name: str
    words: str
    declared_by: Declaration
    making: Making
    row_key: RowKey = ""
    is_daily: bool = False
    holds_features: bool = False
    beside: str = ""
    has_retention: bool = True
    seconds: tuple[float, float] = (1.0, 0.02)
    colour: str = "#f4f4f6"

    @property
    def is_recorded(self) -> bool:
        """Whether it says what happened once, which is never made again."""
        return self.making not in ("again", "trained")


QUARANTINE, REPORTS, ACCEPTED = "quarantine", "reports", "accepted"
# In the order in which one is made from another; those that are written beside another come last.
_ALL = (
    Layer("raw", "deliveries as they came", "table", "again", "origin", True, seconds=(0.5, 0.015), colour="#f1f3f7"),
    Layer("tables", "rows that keep their contract", "table", "again", "declared", True, seconds=(0.5, 0.02), colour="#e8f1fb"),
    Layer(
        "features", "features, each from the moment on from which it held", "view", "again", "change point", True,
        seconds=(1.0, 0.03), colour="#e7f6f2",
    ),
    Layer("training", "training sets", "problem", "trained", "spine", holds_features=True, seconds=(4.0, 0.0), colour="#fdf3e1"),
    Layer("selected", "which features a model uses", "problem", "trained", "feature", seconds=(8.0, 0.0), colour="#fbeede"),
    Layer("models", "models, with all that they need to score", "problem", "trained", seconds=(5.0, 0.0), colour="#fde7df"),
    Layer("champion", "which model scores, and why", "problem", "decided", seconds=(1.0, 0.0), colour="#f8e4ee"),
    Layer(
        "predictions", "scores, a day at a time", "problem", "scored", "spine", True, holds_features=True,
        seconds=(4.0, 0.3), colour="#eee9fb",
    ),
    Layer("outcomes", "what came of what was scored", "problem", "observed", "spine", seconds=(1.0, 0.1), colour="#e9ecfb"),
    Layer(
        "monitoring", "drift, error, and the decision to train again", "problem", "observed", is_daily=True,
        seconds=(6.0, 0.3), colour="#e6f0f5",
    ),
    Layer(QUARANTINE, "rows that break their contract, with the reason", "table", "again", beside="tables"),
    Layer(REPORTS, "reports of monitored days", "problem", "observed", beside="monitoring"),
    Layer(ACCEPTED, "losses of rows that a person accepted, one row each", "table", "decided", beside="tables", has_retention=False),
)  # fmt: skip
LAYERS = {layer.name: layer for layer in _ALL}
ASSET_LAYERS = tuple(layer.name for layer in _ALL if not layer.beside)


def asset_layers(*, declared_by: Declaration | None = None, making: tuple[Making, ...] | None = None) -> tuple[str, ...]:
    """Return the layers that have assets, in their order: all, those that a declaration makes, or those made in some ways."""
    return tuple(
        name
        for name in ASSET_LAYERS
        if declared_by in (None, LAYERS[name].declared_by) and (making is None or LAYERS[name].making in making)
    )


TABLE_LAYERS, VIEW_LAYERS, PROBLEM_LAYERS = (asset_layers(declared_by=kind) for kind in ("table", "view", "problem"))
TRAINED_LAYERS = asset_layers(making=("trained",))
# What one decision to train makes.
RETRAINED_LAYERS = asset_layers(making=("trained", "decided"))
OBSERVED_LAYERS = asset_layers(making=("observed",))
# Those whose content can be made again from what it was made from, and those whose content is made with another's or never again.
REPEATABLE_LAYERS = asset_layers(making=("again", "trained"))
OTHER_LAYERS = tuple(name for name in LAYERS if name not in REPEATABLE_LAYERS)
RECORDED_LAYERS = tuple(layer.name for layer in _ALL if layer.is_recorded)
DAILY_LAYERS = tuple(layer.name for layer in _ALL if layer.is_daily)
RETENTION_LAYERS = {
    kind: tuple(layer.name for layer in _ALL if layer.has_retention and layer.declared_by == kind) for kind in ("table", "view", "problem")
}


class TableName(str):
    """The name of a table in the lake: a text such as ``flights/tables/arrivals`` that knows its parts.

    Of a declared table these are its project, its layer and its name. A hand-written asset may have a key of any number of parts: where
    they are not three there is no layer, the name holds all but the first, and of one part there is no project either.

    Examples
    --------
    >>> table = TableName("flights/features/delays__origin")
    >>> table.project, table.layer, table.name, table.short
    ('flights', 'features', 'delays__origin', 'features/delays__origin')
    >>> [(other.project, other.layer, other.name) for other in map(TableName, ("marts/weekly_sales", "sales"))]
    [('marts', '', 'weekly_sales'), ('', '', 'sales')]
    >>> table == "flights/features/delays__origin", TableName.of("flights", "raw", "arrivals")
    (True, 'flights/raw/arrivals')
    """

    __slots__ = ()

    @classmethod
    def of(cls, project: str, layer: str, name: str) -> TableName:
        """Return the name of a declared table.

        Raises
        ------
        UnknownNameError
            If there is no such layer.
        """
        if layer not in LAYERS:
            raise UnknownNameError(
                f"{project}/{layer}/{name} is no table of a project: there is no layer {layer!r}. {did_you_mean(layer, LAYERS)}"
            )
        return cls(f"{project}/{layer}/{name}")

    @classmethod
    def given(cls, project: str, text: str) -> TableName:
        """Return the name of a project's table as people write it: ``layer/name``, or the bare name of a table of checked rows.

        Examples
        --------
        >>> TableName.given("shop", "orders"), TableName.given("shop", "features/spend__customer")
        ('shop/tables/orders', 'shop/features/spend__customer')
        """
        return cls(f"{project}/{text}" if "/" in text else f"{project}/tables/{text}")

    @classmethod
    def of_parts(cls, parts: Iterable[str]) -> TableName:
        """Return the name of the table that an asset's key means."""
        return cls("/".join(parts))

    @property
    def parts(self) -> tuple[str, ...]:
        """All parts, as an asset's key has them."""
        return tuple(self.split("/"))

    @property
    def project(self) -> str:
        """The project; empty for a name of one part."""
        project, slash, _ = self.partition("/")
        return project if slash else ""

    @property
    def layer(self) -> str:
        """The layer; empty for a name that has not three parts."""
        parts = self.split("/")
        return parts[1] if len(parts) == 3 else ""

    @property
    def name(self) -> str:
        """The name in its layer."""
        parts = self.split("/")
        return parts[2] if len(parts) == 3 else self.short

    @property
    def short(self) -> str:
        """The name without the project, as commands show and take it."""
        _, slash, short = self.partition("/")
        return short if slash else str(self)

    def beside(self, layer: str) -> TableName:
        """Return the table of the same name in another layer."""
        return TableName.of(self.project, layer, self.name)


def flow_place(layer: str) -> int:
    """Return the place of a layer in the flow of data; others come last."""
    return ASSET_LAYERS.index(layer) if layer in ASSET_LAYERS else len(ASSET_LAYERS)


def asset_group(project: str, layer: str) -> str:
    """Return the group that a layer's assets stand in."""
    return f"{project}_{layer}"


def is_mergeable(table: str) -> bool:
    """Tell whether what a branch published in a table can belong to its parent as well.

    Examples
    --------
    >>> is_mergeable("flights/models/late_arrival"), is_mergeable("flights/champion/late_arrival")
    (True, False)
    """
    return TableName(table).layer not in RECORDED_LAYERS
