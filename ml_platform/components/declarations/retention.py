"""``type: ml_platform.Retention``: what of a project's history stays, and the words for it that every declaration shares."""

from typing import Annotated, Any, ClassVar

import dagster as dg
from pydantic import Field

from ml_platform.components.project_definitions import definitions_of
from ml_platform.components.words.declared import Declared, NewestVersions, RetentionModel, SupersededFor, parse_retention
from ml_platform.components.words.scaffolds import RetentionScaffolder
from ml_platform.project.compile_retention import DeclaredRetention


@dg.scaffold_with(RetentionScaffolder)
class Retention(Declared):
    """What of the history of everything in the project stays besides what is held; at most one per project."""

    kind: ClassVar[str] = "retention"

    name: Annotated[str, Field(description="Only for messages; it makes no asset. Default: retention.", examples=["retention"])] = (
        "retention"
    )
    superseded_for: SupersededFor = None
    versions: NewestVersions = None
    layers: Annotated[
        dict[str, Any],
        Field(
            description="The same for single layers (raw, tables, features, training, ...): `forever`, or a length and a number.",
            examples=[{"raw": "forever", "features": {"superseded_for": "7d"}}],
        ),
    ] = {}

    def to_core(self) -> DeclaredRetention:
        """Return the declaration as the core knows it.

        Raises
        ------
        DeclarationError
            If it cannot be right; the message names the file and the line.
        """
        where = self.where
        default = parse_retention(RetentionModel(superseded_for=self.superseded_for, versions=self.versions), where)
        return DeclaredRetention(
            default, {layer: parse_retention(given, where, f"layers.{layer}") for layer, given in self.layers.items()}, where
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Build nothing of its own; the project's retention asset has it."""
        return definitions_of(self, context)
