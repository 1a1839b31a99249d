"""``python -m examples.purchases.feed`` (part of `make purchases`): the purchases as one CSV, as a shop would export them."""

from __future__ import annotations

import csv
import io
import sys
from datetime import UTC, date, datetime, time
from pathlib import Path

from examples.packaged_data import find_data
from ml_platform.commands.answer import Answer, carry_out
from ml_platform.components.settings import project_clock

HOME = Path(__file__).parent
COLUMNS = ("customer_id", "date", "number_of_cds", "dollar_value")
LAST_EXPORT = date(1998, 7, 1)


def land(root: Path, until: date = LAST_EXPORT, *, one_in: int = 1) -> int:
    """Deliver the purchases of CDNOW, an early music shop in the web: all that 23,570 new customers of 1997 bought until June 1998.

    Parameters
    ----------
    root : Path
        The folder of the dg project. A file in its landing zone that holds the same already is left as it is.
    until : date
        The day of the export: what was bought before is in it, and it is the platform's time then. By the machine's time nobody would have
        bought anything for decades, and the labels of the last weeks would be known.
    one_in : int
        Only every so many-th customer.

    Returns
    -------
    int
        How many purchases there are in the file.

    References
    ----------
    .. [1] P. Fader, B. Hardie (2001), Forecasting repeat sales at CDNOW: a case study, Interfaces 31(3).
    """
    lines = (find_data("lifetimes", "datasets") / "CDNOW_master.txt").read_text(encoding="ascii").splitlines()
    rows = [row for row in map(str.split, lines[1:]) if row[1] < f"{until:%Y%m%d}" and int(row[0]) % one_in == 0]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *rows])
    file = root / "data" / "landing" / "purchases" / "purchases.csv"
    if not file.is_file() or file.read_text(encoding="ascii") != text.getvalue():
        file.parent.mkdir(parents=True, exist_ok=True)
        # Files appear whole or not at all; a name that begins with a dot is nobody's delivery.
        unfinished = file.with_name(f".{file.name}.unfinished")
        unfinished.write_text(text.getvalue(), encoding="ascii")
        unfinished.replace(file)
    project_clock(root).move(datetime.combine(until, time(), UTC))
    return len(rows)


def _landed() -> Answer:
    count = land(HOME)
    return Answer(count, (f"==> {count:,} purchases are in {HOME}/data/landing/purchases/purchases.csv; it is {LAST_EXPORT} (data/now)",))


if __name__ == "__main__":
    sys.exit(carry_out(_landed, as_json=False))
