"""What a check is that a declaration asks for by name, a judgement about what is published; and which there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from ml_platform.core.errors import DeclarationError, UnknownNameError, did_you_mean
from ml_platform.core.partitions import partition_text
from ml_platform.core.registry import Registry
from ml_platform.pipeline.outcome import CheckOutcome
from ml_platform.pipeline.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl

    from ml_platform.lake.ledger.version import Version


@dataclass(frozen=True)
class Published:
    """What the lake holds of one table of a project, as a check sees it; at least one partition."""

    workspace: Workspace
    layer: str
    name: str

    @cached_property
    def versions(self) -> dict[str | None, Version]:
        """The readable version of each partition, in their order (None: the table has none)."""
        heads = self.workspace.lake.versions.resolve(self.workspace.table(self.layer, self.name))
        return {head.partition: head for head in sorted(heads, key=lambda head: partition_text(head.partition))}

    @property
    def rows(self) -> dict[str | None, int]:
        """How many rows each partition has."""
        return {partition: version.rows for partition, version in self.versions.items()}

    def read(self, partitions: Sequence[str | None]) -> pl.DataFrame:
        """Return the rows of some partitions."""
        return self.workspace.lake.versions.read([self.versions[one] for one in partitions]).pl()

    def newest(self, count: int = 1) -> pl.DataFrame:
        """Return the rows of so many of the newest partitions."""
        return self.read(list(self.versions)[-count:])


class Check(Protocol):
    """Judges what is published of an asset, after each materialization and whenever it is asked for. It publishes nothing."""

    @property
    def name(self) -> str:
        """What declarations and Dagster call it."""
        ...

    @property
    def description(self) -> str:
        """What holds where it passes, as a sentence."""
        ...

    @property
    def layers(self) -> tuple[str, ...]:
        """Of which assets it can be asked: some of ``raw``, ``tables``, ``features``, ``training``, ``models``, ``predictions``..."""
        ...

    @property
    def options(self) -> Mapping[str, Any]:
        """Its options, each with what it is where a declaration does not say."""
        ...

    def judge(self, published: Published, options: Mapping[str, Any]) -> CheckOutcome:
        """Judge what is published.

        Parameters
        ----------
        published : Published
            Counts, versions and rows of the asset's table.
        options : mapping of str to object
            All options of the check.

        Returns
        -------
        CheckOutcome
            Under the check's name: whether it passed, how bad it is if not (``error`` or ``warn``), a sentence, and numbers to plot.
        """
        ...


CHECKS: Registry[Check] = Registry("check", "ml_platform.checks", Check, built_in="ml_platform.audit.checks", attribute="CHECK")


def check_asked(asked: Mapping[str, Mapping[str, Any] | None], layers: Sequence[str], where: str) -> None:
    """Refuse checks of a declaration that there are not, that are of other layers, or have other options.

    Raises
    ------
    UnknownNameError, DeclarationError
        With what exists.
    """
    for name, options in asked.items():
        if name not in CHECKS:
            raise UnknownNameError(f"{where}: check {name!r} is not known. {did_you_mean(name, CHECKS.names())}")
        check = CHECKS.get(name)
        if not set(check.layers) & set(layers):
            made = ", ".join(layers) or "none"
            raise DeclarationError(f"{where}: the check {name!r} is of {', '.join(check.layers)}; this declaration makes {made}.")
        for option in options or {}:
            if option not in check.options:
                raise UnknownNameError(f"{where}: check {name!r} has no option {option!r}. {did_you_mean(option, check.options)}")


def run_check(workspace: Workspace, name: str, layer: str, table: str, options: Mapping[str, Any]) -> CheckOutcome:
    """Judge what is published of a project's table; where nothing is, the check passes and says so."""
    check, published = CHECKS.get(name), Published(workspace, layer, table)
    if not published.versions:
        return CheckOutcome(name, True, "warn", f"Nothing to judge: {layer}/{table} has no published partition. Materialize it first.")
    return check.judge(published, {**check.options, **options})
