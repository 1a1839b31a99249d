"""How text files write their letters: what is declared, what their first bytes say, and what their bytes make likely."""

from __future__ import annotations

import codecs
import re

from ml_platform.core.errors import DeclarationError, SourceError, did_you_mean

# What a reader knows by name, the likeliest first; any other that Python knows can be declared as well.
USUAL = (
    "utf-8",
    "cp1252",
    "latin-1",
    "utf-16",
    "iso8859-15",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "shift_jis",
    "gb18030",
    "big5",
    "euc_kr",
)
# Of these a file says itself, in its first bytes, that it is written so.
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# So many bytes are looked at to tell an encoding.
_LOOKED_AT = 1 << 20
# So many letters for each byte that is none, and a file is meant to be UTF-8.
_MOSTLY = 4
# Western letters and signs beyond ASCII as people write them: text that needs no others is Western.
_WESTERN = frozenset("äöüßÄÖÜéèêëÉÈÊàâáãåæøÀÂÁÃÅÆØçÇùûúÙÛÚîïíÎÏÍôóõòÔÓÕñÑœŒ€£§°²³µ·«»¿¡–—‘’“”„…®©™´\xa0")


def check_encoding(name: object, where: str) -> str | None:
    """Return ``name`` if it is None or an encoding of text that Python reads.

    Raises
    ------
    DeclarationError
        If it is none.
    """
    if name is None:
        return None
    try:
        if isinstance(name, str) and "a;1\n".encode(name).decode(name) == "a;1\n":
            return name
    except (LookupError, UnicodeError, ValueError):
        pass
    raise DeclarationError(f"{where}: encoding {name!r} is not known. {did_you_mean(str(name), USUAL)}")


def to_utf8(data: bytes, name: str, encoding: str | None) -> bytes:
    """Return the text of a file in UTF-8.

    Parameters
    ----------
    data : bytes
        The whole file.
    name : str
        Its name; begins the message of an error.
    encoding : str, optional
        As declared; None is UTF-8. A file that begins with a byte order mark is written as that says, whatever is declared.

    Returns
    -------
    bytes
        Without a byte order mark. Where nothing is declared, bytes that are not UTF-8 are left in: who parses them says where they stand.

    Raises
    ------
    SourceError
        If the file is not written as declared.
    """
    marked = next((marked for mark, marked in _MARKS.items() if data.startswith(mark)), None)
    if marked is None and (encoding is None or _is_utf8(encoding)):
        return data
    if marked is None and _has_one_byte_a_letter(encoding or "") and not data.isascii() and _can_be_read(data, "utf-8"):
        # Letters of such an encoding that are UTF-8 by accident are next to impossible; read as declared they would be 'GrÃ¶ÃŸe'.
        raise SourceError(
            f"{name} is written in UTF-8, and its source is declared with encoding: {encoding}. Leave `encoding` out, or deliver the file "
            "as it was before."
        )
    try:
        return data.decode(marked or encoding or "utf-8").encode()
    except UnicodeDecodeError as error:
        if marked is not None:
            return data
        raise SourceError(
            f"{name} is not written in {encoding}, the `encoding` of its source: byte {error.start + 1:,} (0x{data[error.start]:02x}) is "
            "no letter there. Correct `encoding`, or deliver the file again."
        ) from None


def guess_encoding(data: bytes) -> str | None:
    """Return the encoding that the bytes of a text file make likely; None if they are UTF-8, or say themselves what they are.

    Western letters are believed first. What needs others is told by the letters that come together in a language, and a
    person has to look at it: two encodings can hold the same bytes.
    """
    if any(data.startswith(mark) for mark in _MARKS) or (_can_be_read(data, "utf-8") and b"\0" not in data):
        return None
    head = data[:_LOOKED_AT]
    zeros = head[0::2].count(0), head[1::2].count(0)
    if max(zeros) * 5 > len(head):
        return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
    read = head.decode("utf-8", errors="replace")
    if sum(letter > "\x7f" for letter in read) > _MOSTLY * read.count("\ufffd"):
        # UTF-8 with a few broken bytes: another encoding would garble all the rest.
        return None
    western = _can_be_read(data, "cp1252")
    if western and all(letter in _WESTERN for letter in head.decode("cp1252", errors="ignore") if ord(letter) > 127):
        return "cp1252"
    import charset_normalizer

    others = [name for name in USUAL if name not in ("utf-8", "utf-16", "latin-1", "iso8859-15", "cp1252")]
    best = charset_normalizer.from_bytes(head[: head.rfind(b"\n") + 1] or head, cp_isolation=others).best()
    found = None if best is None else best.encoding
    return found if found is not None and _can_be_read(data, found) else "cp1252" if western else None


def sample_letters(data: bytes, encoding: str) -> str:
    """Return the first words with letters beyond ASCII as an encoding reads them, for a person to judge."""
    words: dict[str, None] = {}
    for word in re.findall(r"[^\W\d_]+", data[:_LOOKED_AT].decode(encoding, errors="ignore")):
        if not word.isascii():
            words[word[:30]] = None
        if len(words) > 3:
            break
    return ", ".join(words)


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "ascii")


def _has_one_byte_a_letter(encoding: str) -> bool:
    return len(bytes(range(128, 256)).decode(encoding, errors="replace")) == 128


def _can_be_read(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
