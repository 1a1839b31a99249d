"""Lengths of time with which a question can be answered from a history of so many days."""

from __future__ import annotations

from dataclasses import dataclass

# A model is judged on three cutoffs at least; one more, because labels of the last ones may not be known yet.
_JUDGED = 5
# To replace a champion without a person, a model is judged on ten.
_FREELY = 10
_LONGEST_LOOK_BACK = 730
_MOST_ROWS = 200_000
# Days: the longest of them that a history holds is a window too.
_LONG = (182, 91)
# What comes less often than this, in days, needs windows of its own: months and years.
_SELDOM = 28
_SLOW = (28, 91, 365, 5 * 365)


@dataclass(frozen=True)
class Settings:
    """Days: between cutoffs, over which an answer is observed, of the splits; and how many answers there are for one cutoff."""

    every: int
    horizon: int
    within: int
    look_back: int
    validate: int
    test: int
    steps: int = 1

    def training(self, rows: int = 0) -> dict[str, object]:
        """Return what a problem says of its training; ``rows`` is about how many there would be."""
        found: dict[str, object] = {
            "every": "7d", "look_back": f"{self.look_back}d", "validate": f"{self.validate}d", "test": f"{self.test}d",
        }  # fmt: skip
        return found | ({"max_rows": _MOST_ROWS} if rows > _MOST_ROWS else {})

    @property
    def cutoffs(self) -> int:
        """How many cutoffs the look-back holds."""
        return self.look_back // self.every


def windows_for(days: int, step: int = 1, cadence: float | None = None) -> list[int]:
    """Return windows of features, in days, of which a history holds several.

    Parameters
    ----------
    days : int
        How many days the history spans.
    step : int
        The days between rows of one thing, where they come on a grid.
    cadence : float, optional
        The days that usually lie between rows of one thing, where they do not: most windows shorter than that would be empty.

    Examples
    --------
    >>> windows_for(700), windows_for(56_000, cadence=42.0), windows_for(365, cadence=42.0)
    ([1, 7, 28, 182], [91, 365, 1825], [28, 91])
    """
    if step == 1 and cadence is not None and cadence > _SELDOM:
        able = [w for w in _SLOW if w * 2 >= cadence and w * 3 <= days]
        if able:
            return able[-3:]
    wished = (1, 7, 28) if step == 1 else (4 * step, 13 * step)
    # What comes a few times a year says nothing within a month.
    longest = [w for w in _LONG if step == 1 and w * 3 <= days]
    found = [*(w for w in wished if w * 3 <= days), *longest[:1]]
    return found or [max(1, min(step, days))]


def settings_for(days: int, step: int = 1) -> list[Settings]:
    """Return the settings that a history of so many days allows, one per horizon, the wished ones first; none if it is too short.

    Examples
    --------
    >>> [(s.every, s.horizon, s.validate, s.test) for s in settings_for(365)][:2], settings_for(8)
    ([(7, 28, 35, 70), (7, 14, 35, 70)], [])

    Answers of the validation are in before the test begins, however far they lie ahead.

    >>> all(s.validate >= s.horizon + s.every for days in range(20, 900) for step in (1, 7, 30) for s in settings_for(days, step))
    True
    """
    found = []
    for every, horizons in ((7, (28, 14, 7, 56)), (1, (7, 3, 1))) if step == 1 else ((step, (step, 4 * step)),):
        for judged in (_FREELY, _JUDGED):
            for horizon in horizons:
                test, validate = max(judged * every, 14 if judged == _FREELY else 0), max(_JUDGED * every, horizon + every)
                within = max(every, min(28 if step == 1 else 4 * step, days // 4))
                if days - test - validate - 3 * horizon - within >= _JUDGED * every:
                    found.append(Settings(every, horizon, within, min(days, _LONGEST_LOOK_BACK), validate, test))
            if found:
                return found
    return found


def forecast(days: int, step: int) -> Settings | None:
    """Return settings for the next values of a series: seven days, four weeks, one of anything longer; None if it is too short for one."""
    longest = _LONGEST_LOOK_BACK if step == 1 else 5 * 365
    for steps in ({1: 7, 7: 4}.get(step, 1), 1):
        for judged in (_FREELY, _JUDGED):
            test, validate = max(judged * step, 14 if judged == _FREELY else 0), max(_JUDGED * step, 7)
            if days >= test + validate + 3 * steps * step + 7 * step:
                return Settings(step, step, 4 * step, min(days, longest), validate, test, steps)
    return None


def event_settings(days: int) -> Settings | None:
    """Return settings for a prediction per row; None if the history is too short to judge one on three days."""
    if days < 4 * _JUDGED:
        return None
    test = max(_JUDGED, min(days // 4, 56))
    return Settings(1, 1, 1, min(days + 1, 5 * _LONGEST_LOOK_BACK), test, test)
