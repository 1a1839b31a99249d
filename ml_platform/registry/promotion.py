"""Whether a challenger takes the champion's place: a pure decision over both models' scores of the same untouched rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ml_platform.core.figures import figure
from ml_platform.models.contender import Role, contender
from ml_platform.models.figures.compare import Comparison, compare, compare_log_loss
from ml_platform.registry.slices import SliceFinding, judge_slices
from ml_platform.training.target import Target, as_target

if TYPE_CHECKING:
    import numpy as np

    from ml_platform.training.labels import Task

Verdict = Literal["promoted", "refused", "held"]

# Rows of one day are one observation: with fewer days a lucky week decides.
MIN_DAYS = 10
MIN_SPAN_DAYS = 14
# A first champion replaces nothing; a few days show whether it knows more than the constant.
MIN_DAYS_FIRST = 3
# A baseline contends because the same rows showed it to be the better of two: the second candidate of a judgement has half the chance of
# error (Bonferroni); the first keeps the usual one, so that looking at two costs the model no power.
CONFIDENCE = {"model": 0.95, "baseline": 0.975}


@dataclass(frozen=True)
class JudgedRows:
    """The rows of a judgement: ``labels``, ``days`` of the cutoff, and ``slices`` (per column its values as text), shape (rows,) each.

    ``task`` says what all scores of these rows answer; of several classes or quantiles it is the target, and scores have a column for each.
    """

    labels: np.ndarray
    days: np.ndarray
    task: Task | Target
    slices: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class PromotionDecision:
    """A verdict, the comparison that decided it (None where none was possible), and the reasons in words and numbers.

    ``role`` says which of the version's two fitted models was judged: the better one, the baseline where they are alike.
    """

    verdict: Verdict
    against: str
    comparison: Comparison | None
    reasons: tuple[str, ...]
    slices: tuple[SliceFinding, ...] = ()
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    role: Role = "model"

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "verdict": self.verdict,
            "role": self.role,
            "against": self.against,
            "reasons": list(self.reasons),
            "comparisons": {name: comparison.to_mapping() for name, comparison in self.comparisons.items()},
            "slices": [finding.to_mapping() for finding in self.slices],
        }


def decide_leaky(suspicions: Sequence[str]) -> PromotionDecision:
    """Refuse a model whose features seem to know the outcome: its figures are no evidence, and nobody could reach them when serving."""
    found = "\n".join(f"  - {says}" for says in suspicions)
    reason = f"Refused for leakage: something in the training set knows the outcome, so its figures prove nothing.\n{found}"
    way_out = (
        "Correct the declaration of what is named above, and train again. If a feature may know it, accept it on record: declare "
        "`leakage: {allow: {FEATURE: the reason}}` of the problem (of the population: `population: {allow: the reason}`), and train again."
    )
    return PromotionDecision("refused", "leakage", None, (reason, way_out))


def decide_first(
    rows: JudgedRows, challenger: np.ndarray, baseline: np.ndarray, constant: np.ndarray, *, same_kind: bool = False
) -> PromotionDecision:
    """Decide where there is no champion yet.

    Parameters
    ----------
    rows : JudgedRows
        Rows that neither training nor selection has seen.
    challenger, baseline, constant : ndarray of float64, shape (rows,)
        The scores of the model, of the baseline and of the constant.
    same_kind : bool
        Whether the model is made by the baseline's own trainer, so that it cannot be better than it.

    Returns
    -------
    Decision
        ``promoted`` if the better of model and baseline is better than the constant beyond chance (one-sided 95 %, of the baseline
        97.5 %, clustered); ``held`` with fewer than three days of rows.
    """
    import numpy as np

    days = int(np.unique(rows.days).size)
    if days < MIN_DAYS_FIRST:
        return PromotionDecision("held", "constant", None, (_too_few(days, MIN_DAYS_FIRST),))
    to_baseline = compare(rows.labels, challenger, baseline, rows.days, rows.task)
    role = contender(to_baseline, same_kind=same_kind)
    scores = challenger if role == "model" else baseline
    to_constant = compare(rows.labels, scores, constant, rows.days, rows.task).with_confidence(CONFIDENCE[role])
    beats_constant = to_constant.lower > 0
    reasons = [
        "There is no champion: the better of model and baseline must beat the constant beyond chance.",
        _contends(to_baseline, role),
        _sentence(to_constant, role, "the constant", 0.0, beats_constant),
    ]
    if not beats_constant:
        reasons.append("So nothing serves yet: neither of the two is known to be worth more than the constant.")
    verdict: Verdict = "promoted" if beats_constant else "refused"
    comparisons = {"constant": to_constant, "baseline": to_baseline}
    return PromotionDecision(verdict, "constant", to_constant, tuple(reasons), (), comparisons, role)


def decide(
    rows: JudgedRows,
    challenger: np.ndarray,
    champion: np.ndarray,
    *,
    margin: float,
    baseline: np.ndarray | None = None,
    same_kind: bool = False,
) -> PromotionDecision:
    """Decide whether a challenger takes the champion's place.

    Parameters
    ----------
    rows : JudgedRows
        Rows that neither model has seen; 28 days are a good measure, at least 14 with rows on 10 of them are asked for.
    challenger, champion : ndarray of float64, shape (rows,)
        Their scores of these rows.
    margin : float
        By how much the challenger must be better beyond chance: AUC, or, where a loss is compared, a share of the champion's.
    baseline : ndarray of float64, shape (rows,), optional
        The scores of the baseline that was fitted beside the challenger; where it is no worse in figures, it contends instead.
    same_kind : bool
        Whether the challenger is made by the baseline's own trainer.

    Returns
    -------
    Decision
        ``promoted`` if the lower one-sided bound (95 %, of a baseline 97.5 %) of the paired, clustered difference is above ``margin``, its
        log-loss is not worse, and no part of the rows is harmed beyond chance; ``held`` where the rows are too few to say; else
        ``refused``.
    """
    import numpy as np

    days, span = int(np.unique(rows.days).size), int(rows.days.max() - rows.days.min() + 1) if rows.days.size else 0
    if days < MIN_DAYS or span < MIN_SPAN_DAYS:
        return PromotionDecision("held", "champion", None, (_too_few(days, MIN_DAYS, span),))
    to_baseline = None if baseline is None else compare(rows.labels, challenger, baseline, rows.days, rows.task)
    role = contender(to_baseline, same_kind=same_kind)
    scores = challenger if role == "model" or baseline is None else baseline
    compared = compare(rows.labels, scores, champion, rows.days, rows.task).with_confidence(CONFIDENCE[role])
    is_binary = as_target(rows.task).task == "classification"
    asked = margin if is_binary else margin * compared.champion
    is_better = compared.lower > asked
    comparisons = {"champion": compared}
    reasons = [_sentence(compared, role, "the champion", asked, is_better)]
    if to_baseline is not None:
        comparisons["baseline"] = to_baseline
        reasons.append(_contends(to_baseline, role))
    if is_binary:
        losses = compare_log_loss(rows.labels, scores, champion, rows.days)
        comparisons["champion, log-loss"] = losses
        is_as_likely = losses.difference >= 0
        reasons.append(f"Probabilities: {_figures(losses)}: they fit {'no worse' if is_as_likely else 'less well'}.")
        is_better = is_better and is_as_likely
    slices = judge_slices(rows.labels, scores, champion, rows.days, rows.slices, rows.task)
    reasons += _about_slices(slices)
    harmed = any(finding.finding == "harmed" for finding in slices)
    verdict: Verdict = "promoted" if is_better and not harmed else "refused"
    return PromotionDecision(verdict, "champion", compared, tuple(reasons), slices, comparisons, role)


def _too_few(days: int, needed: int, span: int | None = None) -> str:
    over = "" if span is None else f", over at least {MIN_SPAN_DAYS} days"
    found = "" if span is None else f" over {span} days"
    return (
        f"Held: there are untouched rows of {days} days{found}, a judgement needs {needed}{over}. "
        "Lengthen training.test, or land more days."
    )


def _figures(compared: Comparison) -> str:
    return (
        f"{compared.measure} {figure(compared.challenger)} against {figure(compared.champion)}, better by "
        f"{figure(compared.difference, signed=True)} [{figure(compared.lower, signed=True)}, {figure(compared.upper, signed=True)}]"
    )


def _sentence(compared: Comparison, role: Role, opponent: str, asked: float, is_better: bool) -> str:
    verdict = "better beyond chance" if is_better else "not better beyond chance"
    return (
        f"{'Against' if role == 'model' else 'The baseline against'} {opponent} on {compared.rows:,} untouched rows: {_figures(compared)} "
        f"(one-sided {100 * compared.confidence:g} % bounds, errors clustered by {compared.clusters} {compared.by}s); the lower bound must "
        f"be above {figure(asked, signed=True)}: {verdict}."
    )


def _contends(to_baseline: Comparison, role: Role) -> str:
    """Say which of the version's two contends, and why."""
    why = "it contends" if role == "model" else "the baseline contends: it is no worse, and simpler"
    return f"The model against its baseline: {_figures(to_baseline)}; {why}."


def _about_slices(slices: tuple[SliceFinding, ...]) -> list[str]:
    """Say what was found in the parts of the rows; nothing where there were none."""
    by = {what: [f for f in slices if f.finding == what] for what in ("harmed", "held", "cannot be tested")}
    reasons = [
        f"Blocked: worse beyond chance for {f.column} {f.value} ({figure(f.difference or 0.0, signed=True)} on {f.rows:,} rows, "
        f"p {f.p_value:.3g})."
        for f in by["harmed"]
    ]  # fmt: skip
    if by["held"]:
        named = ", ".join(f"{f.column} {f.value} ({figure(f.difference or 0.0, signed=True)} on {f.rows:,} rows)" for f in by["held"])
        reasons.append(f"To be looked at by a person: {named} lost, within what chance can do.")
    if by["cannot be tested"]:
        reasons.append(f"Too few rows to test: {', '.join(f'{f.column} {f.value}' for f in by['cannot be tested'])}.")
    return reasons
