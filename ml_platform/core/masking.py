"""Secrets in texts that others read: errors of other people's code go through here before they are logged or recorded."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import quote, unquote, urlsplit

MASK = "***"
_WORDS = r"(?:secret|token|passw(?:or)?d|passphrase|pwd|api[-_]?key|access[-_]?key|private[-_]?key|account[-_]?key|credentials?|signature)"
_SECRET_NAME = re.compile(rf"{_WORDS}|dsn$", re.IGNORECASE)
# What a shell sets on its own is a place, not a secret.
_NO_SECRETS = ("PWD", "OLDPWD")
# A shorter value is a word that may stand anywhere.
_SHORTEST = 6
_USERINFO = re.compile(r"(?<=://)[^/\s@'\"]+(?=@)")
_QUERY = re.compile(rf"(?i)(?<=[?&;])((?:[\w.\-]*{_WORDS}[\w.\-]*|sig|key|auth|code)=)[^&;#\s'\"<>)\]]+")
_NAMED = re.compile(rf"(?i)((?:\b|_)[\w\-]*{_WORDS}[\w\-]*['\"]?\s*[:=]\s*)(['\"]?)([^\s'\",;&)}}\]]+)")
_SCHEMED = re.compile(r"(?i)\b((?:authorization['\"]?\s*[:=]\s*['\"]?)?(?:bearer|basic|negotiate)\s+)[A-Za-z0-9+/=._~\-]{6,}")
_AUTHORIZATION = re.compile(r"(?i)\b(authorization['\"]?\s*[:=]\s*['\"]?)(?!bearer|basic|negotiate)[^\s'\",;]+")
# Tokens that are known by their looks: cloud keys, code hosts, chats, signed web tokens, private keys.
_KNOWN = re.compile(
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{20,}\b|\bgithub_pat_\w{20,}|\bglpat-[\w\-]{16,}|\bxox[abeoprs]-[A-Za-z0-9\-]{10,}"
    r"|\bsk-[A-Za-z0-9_\-]{16,}|\beyJ[\w\-]+\.[\w\-]+\.[\w\-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)


def mask(text: str) -> str:
    """Return a text with ``***`` in the place of what is or looks like a secret.

    That are the values of environment variables whose names speak of a secret (``SHOP_TOKEN``, ``DB_PASSWORD``, ``LEDGER_DSN``), what
    stands before the ``@`` of a URL, parameters and headers that are called like a secret, and tokens that are known by their looks.

    Examples
    --------
    >>> mask("GET https://shop.example/orders?day=2024-01-01&token=a1b2c3 failed")
    'GET https://shop.example/orders?day=2024-01-01&token=*** failed'
    >>> mask("could not connect to postgresql://reader:hunter2@db/shop")
    'could not connect to postgresql://***@db/shop'
    """
    for value in _secret_values():
        text = text.replace(value, MASK)
    text = _KNOWN.sub(MASK, text)
    text = _USERINFO.sub(MASK, text)
    text = _QUERY.sub(rf"\1{MASK}", text)
    text = _SCHEMED.sub(rf"\1{MASK}", text)
    text = _AUTHORIZATION.sub(rf"\1{MASK}", text)
    return _NAMED.sub(rf"\1\2{MASK}", text)


def mask_error(error: BaseException) -> BaseException:
    """Mask the messages of an exception, and of those that it was raised from, in place; return the exception.

    Whoever records an exception records its whole chain.
    """
    for one in _chain(error):
        before = str(one)
        after = mask(before)
        if after == before:
            continue
        one.args = tuple(mask(a) if isinstance(a, str) else a for a in one.args)
        if str(one) != after:
            # A message that is put together from other parts than the arguments.
            one.args = (after,)
        if mask(str(one)) != str(one):
            for name, value in vars(one).items():
                if isinstance(value, str):
                    setattr(one, name, mask(value))
    return error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__, *(one.exceptions if isinstance(one, BaseExceptionGroup) else ())]


def _secret_values() -> list[str]:
    """Return the values of the environment that are secrets, as they are and as they stand in URLs; the longest first."""
    return _values_of(tuple((name, value) for name, value in os.environ.items() if _is_secret(name)))


@lru_cache(maxsize=4_096)
def _is_secret(name: str) -> bool:
    """Tell whether the name of a variable speaks of a secret; asked of each for every cell of a table that is shown."""
    return name.upper() not in _NO_SECRETS and _SECRET_NAME.search(name) is not None


@lru_cache(maxsize=16)
def _values_of(secrets: tuple[tuple[str, str], ...]) -> list[str]:
    found: set[str] = set()
    for _, value in secrets:
        found |= {value, quote(value, safe=""), quote(value)}
        if "://" in value:
            found |= _password_of(value)
    return sorted(
        (value for value in found if (len(value) >= _SHORTEST and not value.isdigit()) or len(value) >= 12), key=len, reverse=True
    )


def _password_of(url: str) -> set[str]:
    try:
        password = urlsplit(url).password
    except ValueError:
        return set()
    return {password, unquote(password)} if password else set()
