"""``lake.lineage``: what a version was made from, and what was made from it, in one step or in any number of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from ml_platform.lake.ledger import lookup, provenance
from ml_platform.lake.ledger.provenance import InputContent, InputTable
from ml_platform.lake.ledger.repeating import repeatable
from ml_platform.lake.ledger.version import Version, version_ids
from ml_platform.lake.opened import Opened
from ml_platform.lake.reading.tracing import closure_until, users_of


@dataclass(frozen=True, repr=False)
class LakeLineage:
    """What ``lake.lineage`` is: inputs and users of versions, on whichever branch these stand."""

    _opened: Opened

    @repeatable
    def inputs(self, version_id: int) -> list[Version]:
        """Return the versions that a version was made from in one step, by id."""
        with self._opened.ledger.reading() as connection:
            self._opened.load(connection, {version_id})
            return _by_id(connection, provenance.direct_inputs(connection, version_id))

    @repeatable
    def inputs_by_table(self, ids: Iterable[int | Version]) -> dict[int, list[InputTable]]:
        """Return, by version id, what each version was made from in one step, counted per table."""
        with self._opened.ledger.reading() as connection:
            return provenance.inputs_by_table(connection, version_ids(ids))

    @repeatable
    def edges(self, ids: Iterable[int | Version]) -> dict[int, tuple[int, ...]]:
        """Return by id what each of many versions was made from in one step: the ids, in order."""
        with self._opened.ledger.reading() as connection:
            return provenance.inputs_of(connection, version_ids(ids))

    @repeatable
    def input_contents(self, ids: Iterable[int | Version]) -> list[InputContent]:
        """Return table, partition and content hash of all that the versions were made from in one step."""
        with self._opened.ledger.reading() as connection:
            return provenance.input_contents(connection, version_ids(ids))

    @repeatable
    def closure(self, ids: Iterable[int | Version]) -> list[Version]:
        """Return the versions themselves and everything they were made from in any number of steps, by id."""
        with self._opened.ledger.reading() as connection:
            self._opened.load(connection, version_ids(ids := list(ids)))
            return _by_id(connection, provenance.input_closure(connection, version_ids(ids)))

    def closure_until(self, ids: Iterable[int], is_end: Callable[[Version], bool]) -> tuple[list[Version], dict[int, tuple[int, ...]]]:
        """Return the closure of some versions and its edges, as far as versions at which it ends; see :func:`closure_until`."""
        return closure_until(self._opened, ids, is_end)

    @repeatable
    def used_by(self, version_id: int, *, direct: bool = False) -> list[Version]:
        """Return everything that was made from a version, in one step or in any number of them, by id."""
        with self._opened.ledger.reading() as connection:
            self._opened.load(connection, {version_id})
            if direct:
                return _by_id(connection, provenance.direct_users(connection, version_id))
            return _by_id(connection, provenance.user_closure(connection, {version_id}) - {version_id})

    def users_of(self, ids: Iterable[int]) -> list[Version]:
        """Return everything that was made from any of the versions in any number of steps, without themselves, by id."""
        return users_of(self._opened, ids)

    @repeatable
    def reached_from(self, ids: Iterable[int | Version]) -> set[int]:
        """Return the ids themselves and of everything that was made from them, in any number of steps, on whichever branch."""
        with self._opened.ledger.reading() as connection:
            return provenance.user_closure(connection, version_ids(ids))


def _by_id(connection: sa.Connection, ids: Iterable[int]) -> list[Version]:
    return [version for _, version in sorted(lookup.known_versions(connection, ids).items())]
