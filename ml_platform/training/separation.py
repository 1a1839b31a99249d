"""How well one feature alone gives the answer."""

from __future__ import annotations

import polars as pl

from ml_platform.training.labels import Task

_MIN_ROWS = 50
_MIN_OF_CLASS = 25
_MOST_CLASSES = 10


def separation(features: pl.DataFrame, label: pl.Series, task: Task) -> dict[str, tuple[int, float]]:
    """Measure, feature by feature, how well its value alone gives the label.

    Parameters
    ----------
    features : DataFrame
        One column per feature; NULLs are left out of that feature's measure.
    label : Series of float64, or of texts
        As long as ``features``, without NULL.
    task : str
        ``classification`` (0/1) measures the AUC, ``multiclass`` the largest AUC of one class against the rest, else Spearman's rank
        correlation.

    Returns
    -------
    dict of str to (int, float)
        Per feature the rows that have it, and the measure in [0, 1]: an AUC below one half counts from the other side, as 1 - AUC, a
        correlation by its absolute value. Features with fewer than 50 rows, fewer than 25 rows of a class, or one value are not in it.

    Notes
    -----
    A text is replaced by the mean label of its value, learned on the even rows for the odd ones and the other way round, so that a text
    that is different in each row does not seem to know the answer. The AUC is that of Mann and Whitney, ties counted half.
    """
    if task == "multiclass":
        return _of_classes(features, label)
    encoded = pl.DataFrame([_encoded(features[name], label) for name in features.columns])
    if encoded.is_empty():
        return {}
    found = {}
    if task == "classification":
        stats = _rank_sums(encoded, label == 1)
        for name, (count, positive, ranks) in stats.items():
            negative = count - positive
            if count >= _MIN_ROWS and min(positive, negative) >= _MIN_OF_CLASS and encoded[name].drop_nulls().n_unique() > 1:
                auc = (ranks - positive * (positive + 1) / 2) / (positive * negative)
                found[name] = (count, max(auc, 1 - auc))
        return found
    for name in encoded.columns:
        both = pl.DataFrame({"x": encoded[name], "y": label}).drop_nulls()
        if both.height >= _MIN_ROWS and both["x"].n_unique() > 1 and both["y"].n_unique() > 1:
            found[name] = (both.height, abs(both.select(pl.corr("x", "y", method="spearman")).item()))
    return found


def _of_classes(features: pl.DataFrame, label: pl.Series) -> dict[str, tuple[int, float]]:
    """Return per feature the measure of the class that it tells best from the rest."""
    best: dict[str, tuple[int, float]] = {}
    for name in frequent_classes(label):
        for feature, found in separation(features, (label == name).cast(pl.Float64), "classification").items():
            best[feature] = max(best.get(feature, found), found, key=lambda one: one[1])
    return best


def frequent_classes(label: pl.Series) -> list[str]:
    """Return the most frequent classes, at most ten: of the others there are too few rows to show anything."""
    counts = label.drop_nulls().cast(pl.String).value_counts(name="rows").sort(["rows", label.name], descending=[True, False])
    return counts[label.name].head(_MOST_CLASSES).to_list()


def _rank_sums(features: pl.DataFrame, positive: pl.Series) -> dict[str, tuple[int, int, float]]:
    """Return per feature: rows that have it, positive ones of these, and the sum of the positives' ranks."""
    rows = features.with_columns(positive.alias("_positive"))
    is_positive = pl.col("_positive")
    counts = rows.select(pl.col(features.columns).count()).row(0)
    positives = rows.select(pl.col(features.columns).filter(is_positive).count()).row(0)
    sums = rows.select(pl.col(features.columns).rank("average").filter(is_positive).sum()).row(0)
    return {n: (c, p, s) for n, c, p, s in zip(features.columns, counts, positives, sums, strict=True)}


def _encoded(feature: pl.Series, label: pl.Series) -> pl.Series:
    """Return a feature as numbers in which an order means something."""
    if feature.dtype == pl.Boolean:
        return feature.cast(pl.Float64)
    if feature.dtype.is_numeric():
        return feature
    if feature.dtype.is_temporal():
        return feature.to_physical()
    rows = pl.DataFrame({"value": feature.cast(pl.String), "label": label}).with_row_index("n").with_columns(fold=pl.col("n") % 2)
    means = rows.group_by("value", "fold").agg(pl.col("label").mean().alias("mean")).with_columns(fold=1 - pl.col("fold").cast(pl.Int8))
    learned = rows.with_columns(pl.col("fold").cast(pl.Int8)).join(means, on=["value", "fold"], how="left", maintain_order="left")
    unseen = pl.when(pl.col("value").is_not_null()).then(float(label.mean() or 0.0))  # type: ignore[arg-type]
    return learned.select(pl.coalesce("mean", unseen).alias(feature.name)).to_series()
