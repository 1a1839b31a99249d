"""A model version's files: the model, what it is compared with, its feature definitions, its card, and rows whose scores are known."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import ModelError
from ml_platform.models.contender import Role
from ml_platform.models.trainers.trained import Trained
from ml_platform.models.trainers.training import load_trained
from ml_platform.training.target import SCORE

if TYPE_CHECKING:
    import polars as pl

GOLDEN_ROWS = 50
REFERENCE_ROWS = 20_000
REFERENCE = "reference.parquet"
# Before the columns of the baseline's scores.
BASELINE = "_baseline"
BASELINE_SCORE = f"{BASELINE}{SCORE}"
# Far below what any decision sees, above what another processor's exp may differ by.
TOLERANCE = 1e-9
CARD_PAGE = "card.md"
CARD_FILES = ("card.json", CARD_PAGE)
# The models that are stored beside the model, by the prefix of their files.
COMPANIONS = ("baseline", "constant")


@dataclass(frozen=True)
class ModelFile:
    """What a model version's files hold; ``definitions`` are plain mappings, ``companions`` are the baseline and the constant."""

    trained: Trained
    companions: Mapping[str, Trained]
    definitions: tuple[Mapping[str, Any], ...]
    card: Mapping[str, Any]
    card_text: str

    def serving(self, role: Role) -> Trained:
        """Return the model itself, or the baseline that was fitted beside it.

        Raises
        ------
        ModelError
            If the version holds no baseline.
        """
        if role == "model":
            return self.trained
        if role not in self.companions:
            raise ModelError(f"The model version holds no {role}. It holds: model{''.join(f', {name}' for name in self.companions)}.")
        return self.companions[role]


def write_model_files(
    trained: Trained,
    companions: Mapping[str, Trained],
    definitions: Sequence[Mapping[str, Any]],
    card: Mapping[str, Any],
    card_text: str,
    rows: pl.DataFrame,
    *,
    label: str,
    seed: int,
) -> dict[str, bytes]:
    """Return all files of a model version.

    Parameters
    ----------
    trained : Trained
        The model.
    companions : mapping of str to Trained
        ``baseline`` and ``constant``: what it was, and will be, compared with.
    definitions : sequence of mapping
        Its features' definitions as plain values.
    card, card_text : mapping, str
        The model card as values and as Markdown.
    rows : polars.DataFrame
        The rows it was trained on, with the features and the label: samples of them become the golden rows and the reference.
    label : str
        The label's column.
    seed : int
        Of the samples.

    Returns
    -------
    dict of str to bytes
        ``model.json`` (and what the trainer adds), the companions' files under their prefix, ``definitions.json``, ``card.json``,
        ``card.md``, ``golden.json`` (up to 50 rows with the scores of model and baseline) and ``reference.parquet`` (up to
        20,000 rows: features, label, the columns of both scores).
    """
    files = dict(trained.to_files())
    for role, companion in companions.items():
        files |= {f"{role}_{name}": content for name, content in companion.to_files().items()}
    import numpy as np

    names = [feature.name for feature in trained.features]
    drawn = np.random.default_rng(seed).permutation(rows.height)[:REFERENCE_ROWS]
    sampled = rows.select(*names, label)[drawn]
    scores, simpler = trained.predict(sampled), companions["baseline"].predict(sampled)
    golden = {"rows": _golden_values(sampled.head(GOLDEN_ROWS), trained), "scores": scores[:GOLDEN_ROWS].tolist()}
    files["golden.json"] = _json(golden | {"baseline_scores": simpler[:GOLDEN_ROWS].tolist()})
    files["definitions.json"] = _json([dict(definition) for definition in definitions])
    files |= card_files(card, card_text)
    columns = trained.target.to_columns(scores)
    of_baseline = {f"{BASELINE}{name}": values for name, values in companions["baseline"].target.to_columns(simpler).items()}
    files[REFERENCE] = _parquet(sampled, columns | of_baseline)
    return files


def card_files(card: Mapping[str, Any], card_text: str) -> dict[str, bytes]:
    """Return the files of a card."""
    return dict(zip(CARD_FILES, (_json(card), card_text.encode()), strict=True))


def read_model_files(files: Mapping[str, bytes]) -> ModelFile:
    """Load a model version, and make sure that it still gives the scores it gave.

    Parameters
    ----------
    files : mapping of str to bytes
        All files of the version but ``reference.parquet``. Their digests must have been checked: LightGBM ends the process on a damaged
        text, or scores differently in silence.

    Raises
    ------
    ModelError
        If a file is missing or unreadable, or a golden row has another score than when the model was made.
    """
    trained = load_trained(files)
    companions = {role: load_trained(_prefixed(files, role)) for role in COMPANIONS if f"{role}_model.json" in files}
    try:
        golden = json.loads(files["golden.json"])
        definitions = tuple(json.loads(files["definitions.json"]))
        card = json.loads(files["card.json"])
        card_text = files["card.md"].decode()
    except KeyError as missing:
        raise ModelError(f"The model cannot be loaded: {missing} is missing. Its files are {', '.join(sorted(files))}.") from None
    except ValueError as error:
        raise ModelError(f"The model cannot be loaded: a file beside it is damaged ({error}). Restore it, or train again.") from error
    check_golden(trained, golden)
    # Versions of before the baseline could serve have no scores of it.
    if "baseline_scores" in golden and "baseline" in companions:
        check_golden(companions["baseline"], {"rows": golden["rows"], "scores": golden["baseline_scores"]})
    return ModelFile(trained, companions, definitions, card, card_text)


def check_golden(trained: Trained, golden: Mapping[str, Any]) -> None:
    """Score the golden rows again.

    Parameters
    ----------
    trained : Trained
        The model as loaded.
    golden : mapping
        ``rows``: per feature its values; ``scores``: what the model gave for them when it was made.

    Raises
    ------
    ModelError
        If one of them differs by more than 1e-9 (relative to scores above 1).
    """
    import numpy as np

    try:
        expected = np.asarray(golden["scores"], dtype=np.float64)
        found = trained.predict(_golden_frame(golden["rows"], trained, len(expected)))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"The model's golden rows cannot be read ({error!r}). Restore the version's files, or train again.") from error
    if expected.size == 0:
        raise ModelError("The model has no golden rows, so nobody can tell whether it is what it was. Train it again.")
    if found.shape != expected.shape:
        raise ModelError(f"The model gives {found.shape} scores for its golden rows, which had {expected.shape}. Train it again.")
    # A row of several answers differs where one of them does.
    off = (np.abs(found - expected) > TOLERANCE * np.maximum(1.0, np.abs(expected))).reshape(len(expected), -1).any(axis=1)
    if off.any():
        first = int(np.argmax(off))
        detail = f"golden row {first} scores {found[first].tolist()!r}, it was {expected[first].tolist()!r}"
        raise ModelError(
            f"The model does not give the scores that it was stored with: {int(off.sum())} of {len(expected)} golden rows differ "
            f"({detail}). Its files were changed, or the library that scores it was. Install the one it was trained with, or train again."
        )


def _golden_values(sample: pl.DataFrame, trained: Trained) -> dict[str, list[Any]]:
    """Return the features' values as JSON can hold them: durations in microseconds, what is not finite as missing."""
    import polars as pl

    values = {}
    for feature in trained.features:
        column = sample[feature.name]
        if feature.is_text:
            column = column.cast(pl.String)
        elif column.dtype == pl.Duration:
            column = column.dt.total_microseconds()
        elif column.dtype != pl.Boolean:
            numbers = column.cast(pl.Float64)
            column = numbers.set(~numbers.is_finite(), None)
        values[feature.name] = column.to_list()
    return values


def _golden_frame(values: Mapping[str, list[Any]], trained: Trained, rows: int) -> pl.DataFrame:
    """Build the frame that ``_golden_values`` described, columns in reverse: a model must find its own order."""
    import polars as pl

    columns = {"_row": pl.Series("_row", range(rows), dtype=pl.Int64)}
    for feature in reversed(trained.features):
        if feature.is_text:
            columns[feature.name] = pl.Series(feature.name, values[feature.name], dtype=pl.String)
        elif feature.dtype.startswith("Duration"):
            columns[feature.name] = pl.Series(feature.name, values[feature.name], dtype=pl.Int64).cast(pl.Duration("us"))
        else:
            columns[feature.name] = pl.Series(feature.name, values[feature.name]).cast(pl.Float64)
    return pl.DataFrame(columns)


def _parquet(sample: pl.DataFrame, scores: Mapping[str, pl.Series]) -> bytes:
    buffer = io.BytesIO()
    sample.with_columns(values.alias(name) for name, values in scores.items()).write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False).encode()


def _prefixed(files: Mapping[str, bytes], role: str) -> dict[str, bytes]:
    prefix = f"{role}_"
    return {name[len(prefix) :]: content for name, content in files.items() if name.startswith(prefix)}
