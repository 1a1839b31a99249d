"""The formats of files, and which one a file is of."""

from __future__ import annotations

from ml_platform.core.errors import DeclarationError, did_you_mean

FORMATS = ("csv", "parquet", "jsonl")
_ENDINGS = {
    "csv": "csv",
    "txt": "csv",
    "tsv": "csv",
    "parquet": "parquet",
    "pq": "parquet",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json": "jsonl",
}


def file_format(name: str, declared: str | None = None) -> str:
    """Return ``csv``, ``parquet`` or ``jsonl``: as declared, or by the ending of the file's name (``.gz`` is looked through).

    Raises
    ------
    DeclarationError
        If neither says so.
    """
    if declared is not None:
        if declared not in FORMATS:
            raise DeclarationError(f"{declared!r} is not a format of files. {did_you_mean(declared, FORMATS)}")
        return declared
    ending = name.lower().removesuffix(".gz").rpartition(".")[2]
    if ending not in _ENDINGS:
        raise DeclarationError(f"The format of {name!r} cannot be told from its ending: declare 'format:' as one of {', '.join(FORMATS)}.")
    return _ENDINGS[ending]
