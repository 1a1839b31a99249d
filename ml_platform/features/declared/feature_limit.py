"""``max_features`` of a discovery: which features are kept, and the names of those that are not, so that no cut goes unsaid."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ml_platform.features.declared.definition import FeatureDefinition

T = TypeVar("T")
_NAMED = 5


@dataclass(frozen=True)
class Discovered:
    """What a search found: the features that are kept, and the names of those for which ``max_features`` had no room."""

    features: tuple[FeatureDefinition, ...]
    left_out: tuple[str, ...] = ()


def whole_features(found: Sequence[T], limit: int, feature: Callable[[T], Hashable]) -> tuple[list[T], list[T]]:
    """Return the first ones and the rest; a feature is in one of them with all of its windows.

    Parameters
    ----------
    found : sequence
        In the order of the search.
    limit : int
        At most so many are kept.
    feature : callable
        Says which ones are windows of one feature: they stand beside each other.
    """
    cut = min(limit, len(found))
    if cut < len(found):
        while cut and feature(found[cut - 1]) == feature(found[cut]):
            cut -= 1
    return list(found[:cut]), list(found[cut:])


def left_out_words(left_out: Sequence[str], kept: int, owner: str) -> str:
    """Say what ``max_features`` has cut off, of which view or problem; empty if nothing."""
    if not left_out:
        return ""
    more = f" and {len(left_out) - _NAMED:,} more" if len(left_out) > _NAMED else ""
    return (
        f"Featuretools found {kept + len(left_out):,} features for {owner}; max_features keeps the first {kept:,} and leaves out "
        f"{len(left_out):,}: {', '.join(left_out[:_NAMED])}{more}. Raise `max_features` under `discover` to have them."
    )
