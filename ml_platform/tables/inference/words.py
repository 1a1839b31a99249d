"""What the name of a column says about its values: that they name something, that they are a date of birth, that they are an outcome."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[\W_]+")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_IDS = frozenset({"id", "ids", "key", "uuid", "guid", "pk", "fk", "hash"})
_CODES = frozenset({
    "account", "barcode", "code", "ean", "fips", "gtin", "iban", "imei", "ip", "isbn", "isin", "nbr", "no", "nr", "num", "number", "phone",
    "pin", "postal", "postcode", "sku", "ssn", "tel", "upc", "vat", "vin", "zip", "zipcode",
})  # fmt: skip
_PLACES = frozenset({"lat", "latitude", "lon", "lng", "long", "longitude", "index", "idx", "row", "seq", "sequence", "version"})
_KINDS = frozenset({
    "category", "channel", "class", "department", "gender", "group", "kind", "method", "mode", "reason", "region", "segment", "sex",
    "state", "status", "type", "via",
})  # fmt: skip
_CALENDAR = frozenset({
    "day", "days", "dayofweek", "dow", "doy", "hour", "minute", "month", "quarter", "season", "second", "week", "weekday",
    "weekofyear", "year",
})  # fmt: skip
_OWNERS = (
    "user",
    "cust",
    "customer",
    "client",
    "order",
    "item",
    "product",
    "prod",
    "store",
    "emp",
    "acct",
    "session",
    "device",
    "trans",
    "tx",
)
_BIRTHS = frozenset({"birth", "birthday", "birthdate", "born", "dob", "geburtsdatum", "death", "died"})
_LATER = frozenset({
    "cancelled", "canceled", "close", "closed", "completed", "deadline", "deleted", "delivered", "due", "end", "ended", "ends", "estimated",
    "expected", "expiration", "expire", "expires", "expiry", "finish", "finished", "last", "modified", "paid", "resolved", "returned",
    "shipped", "until", "updated", "valid",
})  # fmt: skip
_PEOPLE = frozenset({
    "account", "buyer", "card", "client", "contact", "customer", "cust", "device", "donor", "driver", "employee", "guest", "household",
    "member", "passenger", "patient", "person", "player", "seller", "student", "subscriber", "team", "user", "visitor", "worker",
})  # fmt: skip
_OUTCOMES = frozenset({
    "approved", "canceled", "cancellation", "cancelled", "churn", "churned", "class", "clicked", "complaint", "converted", "default",
    "defaulted", "delayed", "diagnosis", "died", "disposition", "failed", "failure", "fraud", "grade", "label", "late", "outcome",
    "passed", "priority", "purchased", "quality", "response", "result", "returned", "risk", "satisfaction", "sentiment", "severity",
    "status", "success", "survived", "target", "urgency", "verdict", "win", "winner", "won",
})  # fmt: skip
# Of several outcomes these are meant, and those asked last that a row may well say of itself when it comes.
_MEANT = frozenset({"class", "label", "outcome", "result", "target", "verdict"})
_SAID_AT_ONCE = frozenset({"grade", "priority", "quality", "risk", "severity", "urgency"})
# Words on -ed that say what something is, and no outcome; shorter ones than six letters mostly are none of either.
_STATES = frozenset({
    "advanced", "based", "created", "estimated", "expected", "fixed", "hundred", "inserted", "limited", "mixed", "modified", "planned",
    "recorded", "scheduled", "sacred", "united", "unlimited", "updated", "weighted",
})  # fmt: skip
_SHORTEST_HAPPENED = 6
_RESULTS = frozenset({"score", "scores", "rating", "grade", "delay", "duration", "points", "goals", "loss", "yield", "rank"})
# Of these a mean or a last value says something, a sum nothing.
_LEVELS = frozenset({
    "age", "altitude", "average", "avg", "balance", "bmi", "brightness", "capacity", "celsius", "degree", "degrees", "density",
    "fahrenheit", "frequency", "grade", "height", "humidity", "level", "mean", "median",
    "moisture", "odds", "percent", "percentage", "ph", "power",
    "pressure", "price", "probability", "rank", "rate", "rating", "ratio", "salary", "score", "share", "speed", "temp", "temperature",
    "tenure", "voltage", "weight", "width",
})  # fmt: skip
# German and other words for what English calls an outcome; umlauts are written as their letters.
_OUTCOMES_ELSEWHERE = frozenset({
    "ausfall", "ausgang", "bewertung", "erfolg", "ergebnis", "estado", "gekuendigt", "gekundigt", "kuendigung", "kundigung", "note",
    "prioritat", "prioritaet", "prioridad", "priorite", "prioriteit", "qualitat", "qualitaet", "resultado", "resultat", "risiko",
    "schweregrad", "statut", "storniert", "zustand",
})  # fmt: skip
_SUMMED_UP = frozenset({
    "average", "avg", "balance", "count", "current", "ever", "frequency", "latest", "lifetime", "ltv", "mean", "n", "now", "number",
    "orders", "purchases", "recency", "sum", "tenure", "today", "total", "totals", "visits",
})  # fmt: skip
_AMOUNTS = (
    "sales", "revenue", "amount", "value", "total", "price", "cost", "spend", "quantity", "qty", "demand", "units", "count", "sum",
    "profit",
    "fare", "score", "rating", "duration", "delay", "load", "power", "consumption", "volume", "traffic", "visits",
)  # fmt: skip


def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a name in lower case.

    Examples
    --------
    >>> words_of("OrderID"), words_of("home team.id")
    (('order', 'id'), ('home', 'team', 'id'))
    """
    return tuple(word.lower() for word in _BREAK.split(name) if word)


def is_id(name: str) -> bool:
    """Whether a column is called like an identifier: ``customer_id``, ``OrderKey``, ``userid``; ``humid`` is none.

    Examples
    --------
    >>> [is_id(name) for name in ("customer_id", "custid", "humid", "paid")]
    [True, True, False, False]
    """
    last = words_of(name)[-1:] or ("",)
    return last[0] in _IDS or last[0].removesuffix("id") in _OWNERS


def is_code(name: str) -> bool:
    """Whether a column is called like a number that names something (a zip code, a barcode), which nobody adds up."""
    return any(word in _CODES for word in words_of(name)[-1:])


def is_kind(name: str) -> bool:
    """Whether a column is called like one that sorts rows (a kind, a sex), whose values may be numbers but are never added up."""
    return any(word in _KINDS for word in words_of(name)[-1:])


def is_counted_off(name: str) -> bool:
    """Whether a column is called like a part of a date, a place on the earth or in a list: numbers of which a mean says little."""
    return any(word in _CALENDAR | _PLACES for word in words_of(name)[-1:])


def is_birth(name: str) -> bool:
    """Whether a column is called like a date in somebody's life, which is not when the row came about."""
    return bool(_BIRTHS.intersection(words_of(name)))


def is_later(name: str) -> bool:
    """Whether a column is called like a time at which something ends or is changed, after the row came about."""
    return bool(_LATER.intersection(words_of(name)))


def is_outcome(name: str) -> bool:
    """Whether a column is called like the answer to a question: ``status``, ``is_late``, ``result``, ``escalated``.

    Examples
    --------
    >>> [is_outcome(name) for name in ("is_late", "escalated", "Priorität", "speed", "customer")]
    [True, True, True, False, False]
    """
    words = words_of(name)
    return bool(_OUTCOMES.intersection(words) or _OUTCOMES_ELSEWHERE.intersection(map(_ascii, words))) or _has_happened(words[-1:])


def outcome_rank(name: str) -> int:
    """Return how little an outcome sounds like what somebody wants to know beforehand; 0 is best, and 3 is none.

    Examples
    --------
    >>> [outcome_rank(name) for name in ("outcome", "status", "priority", "team")]
    [0, 1, 2, 3]
    """
    if not is_outcome(name):
        return 3
    words = set(words_of(name))
    return 0 if words & _MEANT else 2 if words & _SAID_AT_ONCE else 1


def _has_happened(words: tuple[str, ...]) -> bool:
    happened = [word for word in words if len(word) >= _SHORTEST_HAPPENED and word.endswith("ed") and not word.endswith("eed")]
    return bool(set(happened) - _STATES)


def is_summed_up(name: str) -> bool:
    """Whether a column is called like what has come together up to now: ``total_spent``, ``lifetime_value``, ``n_orders``.

    Examples
    --------
    >>> [is_summed_up(name) for name in ("total_spent", "order_count", "price", "country")]
    [True, True, False, False]
    """
    return bool(_SUMMED_UP.intersection(words_of(name)))


def is_result(name: str) -> bool:
    """Whether a number is called like how something turned out: ``home_score``, ``delay``."""
    return bool(_RESULTS.intersection(words_of(name)))


def is_level(name: str) -> bool:
    """Whether a number is called like a level, a price or a rate, of which a sum over rows says nothing.

    Examples
    --------
    >>> [is_level(name) for name in ("temperature", "unit_price", "home_score", "amount", "sales")]
    [True, True, True, False, False]
    """
    return bool(_LEVELS.intersection(words_of(name)))


def is_someone(name: str) -> bool:
    """Whether a column is called like somebody or something that acts: ``customer_id``, ``device``."""
    words = words_of(name)
    return bool(_PEOPLE.intersection(words)) or any(word.removesuffix("id") in _PEOPLE for word in words[-1:])


def is_question(name: str) -> bool:
    """Whether a column of yes and no is called like an answer about its row: ``is_late``, ``has_paid``, ``missed_payment``."""
    words = words_of(name)
    return words[:1] in {("is",), ("has",), ("was",), ("will",), ("did",)} or _has_happened(words)


def is_amount(name: str) -> bool:
    """Whether a number is called like something that is added up: ``amount``, ``quantity``, ``units_sold``."""
    return amount_rank(name) < len(_AMOUNTS)


def amount_rank(name: str) -> int:
    """Return how little a name sounds like an amount that somebody wants to know beforehand; 0 is best."""
    words = words_of(name)
    return min((n for n, amount in enumerate(_AMOUNTS) if amount in words), default=len(_AMOUNTS))


def _ascii(word: str) -> str:
    return unicodedata.normalize("NFKD", word).encode("ascii", "ignore").decode()


def plain_name(name: str, taken: Iterable[str], number: int) -> str:
    """Return a name for a column that needs no quotes anywhere: the delivered one if it is such, else letters, digits and underscores.

    Parameters
    ----------
    name : str
        As delivered.
    taken : iterable of str
        Names that other columns have, in any letter case.
    number : int
        The column's position, which names it where no letter is left.

    Examples
    --------
    >>> plain_name("Unit Price (EUR)", [], 3), plain_name("größe", [], 4), plain_name("2024", [], 5)
    ('unit_price_eur', 'grosse', 'column_2024')
    """
    if _PLAIN.fullmatch(name):
        return name
    letters = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", "_", letters).strip("_") or str(number)
    plain = plain if plain[0].isalpha() else f"column_{plain}"
    used = {other.lower() for other in taken}
    return next(n for n in (plain, *(f"{plain}_{i}" for i in range(2, 10_000))) if n not in used)
