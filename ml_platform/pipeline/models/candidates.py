"""All features that a model could have chosen from, as a file beside it: what makes its training set again after views have moved on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ml_platform.core.hashing import canonical_json
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.inputs import leaves
from ml_platform.features.declared.kinds import ExpressionFeature, definition_from
from ml_platform.project.asked_features import resolve_features
from ml_platform.project.project import CompiledProblem, Project

CANDIDATES = "candidates.json"


@dataclass(frozen=True)
class Candidates:
    """The candidates of a training set, in its order, among everything that its feature tables held.

    ``features`` are the tables' features in their order, also those that the problem did not ask for, then columns of tables.
    """

    features: tuple[FeatureDefinition, ...]
    candidates: tuple[FeatureDefinition, ...]

    def to_bytes(self) -> bytes:
        """Return the file that :func:`read_candidates` reads."""
        place = {definition: position for position, definition in enumerate(self.features)}
        features = [definition.to_dict() for definition in self.features]
        return canonical_json({"features": features, "candidates": [place[d] for d in self.candidates]}).encode()


def candidates_of(project: Project, problem: CompiledProblem) -> Candidates:
    """Return the candidates of a problem as they are declared."""
    candidates = resolve_features(project, problem)
    made = [d for name, entity in problem.view_entities for d in project.view(name).definitions(entity)]
    # What expressions are made of stands in feature tables too, in those of other views.
    below = dict.fromkeys((d.view, d.entity) for d in leaves(d for d in made if isinstance(d, ExpressionFeature)) if d.view)
    stored = [*made, *(d for name, entity in below for d in project.view(name).definitions(entity))]
    return Candidates(tuple(dict.fromkeys([*stored, *candidates])), candidates)


def read_candidates(content: bytes) -> Candidates:
    """Read the file that :meth:`Candidates.to_bytes` returned."""
    plain: dict[str, Any] = json.loads(content)
    features = tuple(definition_from(one) for one in plain["features"])
    return Candidates(features, tuple(features[position] for position in plain["candidates"]))
