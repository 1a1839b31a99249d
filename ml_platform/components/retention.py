"""``type: ml_platform.Retention``: what of a project's history stays, and the words for it that every declaration shares."""

from typing import Annotated, Any

import dagster as dg
from pydantic import Field

from ml_platform.components.declared import Declared, RetentionModel, parse_retention
from ml_platform.components.project_definitions import definitions_of
from ml_platform.project.compile_retention import DeclaredRetention


class Retention(Declared):
    """What of the history of everything in the project stays besides what is held; at most one per project."""

    name: Annotated[str, Field(description="For messages; it makes no asset.")] = "retention"
    superseded_for: Annotated[
        str | None, Field(description="Versions stay until others are read in their place for so long, e.g. 30d.")
    ] = None
    versions: Annotated[
        int | None, Field(description="So many of the newest versions of a partition stay, the one that is read included.")
    ] = None
    layers: Annotated[
        dict[str, Any],
        Field(description="The same for single layers: {raw: forever, features: {superseded_for: 7d}}."),
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
            default, {layer: parse_retention(given, f"{where}, layer {layer}") for layer, given in self.layers.items()}, where
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Build nothing of its own; the project's retention asset has it."""
        return definitions_of(self, context)
