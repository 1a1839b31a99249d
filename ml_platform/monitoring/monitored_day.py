"""What is remembered of one monitored day: the record that decisions are made from, as plain values and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ml_platform.monitoring.decision import Decision, Record
from ml_platform.monitoring.error_test import ErrorTest
from ml_platform.monitoring.incidents import Incident


@dataclass(frozen=True)
class MonitoredDay:
    """One day as it was recorded.

    ``drifted`` names all columns that drifted by the two-part rule (``record.drifted`` holds the model's features that did by the strict
    one); ``performance`` are the realized metrics of matured rows, None where there are none yet.
    """

    record: Record
    incident: Incident | None = None
    drifted: tuple[str, ...] = ()
    performance: Mapping[str, Any] | None = None
    champion: Mapping[str, Any] = field(default_factory=dict)

    @property
    def day(self) -> str:
        """The monitored day."""
        return self.record.day

    def to_properties(self) -> dict[str, Any]:
        """Return everything as values that JSON can hold."""
        record = self.record
        return {
            "decision": record.decision.to_mapping() if record.decision else None,
            "drifted": list(self.drifted),
            "drifted_features": dict(record.drifted),
            "performance": None if self.performance is None else dict(self.performance),
            "error_test": asdict(record.error) if record.error else None,
            "champion_version": record.champion,
            "champion": dict(self.champion),
            "incident": self.incident.to_mapping() if self.incident else None,
        }

    @classmethod
    def from_properties(cls, day: str, values: Mapping[str, Any]) -> MonitoredDay:
        """Read what `to_properties` wrote."""
        record = Record(
            day=day,
            champion=values["champion_version"],
            drifted=values["drifted_features"],
            error=ErrorTest(**values["error_test"]) if values["error_test"] else None,
            decision=Decision.from_mapping(values["decision"]) if values["decision"] else None,
        )
        incident = Incident.from_mapping(values["incident"]) if values["incident"] else None
        return cls(record, incident, tuple(values["drifted"]), values["performance"], values["champion"])
