"""Small plots for the UI: ``draw`` turns the data of a ``Plot`` into a Markdown image that is short enough to be shown in place.

Keys of ``Plot.data`` by kind (after a semicolon: those that may be left out); lists of one kind are of one length, a value that is
None or not finite is not drawn:

* ``importance``: features, values (any unit; drawn as shares of their sum)
* ``calibration``: predicted, observed (means per bin), rows; ``task`` (default classification)
* ``roc``: curves, a list of {name, false_positive_rate, true_positive_rate, auc}, the model first; or one such curve by itself
* ``size_curve``: sizes, quality (or auc), chosen (one of the sizes); error (of the quality), before_noise, baseline
* ``drift``: columns, effects (as multiples of the size that matters), drifted (booleans), importance (shares or None)
* ``scores``: edges (one more than bins), reference, current (shares of rows per bin); ``shown`` (what is current: a day, a window)
* ``classes``: classes, reference, current (mean probability of each); ``shown``
* ``bands``: at (names along the axis), reference and current ({low, middle, high}, each a list); ``along`` (the axis), ``shown``
* ``rejected``: partitions, rows (delivered), rejected
* ``confusion``: classes, counts (per class that was, how many rows were taken for each class)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ml_platform.components.events.axes import (
    BAR_X,
    BLUE,
    BOTTOM,
    FIRST_ROW,
    LEFT,
    ORANGE,
    QUIET,
    RIGHT,
    ROW,
    TOP,
    WIDTH,
    Field,
    number_of,
    numbers_in,
    or_zero,
    short,
    titled,
)
from ml_platform.components.events.paths import bars, dots, line, thinned
from ml_platform.components.events.score_plots import draw_bands, draw_classes, draw_scores
from ml_platform.core.errors import MlPlatformError, did_you_mean
from ml_platform.core.svg import INLINE_LIMIT, Picture
from ml_platform.pipeline.outcome import Plot

MOST_DRIFT = 6.0


def draw(plot: Plot) -> str:
    """Draw a plot.

    Parameters
    ----------
    plot : Plot
        Its kind, and data with the keys of that kind (see above).

    Returns
    -------
    str
        Markdown below 1,000 characters: an image that is its own address, with as many bars or points as fit, or a sentence where there is
        nothing to draw.

    Raises
    ------
    MlPlatformError
        If the kind is unknown, or a key of it is missing.
    """
    if plot.kind not in _DRAWINGS:
        raise MlPlatformError(f"No plot is called {plot.kind!r}. {did_you_mean(plot.kind, _DRAWINGS)}")
    drawing, details, *forms = _DRAWINGS[plot.kind]
    keys = next((form for form in forms if all(key in plot.data for key in form)), None)
    if keys is None:
        needed = ", or ".join(", ".join(form) for form in forms)
        raise MlPlatformError(f"A plot of kind {plot.kind!r} needs {needed}; its data has {', '.join(plot.data) or 'nothing'}.")
    if not len(plot.data[keys[0]]):
        return f"_No data for the plot of {plot.kind.replace('_', ' ')} yet._"
    written = (drawing(plot.data, detail).to_markdown(plot.kind.replace("_", " ")) for detail in details)
    return next(text for text in written if len(text) < INLINE_LIMIT)


def _importance(data: Mapping[str, Any], rows: int) -> Picture:
    values = [or_zero(value) for value in numbers_in(data["values"])]
    total = sum(values) or 1.0
    ranked = sorted(zip(data["features"], (value / total for value in values), strict=True), key=lambda pair: -pair[1])
    shown = ranked[:rows]
    picture = titled(f"Importance{f', {rows} of {len(ranked)} features' if len(ranked) > rows else ''}", FIRST_ROW + ROW * len(shown))
    most = max(share for _, share in shown) or 1.0
    picture.path(
        bars([(WIDTH - BAR_X) * share / most for _, share in shown], x=BAR_X, first=FIRST_ROW, step=ROW), stroke=BLUE, stroke_width=8
    )
    for place, (name, share) in enumerate(shown):
        picture.text(0, FIRST_ROW + 3 + ROW * place, f"{short(name)} {share:.0%}")
    return picture


def _drift(data: Mapping[str, Any], rows: int) -> Picture:
    found = list(zip(data["columns"], (or_zero(e) for e in numbers_in(data["effects"])), data["drifted"], data["importance"], strict=True))
    found.sort(key=lambda row: (not row[2], -(row[3] or 0.0), -row[1]))
    shown, moved = found[:rows], sum(bool(d) for d in data["drifted"])
    picture = titled(f"Drift: {moved} of {len(found)} columns; the line is what matters", FIRST_ROW + ROW * len(shown))
    unit = (WIDTH - BAR_X) / MOST_DRIFT
    for colour, is_moved in ((ORANGE, True), (BLUE, False)):
        lengths = [unit * min(effect, MOST_DRIFT) if bool(drifted) is is_moved else 0.0 for _, effect, drifted, _ in shown]
        picture.path(bars(lengths, x=BAR_X, first=FIRST_ROW, step=ROW), stroke=colour, stroke_width=8)
    picture.path(f"M{round(BAR_X + unit)} {FIRST_ROW - ROW // 2}v{ROW * len(shown)}", stroke="black")
    for place, (name, _, _, weight) in enumerate(shown):
        picture.text(0, FIRST_ROW + 3 + ROW * place, short(name) if weight is None else f"{short(name)} {weight:.0%}")
    return picture


def _calibration(data: Mapping[str, Any], points: int) -> Picture:
    triples = list(zip(numbers_in(data["predicted"]), numbers_in(data["observed"]), numbers_in(data["rows"]), strict=True))
    shown = thinned([t for t in triples if not any(map(math.isnan, t[:2]))], points)
    predicted, observed = [t[0] for t in shown], [t[1] for t in shown]
    known = [*predicted, *observed] or [0.0, 1.0]
    ends = [min(0.0, *known), max(known)]
    field = Field(ends, ends)
    picture = titled("Calibration: what was predicted, and what happened")
    field.frame(picture, "mean prediction", beside="what happened", form=".2g")
    picture.path(line(field.points(ends, ends)), stroke=QUIET)
    placed = field.points(predicted, observed)
    picture.curve(line(placed), BLUE)
    most = max((or_zero(rows) for *_, rows in triples), default=0.0)
    # Bins with less than a quarter of the largest one's rows are drawn smaller: they can lie off by chance.
    few = [or_zero(rows) < most / 4 for *_, rows in shown]
    for is_few, size in ((False, 7), (True, 4)):
        picture.path(
            dots(p for p, small in zip(placed, few, strict=True) if small is is_few), stroke=BLUE, stroke_width=size, stroke_linecap="round"
        )
    return picture


def _roc(data: Mapping[str, Any], points: int) -> Picture:
    curves = data.get("curves") or [data]
    field = Field([0, 1], [0, 1])
    picture = titled(f"ROC, area {', '.join(map(_area, curves))}")
    field.frame(picture, "false positive rate", beside="true positive rate", form="g")
    picture.path(line(field.points([0, 1], [0, 1])), stroke=QUIET)
    for place, curve in reversed(list(enumerate(curves))):
        pairs = thinned(list(zip(numbers_in(curve["false_positive_rate"]), numbers_in(curve["true_positive_rate"]), strict=True)), points)
        picture.curve(line(field.points([p[0] for p in pairs], [p[1] for p in pairs])), "gray" if place else BLUE)
    return picture


def _area(curve: Mapping[str, Any]) -> str:
    found = number_of(curve["auc"])
    name = f"{short(curve['name'], 20)} " if "name" in curve else ""
    return name + ("not known" if math.isnan(found) else f"{found:.3f}")


def _size_curve(data: Mapping[str, Any], points: int) -> Picture:
    sizes, quality = numbers_in(data["sizes"]), numbers_in(data["quality"] if "quality" in data else data["auc"])
    errors = [or_zero(e) for e in numbers_in(data.get("error", [None] * len(sizes)))]
    baseline, chosen, noise = (number_of(data.get(key)) for key in ("baseline", "chosen", "before_noise"))
    spread = [q + sign * e for q, e in zip(quality, errors, strict=True) for sign in (-1, 1)]
    field = Field([*sizes, noise], [*spread, baseline])
    picture = titled(f"How many features are enough: {chosen:.0f}" if chosen in sizes else "How many features are enough")
    field.frame(picture, "features", beside="AUC on validation rows" if "auc" in data else "Gini or R² on validation rows")
    rows = thinned(list(zip(sizes, quality, errors, strict=True)), points)
    placed = field.points([r[0] for r in rows], [r[1] for r in rows])
    picture.curve(line(placed), BLUE)
    picture.path("".join(line(field.points([s, s], [q - e, q + e])) for s, q, e in rows if e), stroke=BLUE)
    picture.path(dots(placed), stroke=BLUE, stroke_width=5, stroke_linecap="round")
    if not math.isnan(baseline):
        picture.path(line(field.points([field.x0, field.x1], [baseline] * 2)), stroke=QUIET)
    if not math.isnan(noise):
        picture.path(line(field.points([noise] * 2, [field.y0, field.y1])), stroke=ORANGE)
        picture.text(field.x(noise) + 2, TOP + 6, "noise")
    at = dict(zip(sizes, quality, strict=True)).get(chosen, math.nan)
    picture.path(dots(field.points([chosen], [at])) if not math.isnan(at) else "", stroke=ORANGE, stroke_width=9, stroke_linecap="round")
    return picture


def _rejected(data: Mapping[str, Any], columns: int) -> Picture:
    delivered, rejected = ([or_zero(value) for value in numbers_in(data[name])] for name in ("rows", "rejected"))
    group = math.ceil(len(delivered) / columns)
    sums = [(sum(rejected[n : n + group]), sum(delivered[n : n + group])) for n in range(0, len(delivered), group)]
    shares = [bad / rows if rows else 0.0 for bad, rows in sums]
    picture = titled(f"Rejected: {sum(rejected):,.0f} rows of {sum(delivered):,.0f} delivered")
    top = max(shares) or 0.01
    width = (RIGHT - LEFT) / len(shares)
    heights = [round((BOTTOM - TOP) * share / top) for share in shares]
    d = "".join(f"M{round(LEFT + width * (n + 0.5))} {BOTTOM}v-{height}" for n, height in enumerate(heights) if height)
    picture.path(d, stroke=ORANGE, stroke_width=max(1, round(width * 0.8)))
    picture.curve(f"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}", "black")
    picture.text(0, TOP + 6, f"{top:.1%}")
    names = ["all" if key is None else str(key) for key in data["partitions"]]
    picture.text(LEFT, BOTTOM + 12, names[0])
    if len(names) > 1:
        picture.text(RIGHT, BOTTOM + 12, names[-1], text_anchor="end")
    return picture


def _confusion(data: Mapping[str, Any], size: int) -> Picture:
    """Draw shares of the rows of each class that were taken for each class, the darker the larger; rare classes are left out first."""
    counts = data["counts"]
    places = sorted(range(len(counts)), key=lambda n: (-sum(counts[n]), n))[:size]
    shown = f", {size} of {len(counts)} classes" if len(counts) > size else ""
    picture = titled(f"What was (lines), taken for what (columns, same order){shown}", FIRST_ROW + ROW * len(places))
    width = min(30, (WIDTH - BAR_X) // len(places))
    cells = {
        (line_, column): counts[a][b] / (sum(counts[a]) or 1) for line_, a in enumerate(places) for column, b in enumerate(places)
    }  # fmt: skip
    for low, top, opacity in ((0.6, 1.1, 1), (0.3, 0.6, 0.6), (0.1, 0.3, 0.3), (0.02, 0.1, 0.12)):
        d = "".join(f"M{BAR_X + width * x} {FIRST_ROW + ROW * y}h{width - 2}" for (y, x), share in cells.items() if low <= share < top)
        picture.path(d, stroke=BLUE, stroke_width=ROW - 2, opacity=opacity)
    for place, number in enumerate(places):
        picture.text(0, FIRST_ROW + 3 + ROW * place, f"{short(data['classes'][number], 24)} {cells[place, place]:.0%} right")
    return picture


# Per kind: how it is drawn, in how many bars or points at most (fewer where the names are long), and the keys that it needs (of several
# forms, one).
_ROWS = range(14, 0, -1)
_DRAWINGS: dict[str, tuple[Any, ...]] = {
    "importance": (_importance, _ROWS, ("features", "values")),
    "calibration": (_calibration, range(20, 1, -1), ("predicted", "observed", "rows")),
    "roc": (_roc, range(40, 1, -2), ("curves",), ("false_positive_rate", "true_positive_rate", "auc")),
    "size_curve": (_size_curve, range(20, 1, -1), ("sizes", "quality", "chosen"), ("sizes", "auc", "chosen")),
    "drift": (_drift, _ROWS, ("columns", "effects", "drifted", "importance")),
    "scores": (draw_scores, range(24, 1, -1), ("edges", "reference", "current")),
    "classes": (draw_classes, _ROWS, ("classes", "reference", "current")),
    "bands": (draw_bands, range(40, 1, -1), ("at", "reference", "current")),
    "confusion": (_confusion, range(8, 0, -1), ("classes", "counts")),
    "rejected": (_rejected, range(60, 1, -4), ("partitions", "rows", "rejected")),
}
