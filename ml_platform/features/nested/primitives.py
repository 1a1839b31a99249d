"""Every standard primitive of Featuretools 1.31 and what the engine does with it; ``docs/reference/primitives.md`` is made from this.

``fast``: the engine's own arrays. ``fallback``: Featuretools' own function, over exactly the rows of our rule. ``refused``: an error when
the declaration is loaded, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from ml_platform.core.errors import did_you_mean

NEIGHBOURS = (
    "looks at other rows of its table, so that Featuretools' own value depends on which rows are asked for together; "
    "an aggregation over a window says the same of past rows alone"
)
SEEN = "over the values among its rows; Featuretools also counts, as never seen, those of all other rows, the future's included"
ENDS = "of another time than the rows' own, such as a parent's, by Featuretools' own function: that of the first or last row"
PLACES = "takes places (LatLong: two numbers in one value), which no column of a table can hold"
ZONES = "takes times with a zone; all times here are UTC"


@dataclass(frozen=True)
class Handling:
    """What is done with a primitive; ``note`` is a rule worth knowing, or the reason of a refusal."""

    path: Literal["fast", "fallback", "refused"]
    note: str = ""
    ordered: bool = False


def _fast(*names: str, note: str = "", ordered: bool = False) -> dict[str, Handling]:
    return dict.fromkeys(names, Handling("fast", note, ordered))


def _fallback(*names: str, note: str = "", ordered: bool = False) -> dict[str, Handling]:
    return dict.fromkeys(names, Handling("fallback", note, ordered))


def _refused(reason: str, *names: str) -> dict[str, Handling]:
    return dict.fromkeys(names, Handling("refused", reason))


AGGREGATIONS: Mapping[str, Handling] = {
    **_fast("count", "sum", "mean", "min", "max", "max_min_delta"),
    **_fast("std", note="sample deviation, as in a feature matrix of Featuretools; its function called alone divides by n"),
    **_fast("last", "first", note="a NULL in that row is the value, unlike the engine's own `last`", ordered=True),
    **_fast("percent_true", note="NULL counts as not true, unlike the engine's `share`"),
    **_fast("num_true", "any", "all", note="NULL is left out"),
    **_fast("time_since_last", "time_since_first", "first_last_time_delta", note=ENDS, ordered=True),
    **_fast("avg_time_between", ordered=True),
    **_fast("count_greater_than", "count_less_than"),
    **_fallback("count_inside_range", "count_outside_range"),
    **_fast("median", "skew", "num_unique"),
    **_fast("variance", note="of a sample, as in a feature matrix of Featuretools"),
    **_fast("mode", note="of several most frequent values the smallest"),
    **_fast("trend", note="per day", ordered=True),
    **_fallback("entropy", "kurtosis", "percent_unique"),
    **_fallback("average_count_per_unique", note=SEEN),
    **_fallback("n_most_common", "n_most_common_frequency"),
    **_fallback("count_above_mean", "count_below_mean", "count_inside_nth_std", "count_outside_nth_std"),
    **_fallback("max_count", "median_count", "min_count"),
    **_fallback("has_no_duplicates", "is_unique"),
    **_fallback("date_first_event", "n_unique_days", "n_unique_days_of_calendar_year", "n_unique_days_of_month", "n_unique_months"),
    **_fallback("n_unique_weeks"),
    **_fallback(
        "time_since_last_false", "time_since_last_max", "time_since_last_min", "time_since_last_true",
        "is_monotonically_decreasing", "is_monotonically_increasing", "max_consecutive_false", "max_consecutive_negatives",
        "max_consecutive_positives", "max_consecutive_true", "max_consecutive_zeros", "num_consecutive_greater_mean",
        "num_consecutive_less_mean", "num_false_since_last_true", "num_true_since_last_false", "num_peaks", "num_zero_crossings",
        ordered=True,
    ),
}  # fmt: skip

TRANSFORMS: Mapping[str, Handling] = {
    **_fast("absolute", "negate", "square_root", "natural_logarithm", "sine", "cosine", "tangent"),
    **_fast("add_numeric", "subtract_numeric", "multiply_numeric", "divide_numeric"),
    **_fast("add_numeric_scalar", "subtract_numeric_scalar", "scalar_subtract_numeric_feature", "multiply_numeric_scalar"),
    **_fast("divide_numeric_scalar", "divide_by_feature"),
    **_fast("year", "month", "day", "hour", "minute", "second", "weekday", "week", "quarter", "day_of_year"),
    **_fast("is_weekend", note="FALSE of a missing time"),
    **_fast("is_null"),
    **_fast("time_since", "age", note="counted to the cutoff"),
    **_fallback("days_in_month", "is_leap_year", "is_month_start", "is_month_end", "is_quarter_start", "is_quarter_end"),
    **_fallback("is_year_start", "is_year_end", "is_lunch_time", "is_working_hours", "is_first_week_of_month", "nth_week_of_month"),
    **_fallback("part_of_day", "season"),
    **_fallback("date_to_holiday", "distance_to_holiday", "is_federal_holiday", note="by the calendar of the installed `holidays`"),
    **_fallback("and", "or", "not", "multiply_boolean", "multiply_numeric_boolean"),
    **_fallback("modulo_numeric", "modulo_numeric_scalar", "modulo_by_feature", note="NULL by 0; of integers 0 in Featuretools"),
    **_fast(
        "equal", "equal_scalar", "not_equal", "not_equal_scalar", "greater_than", "greater_than_scalar", "greater_than_equal_to",
        "greater_than_equal_to_scalar", "less_than", "less_than_scalar", "less_than_equal_to", "less_than_equal_to_scalar",
        note="NULL where a side is missing; Featuretools says FALSE (unequal: TRUE) or NULL, depending on which rows it computes together",
    ),
    **_fallback("isin"),
    **_fallback(
        "count_string", "mean_characters_per_word", "median_word_length", "num_characters", "num_unique_separators", "num_words",
        "number_of_common_words", "number_of_hashtags", "number_of_mentions", "number_of_unique_words", "number_of_words_in_quotes",
        "punctuation_count", "title_word_count", "total_word_length", "upper_case_count", "upper_case_word_count", "whitespace_count",
        note="the column's `types` must say NaturalLanguage",
    ),
    **_fallback("email_address_to_domain", "is_free_email_domain", note="the column's `types` must say EmailAddress"),
    **_fallback("url_to_domain", "url_to_protocol", "url_to_tld", note="the column's `types` must say URL"),
    **_fallback("one_digit_postal_code", "two_digit_postal_code", note="the column's `types` must say PostalCode"),
    **_fallback("file_extension", note="the column's `types` must say Filepath"),
    **_fallback(
        "full_name_to_first_name", "full_name_to_last_name", "full_name_to_title", note="the column's `types` must say PersonFullName"
    ),
    **_refused(
        NEIGHBOURS,
        "absolute_diff", "cum_count", "cum_max", "cum_mean", "cum_min", "cum_sum", "cumulative_time_since_last_false",
        "cumulative_time_since_last_true", "diff", "diff_datetime", "expanding_count", "expanding_max", "expanding_mean", "expanding_min",
        "expanding_std", "expanding_trend", "exponential_weighted_average", "exponential_weighted_std", "exponential_weighted_variance",
        "lag", "numeric_lag", "percent_change", "percentile", "rate_of_change", "rolling_count", "rolling_max", "rolling_mean",
        "rolling_min", "rolling_outlier_count", "rolling_std", "rolling_trend", "same_as_previous", "savgol_filter",
        "time_since_previous",
    ),
    **_refused(PLACES, "cityblock_distance", "geomidpoint", "haversine", "is_in_geobox", "latitude", "longitude"),
    **_refused(ZONES, "date_to_time_zone"),
}  # fmt: skip


def refusals(names: Iterable[str], known: Mapping[str, Handling], what: str) -> list[str]:
    """Return a sentence for each name that cannot be used as an aggregation or a transform (``what``)."""
    found = []
    for name in names:
        handling = known.get(name)
        if handling is None:
            found.append(f"{name} is no standard {what} of Featuretools 1.31. {did_you_mean(name, usable(known))}")
        elif handling.path == "refused":
            found.append(f"{name} {handling.note}.")
    return found


def usable(known: Mapping[str, Handling]) -> list[str]:
    """Return the names of the primitives that are not refused."""
    return sorted(name for name, handling in known.items() if handling.path != "refused")
