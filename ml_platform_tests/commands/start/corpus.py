"""Folders as others have them, each of another kind: small, seeded, and with a signal that a model can learn where it holds a question.

A folder is a function that writes it. ``MISSING`` says of those that no question can be drafted from, or of which files are left out, what
the one sentence has to say.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

START = date(2024, 1, 1)
# On how many days shops have sold: fewer are enough where more than the drafting is tried.
DAYS = 120
FOLDERS: dict[str, Callable[[Path], None]] = {}
MISSING: dict[str, str] = {}


def folder(write: Callable[[Path], None]) -> Callable[[Path], None]:
    """Put a folder into the corpus under the name of its function."""
    FOLDERS[write.__name__] = write
    return write


def missing(sentence: str) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    """Put a folder into the corpus of which something is missing."""

    def put(write: Callable[[Path], None]) -> Callable[[Path], None]:
        MISSING[write.__name__] = sentence
        return folder(write)

    return put


def purchases(days: int | None = None, customers: int = 24, seed: int = 1) -> Iterator[tuple[int, str, float, datetime]]:
    """Yield (number, customer, amount, time): every third customer comes every other day, the others now and then."""
    draw = random.Random(seed)
    number = 0
    for n in range(days or DAYS):
        for customer in range(customers):
            if draw.random() < (0.5 if customer % 3 == 0 else 0.05):
                number += 1
                time = datetime.combine(START, datetime.min.time()) + timedelta(
                    days=n, hours=draw.randrange(8, 20), minutes=draw.randrange(60)
                )
                yield number, f"c{customer:02d}", round(draw.lognormvariate(3, 0.5), 2), time


def write(path: Path, header: str, rows: Sequence[Sequence[object]], by: str = ",", encoding: str = "utf-8") -> None:
    """Write a file of lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [header, *(by.join(str(v) for v in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding=encoding)


def orders(path: Path, by: str = ",", encoding: str = "utf-8", header: str = "order_id,customer_id,amount,ordered_at") -> None:
    write(path, header.replace(",", by), [(n, c, a, f"{t:%Y-%m-%dT%H:%M:%SZ}") for n, c, a, t in purchases()], by, encoding)


@folder
def priorities(folder: Path) -> None:
    """Tickets of three priorities, of which some are not known."""
    draw = random.Random(5)
    rows = []
    for number, customer, amount, time in purchases():
        which = "high" if customer in ("c00", "c03") else "low" if amount < 12 else "normal"
        rows.append((number, customer, amount, f"{time:%Y-%m-%d %H:%M:%S}", which if draw.random() > 0.05 else ""))
    write(folder / "tickets.csv", "ticket_id,customer,size,opened_at,priority", rows)


@folder
def column_added(folder: Path) -> None:
    """A file a day, with days missing, whose header gains a column at half time."""
    by_day: dict[date, list[tuple[int, str, float, datetime]]] = {}
    for row in purchases():
        by_day.setdefault(row[3].date(), []).append(row)
    for day, rows in by_day.items():
        late = (day - START).days >= 60
        if day.day % 11:
            lines = [(n, c, a, f"{t:%Y-%m-%d %H:%M:%S}", *(["Y" if n % 2 else "N"] if late else [])) for n, c, a, t in rows]
            write(folder / f"sales_{day:%Y%m%d}.csv", "receipt,customer,amount,sold_at" + ",card" * late, lines)


@folder
def one_csv(to: Path) -> None:
    orders(to / "orders.csv")


@folder
def tabs(to: Path) -> None:
    orders(to / "orders.tsv", "\t")


@folder
def pipes(to: Path) -> None:
    orders(to / "orders.txt", "|")


@folder
def byte_order_mark(to: Path) -> None:
    orders(to / "orders.csv", encoding="utf-8-sig")


@folder
def decimal_commas(to: Path) -> None:
    rows = [(n, c, f"{a:.2f}".replace(".", ","), f"{t:%Y-%m-%d %H:%M:%S}") for n, c, a, t in purchases()]
    write(to / "Umsätze.csv", "Beleg Nr.;Kunde;Betrag (EUR);Zeitstempel date", rows, ";")


@folder
def quoted(to: Path) -> None:
    rows = [(n, f'"{c}, ""the {c}"""', a, f'"{t:%Y-%m-%d %H:%M:%S}"', '"two\nlines"') for n, c, a, t in purchases()]
    write(to / "orders.csv", '"order_id","customer","amount","ordered_at","note, if any"', rows)


@folder
def odd_headers(to: Path) -> None:
    rows = [(n, c, a, f"{t:%Y-%m-%d %H:%M:%S}", a, 1) for n, c, a, t in purchases()]
    write(to / "Order Lines (all).csv", "Order ID, Customer.Name,Unit Price [€],Ordered At,größe,2024", rows)


@folder
def reserved_words(to: Path) -> None:
    rows = [(n, c, a, n % 5, "x" if n % 3 else "y", f"{t:%Y-%m-%d %H:%M:%S}") for n, c, a, t in purchases()]
    write(to / "table.csv", "order,group,select,count,from,at", rows)


@folder
def mixed_types(to: Path) -> None:
    rows = [(n, c, "unknown" if n % 9 == 0 else a, f"{t:%Y-%m-%d %H:%M:%S}") for n, c, a, t in purchases()]
    write(to / "orders.csv", "order_id,customer_id,amount,ordered_at", rows)


@folder
def empty_columns(to: Path) -> None:
    rows = [(n, c, "", a, "NA", f"{t:%Y-%m-%d %H:%M:%S}") for n, c, a, t in purchases()]
    write(to / "orders.csv", "order_id,customer_id,discount,amount,coupon,ordered_at", rows)


@folder
def codes(to: Path) -> None:
    rows = [(n, c, f"0{n % 9}210", 4000000000000 + n % 30, n % 52 + 1, a, f"{t:%Y-%m-%d %H:%M:%S}") for n, c, a, t in purchases()]
    write(to / "orders.csv", "order_id,customer_id,zip,product_upc,week,amount,ordered_at", rows)


@folder
def panel(to: Path) -> None:
    draw = random.Random(3)
    rows = [
        (s, i, START + timedelta(days=d), int(20 * (1 + s % 3) + 12 * (d % 7 > 4) + draw.gauss(0, 3)))
        for s in (1, 2, 3) for i in ("tea", "milk") for d in range(100)
    ]  # fmt: skip
    write(to / "sales.csv", "store_nbr,item,date,units", rows)


@folder
def forecast(to: Path) -> None:
    draw = random.Random(4)
    rows = [
        (f"s{s}", START + timedelta(days=d), round(100 * s + 60 * (d % 7 > 4) + draw.gauss(0, 9), 2))
        for d in range(150)
        for s in range(1, 7)
    ]
    write(to / "stores.csv", "store,day,sales", rows)


@folder
def part_of_a_key(to: Path) -> None:
    write(to / "campaigns.csv", "campaign_id,household_id", [(k, h) for k in range(6) for h in range(12) if (k + h) % 3])
    write(to / "campaign_descriptions.csv", "campaign_id,kind", [(k, "AB"[k % 2]) for k in range(6)])
    rows = [(int(c[1:]), 40000 + n % 7, n % 6, t.date()) for n, c, _, t in purchases()]
    write(to / "redemptions.csv", "household_id,coupon_upc,campaign_id,redeemed_on", [*rows])


@folder
def two_roles(to: Path) -> None:
    draw = random.Random(5)
    teams = [f"team {t}" for t in range(12)]
    write(to / "teams.csv", "team,city", [(t, t[::-1]) for t in teams])
    rows = []
    for n in range(400):
        home, away = draw.sample(range(12), 2)
        rows.append(
            (START + timedelta(days=n // 3), teams[home], teams[away], draw.randrange(0, 2 + home // 3), draw.randrange(0, 2 + away // 3))
        )
    write(to / "games.csv", "date,home_team,away_team,home_score,away_score", rows)


@folder
def nested_json(to: Path) -> None:
    rows = [
        {"_id": n, "event": "visit", "user_id": c, "at": f"{t:%Y-%m-%dT%H:%M:%SZ}", "spent": a, "tags": [1], "from": {"city": "B"}}
        for n, c, a, t in purchases()
    ]
    to.mkdir(exist_ok=True)
    (to / "events.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@folder
def json_array(to: Path) -> None:
    rows = [{"visit_id": n, "user_id": c, "spent": a, "visited_at": f"{t:%Y-%m-%dT%H:%M:%SZ}"} for n, c, a, t in purchases()]
    to.mkdir(exist_ok=True)
    (to / "visits.json").write_text(json.dumps(rows, indent=1))


@folder
def births(to: Path) -> None:
    write(to / "patients.csv", "patient_id,date_of_birth,sex", [(f"c{n:02d}", date(1950 + n, 3, 2), "fm"[n % 2]) for n in range(24)])
    rows = [(n, c, a, t.date(), date(1950 + int(c[1:]), 3, 2)) for n, c, a, t in purchases()]
    write(to / "visits.csv", "visit_id,patient_id,charge,visit_date,birthdate", rows)


@folder
def two_times(to: Path) -> None:
    rows = [
        (
            n,
            c,
            a,
            f"{t:%Y-%m-%d %H:%M:%S}",
            "" if n % 10 == 0 else f"{t + timedelta(hours=30):%Y-%m-%d %H:%M:%S}",
            "true" if a > 20 else "false",
        )
        for n, c, a, t in purchases()
    ]
    write(to / "orders.csv", "order_id,customer_id,amount,ordered_at,delivered_at,is_returned", rows)


@folder
def hive(to: Path) -> None:
    import polars as pl

    rows = pl.DataFrame([*purchases()], schema=["order_id", "customer_id", "amount", "ordered_at"], orient="row")
    for (year, month), part in rows.group_by(
        pl.col("ordered_at").dt.year().alias("year"), pl.col("ordered_at").dt.month().alias("month"), maintain_order=True
    ):
        path = to / "orders" / f"year={year}" / f"month={month:02d}"
        path.mkdir(parents=True)
        part.write_parquet(path / "part-0.parquet")


def by_file(to: Path, name: Callable[[datetime], str]) -> None:
    files: dict[str, list[Sequence[object]]] = {}
    for n, c, a, t in purchases():
        files.setdefault(name(t), []).append((n, c, a, f"{t:%Y-%m-%dT%H:%M:%SZ}"))
    for file, rows in files.items():
        write(to / file, "order_id,customer_id,amount,ordered_at", rows)


@folder
def days_with_gaps(to: Path) -> None:
    by_file(to, lambda t: f"orders/{t:%Y-%m-%d}.csv")
    for n in (3, 4, 30, 77):
        (to / "orders" / f"{START + timedelta(days=n)}.csv").unlink(missing_ok=True)


@folder
def months(to: Path) -> None:
    by_file(to, lambda t: f"orders_{t:%Y-%m}.csv")


@folder
def hours(to: Path) -> None:
    by_file(to, lambda t: f"orders/{t:%Y-%m-%dT%H}.csv")


@folder
def compact_days(to: Path) -> None:
    by_file(to, lambda t: f"export/orders_{t:%Y%m%d}.csv")


@folder
def exported_each_day(to: Path) -> None:
    rows = [(n, c, a, f"{t:%Y-%m-%dT%H:%M:%SZ}") for n, c, a, t in purchases()]
    for last in (100, 110, 120):
        until = [r for r in rows if str(r[3]) < str(START + timedelta(days=last))]
        write(to / f"orders_{START + timedelta(days=last)}.csv", "order_id,customer_id,amount,ordered_at", until)


@folder
def huge_numbers(to: Path) -> None:
    rows = [(98765432109876543210 + n, c, 2**62 + n, a, f"{t:%Y-%m-%d %H:%M:%S}") for n, c, a, t in purchases()]
    write(to / "orders.csv", "order_id,customer_id,serial,amount,ordered_at", rows)


@folder
def date_and_time_apart(to: Path) -> None:
    rows = [(n, c, a, f"{t:%Y-%m-%d}", f"{t:%H:%M}") for n, c, a, t in purchases()]
    write(to / "orders.csv", "order_id,customer_id,amount,order_date,order_time", rows)


@folder
def local_times(to: Path) -> None:
    rows = [(n, c, a, f"{t:%Y-%m-%d %H:%M:%S}+02:00") for n, c, a, t in purchases()]
    write(to / "orders.csv", "order_id,customer_id,amount,ordered_at", rows)


@folder
def three_classes(to: Path) -> None:
    draw = random.Random(6)
    rows = []
    for n, c, a, t in purchases():
        channel = draw.choice(("web", "shop", "phone"))
        usual = {"web": "good", "shop": "fair", "phone": "poor"}[channel]
        rows.append((n, c, channel, a, usual if draw.random() < 0.8 else draw.choice(("good", "fair", "poor")), f"{t:%Y-%m-%d %H:%M:%S}"))
    write(to / "tickets.csv", "ticket_id,customer_id,channel,amount,outcome,opened_at", rows)


@folder
def seldom(to: Path) -> None:
    """Matches of sixteen years, of which a team plays one at home every other month, and shootouts that end forty days before them."""
    draw = random.Random(12)
    teams = [f"team {n:02d}" for n in range(50)]
    matches, shootouts = [], []
    last = date(2023, 12, 29)
    for day in (last - timedelta(days=6 * n) for n in range(16 * 365 // 6, -1, -1)):
        playing = draw.sample(range(50), 12)
        for home, away in zip(playing[::2], playing[1::2], strict=True):
            better = home - away + draw.gauss(2, 6)
            result = "home" if better > 5 else "away" if better < -5 else "draw"
            matches.append((day, teams[home], teams[away], result))
            if result == "draw" and draw.random() < 0.3 and (last - day).days >= 40:
                shootouts.append((day, teams[home], teams[away], teams[draw.choice((home, away))]))
    write(to / "matches.csv", "date,home_team,away_team,result", matches)
    write(to / "shootouts.csv", "date,home_team,away_team,winner", shootouts)


@folder
def yes_and_no(to: Path) -> None:
    rows = [
        (n, c, "mobile" if int(c[1:]) % 3 else "fixed", "Yes" if int(c[1:]) % 3 == 0 and n % 5 else "No", f"{t:%Y-%m-%d}")
        for n, c, _, t in purchases()
    ]
    write(to / "contracts.csv", "contract_id,customer_id,product,churned,day", rows)


@folder
def database_export(to: Path) -> None:
    write(to / "customers.csv", "id,name,created_at", [(n + 1, f"n{n}", f"2023-0{n % 9 + 1}-01 10:00:00") for n in range(24)])
    write(to / "products.csv", "id,price", [(n + 1, n * 2.5) for n in range(10)])
    rows = [(n, int(c[1:]) + 1, f"{t:%Y-%m-%d %H:%M:%S}", "paid") for n, c, _, t in purchases()]
    write(to / "orders.csv", "id,customer_id,created_at,state", rows)
    write(to / "order_items.csv", "id,order_id,product_id,quantity", [(n, n, n % 10 + 1, n % 4 + 1) for n, _, _, _ in rows])


@folder
def looked_up(to: Path) -> None:
    """Sales name a customer and a product, each a table of its own: most of what decides about a return is said there."""
    draw = random.Random(7)
    countries = ["SE", "NO", "DK"]
    rows = [(f"c{n:02d}", countries[n % 3], "n" * (n + 1), 10000 + n, n * 90.5, n % 4 == 0) for n in range(24)]
    write(to / "customers.csv", "id,country,name,zip,total_spent,member", [(*r[:-1], str(r[-1]).lower()) for r in rows])
    write(to / "products.csv", "id,price,colour,sku", [(n, 5 + 9.5 * n, ("red", "blue")[n % 2], 4000 + n) for n in range(10)])
    sales = []
    for n, c, _, t in purchases():
        product = draw.randrange(10)
        returned = draw.random() < (0.7 if product > 6 and countries[int(c[1:]) % 3] == "SE" else 0.1)
        sales.append((n, c, product, n % 4 + 1, str(returned).lower(), f"{t:%Y-%m-%d %H:%M:%S}"))
    write(to / "sales.csv", "id,customer_id,product_id,quantity,returned,sold_at", sales)


@folder
def coded(to: Path) -> None:
    """A database as Parquet: codes that are the keys of a small table, times in nanoseconds, and tables that begin on different days."""
    import polars as pl

    draw = random.Random(8)
    pl.DataFrame({"ShipperID": [1, 2, 3], "CompanyName": ["Fast", "Slow", "Far"]}).write_parquet(to / "shippers.parquet")
    rows = []
    for n, c, a, t in purchases():
        via = draw.randrange(1, 4)
        outcome = ("kept", "returned", "lost")[via - 1] if draw.random() < 0.8 else "kept"
        shipped = t + timedelta(hours=5)
        rows.append((n, c, via, n % 3 + 1, draw.choice(("high", "normal", "low")), outcome, a, t, int(shipped.timestamp()) * 10**9 + 7))
    names = ["OrderID", "CustomerID", "ShipVia", "Quantity", "Priority", "Outcome", "Freight", "OrderDate", "ShippedDate"]
    orders = pl.DataFrame(rows, schema=names, orient="row").with_columns(pl.col("ShippedDate").cast(pl.Datetime("ns")))
    orders.write_parquet(to / "orders.parquet")
    paid = orders.filter(pl.col("OrderID") > 40).select(PaymentID="OrderID", CustomerID="CustomerID", PaidAt="OrderDate", Paid="Freight")
    paid.write_parquet(to / "payments.parquet")


@folder
def paused(to: Path) -> None:
    """Purchases with a pause of seven weeks where the rows would lie on which a model is chosen."""
    rows = [(n, c, f"{t:%Y-%m-%d %H:%M:%S}") for n, c, _, t in purchases(days=300) if not 170 <= (t.date() - START).days < 222]
    write(to / "purchases.csv", "purchase_id,customer_id,bought_at", rows)


@folder
def capitals(to: Path) -> None:
    orders(to / "ORDERS.CSV", header="OrderID,CustomerID,Amount,OrderedAt")


@folder
def old_times(to: Path) -> None:
    rows = [(n, c, a, date(1872, 11, 30) + (t.date() - START)) for n, c, a, t in purchases()]
    write(to / "matches.csv", "match_id,player,gain,played_on", rows)


@missing("Excel is not read")
def excel_beside(to: Path) -> None:
    orders(to / "orders.csv")
    (to / "orders.xlsx").write_bytes(b"PK\x03\x04")


@missing("is empty (0 bytes)")
def empty_beside(to: Path) -> None:
    orders(to / "orders.csv")
    (to / "nothing.csv").touch()


@missing("has names of columns and no rows")
def names_only_beside(to: Path) -> None:
    orders(to / "orders.csv")
    write(to / "refunds.csv", "refund_id,customer_id,refunded_at", [])


@missing("holds no table")
def prose_beside(to: Path) -> None:
    orders(to / "orders.csv")
    (to / "readme.txt").write_text("This folder holds what the shop has sold\nsince it was opened.\n")


@missing("has two columns called 'amount'")
def same_header_twice(to: Path) -> None:
    orders(to / "refunds.csv")
    orders(to / "orders.csv", header="order_id,amount,amount,ordered_at")


@folder
def no_header(to: Path) -> None:
    write(to / "orders.csv", "1,c01,20.5,2024-01-01", [(n + 1, c, a, t.date()) for n, c, a, t in purchases()])


@missing("has no line with the names of its columns: it begins with 2019, 2020, 2021")
def years_over_columns(to: Path) -> None:
    orders(to / "orders.csv")
    write(to / "sales.csv", "2019,2020,2021", [(n, n + 1, n + 2) for n in range(30)])


@missing("column 1 has no name")
def index_without_a_name(to: Path) -> None:
    orders(to / "refunds.csv")
    orders(to / "orders.csv", header=",customer_id,amount,ordered_at")


@missing("blanks part nothing")
def blanks(to: Path) -> None:
    orders(to / "refunds.csv")
    write(to / "cdnow.txt", " customer_id   date   number  dollars", [(f"  {c}", f"{t:%Y%m%d}", n, a) for n, c, a, t in purchases()], "   ")


def named(to: Path, names: Sequence[str], encoding: str, header: str = "order_id,customer,amount,ordered_at") -> None:
    """Write purchases of customers with names in letters of their own."""
    rows = [(n, f"{names[int(c[1:]) % len(names)]} {c[1:]}", a, f"{t:%Y-%m-%d %H:%M:%S}") for n, c, a, t in purchases()]
    write(to / "orders.csv", header, rows, encoding=encoding)


@folder
def latin_1(to: Path) -> None:
    named(to, ["Müller", "Schröder", "Groß", "Jäger", "Kühn", "Bär", "Weiß"], "latin-1", "order_id,käufer,betrag,ordered_at")


@folder
def windows(to: Path) -> None:
    named(to, ["Café “Zoë”", "Señor Muñoz", "Crème – brûlée", "Œuvre", "5 € Shop", "Ångström", "Coupé"], "cp1252")


@folder
def cyrillic(to: Path) -> None:
    named(to, ["Москва", "Санкт-Петербург", "Казань", "Самара", "Омск", "Новосибирск", "Пермь"], "cp1251")


@folder
def utf_16_without_a_mark(to: Path) -> None:
    orders(to / "orders.csv", encoding="utf-16-le")


@folder
def utf_16_with_a_mark_and_other_letters(to: Path) -> None:
    named(to, ["東京", "大阪", "京都", "名古屋", "札幌", "福岡", "神戸"], "utf-16")


@folder
def utf_16(to: Path) -> None:
    orders(to / "orders.csv", encoding="utf-16")


@missing("a model needs about 25 days")
def short_history(to: Path) -> None:
    write(to / "orders.csv", "order_id,customer_id,ordered_at", [(n, c, f"{t:%Y-%m-%d %H:%M:%S}") for n, c, _, t in purchases(days=6)])


@missing("No column of readings names a thing that comes again")
def nothing_comes_again(to: Path) -> None:
    write(
        to / "readings.csv",
        "measured_at,temperature",
        [(f"{datetime(2024, 1, 1) + timedelta(hours=h):%Y-%m-%d %H:%M:%S}", h % 24) for h in range(1500)],
    )


@missing("No table has a time in its rows")
def without_times(to: Path) -> None:
    write(to / "irises.csv", "length,width,species", [(n % 7 / 2, n % 5 / 2, "abc"[n % 3]) for n in range(90)])


@folder
def epoch_numbers(to: Path) -> None:
    write(to / "clicks.csv", "click_id,user_id,ts", [(n, c, int(t.timestamp())) for n, c, _, t in purchases()])


@folder
def compact_dates(to: Path) -> None:
    write(to / "sales.csv", "sale_id,customer_id,date", [(n, c, f"{t:%Y%m%d}") for n, c, _, t in purchases()])


@folder
def day_first(to: Path) -> None:
    write(to / "sales.csv", "sale_id,customer_id,sold", [(n, c, f"{t:%d.%m.%Y %H:%M}") for n, c, _, t in purchases()])
