"""Small plots for the UI: ``draw`` turns the data of a ``Plot`` into a Markdown image that carries itself (a PNG of about 10 KB).

Keys of ``Plot.data`` by kind (after a semicolon: those that may be left out); lists of one kind are of one length, a value that is
None or not finite is not drawn:

* ``importance``: features, values (any unit; drawn as shares of their sum)
* ``calibration``: predicted, observed (means per bin), rows; ``task`` (default classification)
* ``roc``: curves, a list of {name, false_positive_rate, true_positive_rate, auc}, the model first; or one such curve by itself
* ``size_curve``: sizes, quality (or auc), chosen (one of the sizes); error (of the quality), before_noise, baseline
* ``drift``: columns, effects (as multiples of the size that matters), drifted (booleans), importance (shares or None)
* ``scores``: edges (one more than bins), reference, current (shares of rows per bin)
* ``rejected``: partitions, rows (delivered), rejected
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import MlPlatformError, did_you_mean
from ml_platform.pipeline.outcome import Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT, DPI = 7.0, 3.4, 110
MOST_BARS = 16
LONGEST_NAME = 44
COLOURS = 48

# The UI may be light or dark: the plot brings its own background.
PAPER, INK, QUIET, BLUE, ORANGE, GRID = "#fcfcfd", "#1f2430", "#8a91a0", "#3b6fd4", "#e0702b", "#e3e6ec"


def draw(plot: Plot) -> str:
    """Draw a plot.

    Parameters
    ----------
    plot : Plot
        Its kind, and data with the keys of that kind (see above).

    Returns
    -------
    str
        Markdown: an image with its data in the address, or a sentence where there is nothing to draw.

    Raises
    ------
    MlPlatformError
        If the kind is unknown, or a key of it is missing.
    """
    if plot.kind not in _DRAWINGS:
        raise MlPlatformError(f"No plot is called {plot.kind!r}. {did_you_mean(plot.kind, _DRAWINGS)}")
    drawing, *forms = _DRAWINGS[plot.kind]
    keys = next((form for form in forms if all(key in plot.data for key in form)), None)
    if keys is None:
        needed = ", or ".join(", ".join(form) for form in forms)
        raise MlPlatformError(f"A plot of kind {plot.kind!r} needs {needed}; its data has {', '.join(plot.data) or 'nothing'}.")
    if not len(plot.data[keys[0]]):
        return f"_No data for the plot of {plot.kind.replace('_', ' ')} yet._"
    return f"![{plot.kind}](data:image/png;base64,{base64.b64encode(to_png(plot, drawing)).decode()})"


def to_png(plot: Plot, drawing: Callable[[Axes, Mapping[str, Any]], None]) -> bytes:
    """Draw with ``drawing`` on a figure of its own (no state is shared between threads) and return the PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    bars = len(plot.data["features" if plot.kind == "importance" else "columns"]) if plot.kind in ("importance", "drift") else 0
    height = max(HEIGHT, 0.9 + 0.22 * min(bars, MOST_BARS))
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor=PAPER)
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    _style(axes)
    drawing(axes, plot.data)
    canvas.draw()
    # Few colours make a quarter of the bytes, and a plot has few: the image is stored in every event that shows it.
    image = (
        Image.frombuffer("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba()), "raw", "RGBA", 0, 1)
        .convert("RGB")
        .quantize(COLOURS)
    )
    written = io.BytesIO()
    image.save(written, format="PNG", optimize=True)
    return written.getvalue()


def _style(axes: Axes) -> None:
    axes.set_facecolor(PAPER)
    axes.tick_params(colors=INK, labelsize=8.5, length=0)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)


def _say(axes: Axes, title: str, x: str = "", y: str = "") -> None:
    axes.set_title(title, color=INK, fontsize=10.5, loc="left", fontweight="bold")
    axes.set_xlabel(x, color=INK, fontsize=9)
    axes.set_ylabel(y, color=INK, fontsize=9)


def _legend(axes: Axes, **options: Any) -> None:
    axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, **options)


def _number(value: Any) -> float:
    """Return a finite number, or NaN, which is not drawn."""
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else math.nan


def _numbers(values: Sequence[Any]) -> list[float]:
    return [_number(value) for value in values]


def _short(name: Any) -> str:
    text = str(name)
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"


def _importance(axes: Axes, data: Mapping[str, Any]) -> None:
    values = [0.0 if math.isnan(v) else v for v in _numbers(data["values"])]
    total = sum(values) or 1.0
    shown = sorted(zip(data["features"], values, strict=True), key=lambda pair: -pair[1])[:MOST_BARS]
    axes.barh(range(len(shown)), [100 * value / total for _, value in shown], color=BLUE, height=0.7)
    axes.set_yticks(range(len(shown)), [_short(name) for name, _ in shown])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    rest = f", {MOST_BARS} of {len(values)} features" if len(values) > MOST_BARS else ""
    _say(axes, f"Importance in the model{rest}", x="share of all importance (%)")


def _calibration(axes: Axes, data: Mapping[str, Any]) -> None:
    predicted, observed, rows = _numbers(data["predicted"]), _numbers(data["observed"]), _numbers(data["rows"])
    most = max((r for r in rows if not math.isnan(r)), default=1.0) or 1.0
    known = [v for v in (*predicted, *observed) if not math.isnan(v)] or [0.0, 1.0]
    ends = [min(*known, 0.0), max(known) * 1.05]
    axes.plot(ends, ends, color=QUIET, linewidth=1, linestyle="--", label="perfect")
    axes.plot(predicted, observed, color=BLUE, linewidth=1.2)
    axes.scatter(predicted, observed, s=[0.0 if math.isnan(r) else 12 + 60 * r / most for r in rows], color=BLUE, label="this model")
    classified = data.get("task", "classification") == "classification"
    x, y = ("mean predicted probability", "observed share") if classified else ("mean prediction", "mean of what happened")
    _say(axes, "Calibration: what was predicted, and what happened", x=x, y=y)
    _legend(axes, loc="upper left")


def _roc(axes: Axes, data: Mapping[str, Any]) -> None:
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle="--", label="chance (0.500)")
    curves = data.get("curves") or [data]
    for place, curve in enumerate(curves):
        found, name = _number(curve["auc"]), curve.get("name", "this model")
        axes.plot(
            _numbers(curve["false_positive_rate"]), _numbers(curve["true_positive_rate"]),
            color=BLUE if place == 0 else QUIET, linewidth=1.8 if place == 0 else 1.2, linestyle="-" if place == 0 else ":",
            label=name if math.isnan(found) else f"{name} ({found:.3f})",
        )  # fmt: skip
    _say(axes, "ROC curve (area under it in brackets)", x="false positive rate", y="true positive rate")
    _legend(axes, loc="lower right")


def _size_curve(axes: Axes, data: Mapping[str, Any]) -> None:
    sizes, found = _numbers(data["sizes"]), _numbers(data["quality"] if "quality" in data else data["auc"])
    errors = [0.0 if math.isnan(e) else e for e in _numbers(data.get("error", [None] * len(sizes)))]
    axes.errorbar(sizes, found, yerr=errors, color=BLUE, linewidth=1.6, marker="o", markersize=5, elinewidth=1, label="best by rank")
    baseline, chosen, noise = (_number(data.get(key)) for key in ("baseline", "chosen", "before_noise"))
    if not math.isnan(baseline):
        axes.axhline(baseline, color=QUIET, linewidth=1, linestyle="--", label=f"baseline ({baseline:.3f})")
    if not math.isnan(noise):
        axes.axvline(noise, color=QUIET, linewidth=1, linestyle=":", label=f"first noise probe after {noise:.0f}")
    at = [value for size, value in zip(sizes, found, strict=True) if size == chosen]
    if at:
        axes.scatter([chosen], at, s=110, facecolors="none", edgecolors=ORANGE, linewidths=2, label=f"chosen: {chosen:.0f}", zorder=3)
    axes.set_xticks(sizes, [f"{size:.0f}" for size in sizes])
    _say(
        axes,
        "How many features are enough",
        x="number of features",
        y="AUC on validation rows" if "auc" in data else "Gini (or R²) on validation rows",
    )
    _legend(axes, loc="lower right")


def _drift(axes: Axes, data: Mapping[str, Any]) -> None:
    shown = list(zip(data["columns"], _numbers(data["effects"]), data["drifted"], data["importance"], strict=True))
    shown.sort(key=lambda row: (not row[2], -(row[3] or 0.0), -(0.0 if math.isnan(row[1]) else row[1])))
    columns, kept = len(shown), shown[:MOST_BARS]
    reach = 6.0
    axes.barh(
        range(len(kept)), [min(e, reach) if not math.isnan(e) else 0 for _, e, _, _ in kept],
        color=[ORANGE if drifted else BLUE for _, _, drifted, _ in kept], height=0.7,
    )  # fmt: skip
    for place, (_, effect, _, _) in enumerate(kept):
        if effect > reach:
            axes.text(reach, place, f" {effect:.0f}", va="center", fontsize=8, color=INK)
    axes.axvline(1, color=INK, linewidth=1, linestyle="--")
    names = [f"{_short(name)}{'' if weight is None else f' ({weight:.0%})'}" for name, _, _, weight in kept]
    axes.set_yticks(range(len(kept)), names)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    moved = sum(bool(d) for d in data["drifted"])
    _say(
        axes,
        f"Drift: {moved} of {columns} columns (orange)",
        x="multiple of the change that matters (in brackets: importance)",
    )


def _scores(axes: Axes, data: Mapping[str, Any]) -> None:
    edges = _numbers(data["edges"])
    for name, colour, label in (("reference", QUIET, "training rows"), ("current", BLUE, "this window")):
        shares = [100 * value for value in _numbers(data[name])]
        axes.stairs(
            shares, edges, color=colour, linewidth=1.8, label=label, fill=name == "reference", alpha=0.35 if name == "reference" else 1
        )
    _say(axes, "Scores that were given", x="score", y="share of rows (%)")
    _legend(axes)


def _rejected(axes: Axes, data: Mapping[str, Any]) -> None:
    delivered, rejected = _numbers(data["rows"]), _numbers(data["rejected"])
    shares = [100 * bad / rows if rows else 0.0 for rows, bad in zip(delivered, rejected, strict=True)]
    places = range(len(shares))
    axes.bar(places, shares, color=ORANGE, width=0.8)
    names = [str(key) if key is not None else "all" for key in data["partitions"]]
    every = max(1, math.ceil(len(names) / 8))
    axes.set_xticks(list(places)[::every], names[::every])
    axes.set_ylim(bottom=0, top=None if any(shares) else 1)
    total = sum(r for r in rejected if not math.isnan(r))
    _say(
        axes,
        f"Rejected: {total:,.0f} rows of {sum(d for d in delivered if not math.isnan(d)):,.0f} delivered",
        y="share of the delivered rows (%)",
    )


# Per kind: how it is drawn, and the keys that it needs (of several forms, one).
_DRAWINGS: dict[str, tuple[Any, ...]] = {
    "importance": (_importance, ("features", "values")),
    "calibration": (_calibration, ("predicted", "observed", "rows")),
    "roc": (_roc, ("curves",), ("false_positive_rate", "true_positive_rate", "auc")),
    "size_curve": (_size_curve, ("sizes", "quality", "chosen"), ("sizes", "auc", "chosen")),
    "drift": (_drift, ("columns", "effects", "drifted", "importance")),
    "scores": (_scores, ("edges", "reference", "current")),
    "rejected": (_rejected, ("partitions", "rows", "rejected")),
}
