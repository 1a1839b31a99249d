"""The contract of sources."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest

from ml_platform.core.errors import SourceError
from ml_platform.core.hashing import canonical_json
from ml_platform.pipeline.delivery.deliveries import Reading
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.landing_zone import LandingZone

if TYPE_CHECKING:
    from ml_platform.tables.declared.source import Delivery, Source

DAYS = ("2024-01-01", "2024-01-02")
Rows = Sequence[Mapping[str, object]]


class SourceContract:
    """What every source keeps. Subclass it with a ``source`` and with ``deliver``, which puts rows where the source finds them.

    ``folder`` is empty for each test: the folder of the declarations, and the landing zone. Of a source that is not asked for a day say
    ``days = (None,)``; one of which nothing can be cut off says ``can_fail = False``.
    """

    days: ClassVar[tuple[str | None, ...]] = DAYS
    can_fail: ClassVar[bool] = True

    def source(self, folder: Path) -> Source:
        """Return the source, as declared."""
        raise NotImplementedError

    def deliver(self, folder: Path, day: str | None, rows: Rows) -> None:
        """Put rows with ``id`` (int) and ``name`` (text) where the source finds them, in place of those of that day."""
        raise NotImplementedError

    def fail(self, folder: Path, day: str | None) -> None:
        """Make the source fail for a day: a damaged file, a server that does not answer. Its words hold the password ``s3cret``."""
        raise NotImplementedError

    def opened(self, folder: Path, day: str | None, *, now: datetime = datetime(2024, 2, 1, tzinfo=UTC)) -> list[Delivery]:
        """Return what the source gives for a day."""
        contract = Contract((Column("id", "int64"), Column("name", "string")))
        place = Reading(folder, "contract", LandingZone(folder), now, lambda _: None, contract)
        return self.source(folder).open(place, [day])(day)

    def test_a_day_without_a_delivery_has_none(self, tmp_path: Path) -> None:
        self.deliver(tmp_path, self.days[0], [{"id": 1, "name": "a"}])
        if len(self.days) > 1:
            assert self.opened(tmp_path, self.days[1]) == []

    def test_rows_come_back_as_arrow(self, tmp_path: Path) -> None:
        for day in self.days:
            self.deliver(tmp_path, day, [{"id": 1, "name": f"a{day}"}, {"id": 2, "name": "ü"}])
        for day in self.days:
            (one,) = self.opened(tmp_path, day)
            found = one.rows().select(["id", "name"]).to_pylist()
            assert [{"id": int(row["id"]), "name": row["name"]} for row in found] == [{"id": 1, "name": f"a{day}"}, {"id": 2, "name": "ü"}]
            assert one.time.tzinfo is not None
            assert one.size > 0
            assert one.name

    def test_the_same_content_has_the_same_digest_and_name(self, tmp_path: Path) -> None:
        day = self.days[0]
        self.deliver(tmp_path, day, [{"id": 1, "name": "a"}])
        (before,) = self.opened(tmp_path, day)
        (again,) = self.opened(tmp_path, day, now=datetime(2024, 2, 1, tzinfo=UTC) + timedelta(hours=1))
        assert (again.name, again.sha256) == (before.name, before.sha256)
        self.deliver(tmp_path, day, [{"id": 1, "name": "b"}])
        (changed,) = self.opened(tmp_path, day)
        assert changed.name == before.name
        assert changed.sha256 != before.sha256

    def test_rows_can_be_read_twice(self, tmp_path: Path) -> None:
        self.deliver(tmp_path, self.days[0], [{"id": 1, "name": "a"}])
        (one,) = self.opened(tmp_path, self.days[0])
        assert one.rows().equals(one.rows())

    def test_what_fails_says_so_and_tells_no_secret(self, tmp_path: Path) -> None:
        if not self.can_fail:
            pytest.skip("nothing of it can fail")
        self.deliver(tmp_path, self.days[0], [{"id": 1, "name": "a"}])
        self.fail(tmp_path, self.days[0])
        with pytest.raises(SourceError) as told:
            [one.rows() for one in self.opened(tmp_path, self.days[0])]
        assert "s3cret" not in str(told.value)

    def test_the_declaration_decides_the_code(self, tmp_path: Path) -> None:
        self.deliver(tmp_path, self.days[0], [{"id": 1, "name": "a"}])
        one, same = self.source(tmp_path), self.source(tmp_path)
        assert one == same
        assert json.loads(canonical_json(one.code(tmp_path))) == json.loads(canonical_json(same.code(tmp_path)))

    def test_it_says_what_it_is(self, tmp_path: Path) -> None:
        source = self.source(tmp_path)
        source.check("defs.yaml:1", daily=self.days != (None,))
        assert source.words.startswith("from ")
        assert source.icon
        assert source.holds_days == (self.days == (None,))

    def test_what_is_watched_lists_what_has_landed(self, tmp_path: Path) -> None:
        source = self.source(tmp_path)
        if not source.is_watched:
            pytest.skip("it is asked, not watched")
        place = Reading(tmp_path, "contract", LandingZone(tmp_path), datetime(2024, 2, 1, tzinfo=UTC), lambda _: None, Contract(()))
        assert dict(source.landed(place)) == {}
        self.deliver(tmp_path, self.days[0], [{"id": 1, "name": "a"}])
        assert set(source.landed(place)) == {self.days[0]}
