"""Drift: what a day costs, how often a rule cries wolf, and what it sees; ours, simpler rules and Evidently side by side.

Run it with ``python benchmarks/drift.py`` (about two minutes on two cores; ``--rows`` and ``--windows`` make it larger). CPU seconds of the
process; real flights with their weather, in shuffled order where nothing may be found.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import polars as pl

from examples.flights.nycflights import find_nycflights, read_year
from ml_platform.monitoring.drift import ColumnDrift, compare
from ml_platform.monitoring.evidently_report import evidently_report
from ml_platform.monitoring.profile import Layout, Profile, layout_of, profile_of, profiles_by
from ml_platform.sql.duck import connect

WEATHER = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
REFERENCE_ROWS = 20_000
Rule = Callable[[tuple[ColumnDrift, ...]], bool]

RULES: dict[str, Rule] = {
    "two-part (the check)": lambda found: any(v.drifted for v in found),
    "two-part, strict (the decision)": lambda found: any(v.strict for v in found),
    "p < 0.01, Bonferroni": lambda found: any(min(v.p_value, v.missing_p_value) < 0.01 / (2 * len(found)) for v in found),
    "p < 0.05": lambda found: any(v.p_value < 0.05 for v in found),
    "PSI >= 0.1": lambda found: any(v.stability >= 0.1 for v in found),
    "PSI >= 0.2": lambda found: any(v.stability >= 0.2 for v in found),
}


def flights() -> pl.DataFrame:
    """Return the year's flights with the weather of their hour: 13 columns."""
    schedule = next(feed for feed in read_year().feeds if feed.name == "schedule").rows
    weather = pl.read_csv(find_nycflights() / "weather.csv", null_values=["NA"], infer_schema_length=None)
    hour = weather.with_columns(pl.col("time_hour").str.to_datetime(time_zone="UTC", time_unit="us")).unique(["origin", "time_hour"])
    rows = schedule.with_columns(pl.col("scheduled_at").dt.truncate("1h").alias("time_hour").cast(hour["time_hour"].dtype))
    return rows.join(hour.select("origin", "time_hour", *WEATHER), on=["origin", "time_hour"], how="left", maintain_order="left").select(
        "carrier", "origin", "dest", "distance", "hour", "flight", *WEATHER
    )


def cpu(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def speed(rows: int) -> None:
    """One day more to compare: our scan and judgement, and Evidently's report over the same rows."""
    chance = np.random.default_rng(0)

    def side(shift: float) -> pl.DataFrame:
        numbers = {f"n{i}": chance.normal(shift if i == 0 else 0, 1, rows) for i in range(10)}
        return pl.DataFrame(numbers | {f"c{i}": chance.choice(list("abcdefgh"), rows) for i in range(10)})

    reference, current = side(0), side(0.3)
    with connect() as con:
        before, now = (con.from_arrow(one.to_arrow()) for one in (reference, current))
        learnt: list[tuple[Layout, Profile]] = []
        first = cpu(lambda: learnt.append((layout := layout_of(before), profile_of(before, layout))))
        layout, profile = learnt[0]
        counted: list[Profile] = []
        scan = cpu(lambda: counted.append(profile_of(now, layout)))
    # The first judgement of a process imports scipy.
    judged: list[tuple[ColumnDrift, ...]] = [compare(profile, counted[0])]
    judge = cpu(lambda: judged.append(compare(profile, counted[0])))
    small = reference.head(100)
    load = cpu(lambda: evidently_report(small, small))
    theirs = cpu(lambda: evidently_report(reference, current, most_rows=rows))
    print(f"\nOne window of {rows:,} rows x 20 columns against as many (CPU seconds)")
    print(f"  reference, once per model: {first:.2f}   window: {scan:.2f} scan + {judge:.3f} judgement")
    print(f"  Evidently: {theirs:.1f} per window (+ {load:.1f} to import): {theirs / (scan + judge):.0f} times as much")


def false_alarms(shuffled: pl.DataFrame, rows: int, windows: int) -> None:
    """Windows of a year in shuffled order: whatever is found is a false alarm."""
    reference, rest = shuffled[:REFERENCE_ROWS], shuffled[REFERENCE_ROWS : REFERENCE_ROWS + rows * windows]
    with connect() as con:
        before = con.from_arrow(reference.to_arrow())
        layout = layout_of(before)
        profile = profile_of(before, layout)
        cut = rest.with_columns((pl.int_range(pl.len()) // rows).alias("window"))
        profiles = profiles_by(con.from_arrow(cut.to_arrow()), layout, "window")
    verdicts = [compare(profile, one) for one in profiles.values()]
    print(f"\nFalse alarms: share of {len(verdicts)} windows of {rows:,} rows in which any of {shuffled.width} columns is called drifted")
    for name, rule in RULES.items():
        print(f"  {name:34s} {np.mean([rule(found) for found in verdicts]):7.1%}")
    tried = min(len(verdicts), 8)
    reports = [evidently_report(reference, rest[i * rows : (i + 1) * rows]) for i in range(tried)]
    print(f"  {'Evidently, any column':34s} {np.mean([any(r.drifted.values()) for r in reports]):7.1%}   (of {tried} windows)")
    print(f"  {'Evidently, half of the columns':34s} {np.mean([r.drifted_share >= 0.5 for r in reports]):7.1%}")


def power(shuffled: pl.DataFrame, rows: int, windows: int) -> None:
    """Changes of one column, planted into shuffled windows."""
    deviation = float(shuffled["temp"].std())  # type: ignore[arg-type]
    part = pl.int_range(pl.len()) % 20 == 0
    changes = {
        "temp + 0.2 sd": pl.col("temp") + 0.2 * deviation,
        "wind x 1.05": pl.col("wind_speed") * 1.05,
        "5 % of temp missing": pl.when(~part).then("temp").alias("temp"),
        "UA is called UAL": pl.col("carrier").replace({"UA": "UAL"}),
        "5 % of distances in km": pl.when(part).then(pl.col("distance") * 1.609).otherwise("distance").alias("distance"),
    }
    reference, rest = shuffled[:REFERENCE_ROWS], shuffled[REFERENCE_ROWS:]
    print(f"\nPower: share of {windows} windows of {rows:,} rows in which a planted change is seen (the last one is a contract's matter)")
    print(f"  {'':34s}" + "".join(f"{name:>24s}" for name in changes))
    with connect() as con:
        before = con.from_arrow(reference.to_arrow())
        layout = layout_of(before)
        profile = profile_of(before, layout)
        verdicts = {
            name: [
                compare(profile, profile_of(con.from_arrow(rest[i * rows : (i + 1) * rows].with_columns(change).to_arrow()), layout))
                for i in range(windows)
            ]
            for name, change in changes.items()
        }
    for name, rule in RULES.items():
        print(f"  {name:34s}" + "".join(f"{np.mean([rule(found) for found in one]):24.0%}" for one in verdicts.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="rows a side of the speed comparison")
    parser.add_argument("--windows", type=int, default=40, help="windows of false alarms and power")
    given = parser.parse_args()
    speed(given.rows)
    shuffled = flights().sample(fraction=1, shuffle=True, seed=0)
    for rows in (900, 6_300):
        false_alarms(shuffled, rows, min(given.windows, (shuffled.height - REFERENCE_ROWS) // rows))
    power(shuffled, 6_300, min(given.windows, (shuffled.height - REFERENCE_ROWS) // 6_300))


if __name__ == "__main__":
    main()
