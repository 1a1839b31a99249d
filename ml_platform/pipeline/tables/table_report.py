"""What a reader is told of a judged table: why partitions were stopped, which rules were broken by how many rows, and which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ml_platform.core.partitions import partition_text
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.outcome import CheckOutcome, PartitionOutcome, Plot, describe_reasons
from ml_platform.tables.declared.contract import Contract
from ml_platform.tables.judged.check import Broken, Judgement

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_NAMED = 5
_PARTITIONS_NAMED = 5


def stop_reason(
    contract: Contract, judgement: Judgement, partition: str, kept: Mapping[str, pa.Table], rejected: Mapping[str, pa.Table]
) -> str | None:
    """Return why the partition is stopped (which rules, how many rows, which), or None if it is not.

    Parameters
    ----------
    contract : Contract
        Its ``max_rejected`` and ``min_rows`` decide.
    judgement : Judgement
        Counts by partition.
    partition : str
        Its key, ``''`` for a table without partitions.
    kept, rejected : mapping of str to pyarrow.Table
        Rows by partition.
    """
    rows, bad = judgement.rows.get(partition, 0), judgement.rejected.get(partition, 0)
    if rows and bad / rows > contract.max_rejected:
        return (
            f"{bad} of {rows} rows ({bad / rows:.1%}) break the contract, more than the {contract.max_rejected:.1%} that it allows: "
            f"{_broken_words(judgement, partition, rejected[partition])}. "
            "Correct the delivery, or the contract if these values are right; the rows stand in quarantine."
        )
    count = kept[partition].num_rows if partition in kept else 0
    if count < contract.min_rows:
        return f"{count} rows were kept of {rows} delivered, fewer than min_rows {contract.min_rows}. Deliver the rest, or lower min_rows."
    return None


def contract_checks(
    judgements: Sequence[Judgement], stopped: Mapping[str | None, str], partitions: int
) -> tuple[CheckOutcome, CheckOutcome]:
    """Return the checks ``contract`` (fails only when a partition was stopped) and ``contract_warnings``."""
    rows = sum(sum(j.rows.values()) for j in judgements)
    rejected = sum(sum(j.rejected.values()) for j in judgements)
    broken = _merged([b for j in judgements for b in j.broken])
    stops = [
        {"rule": "stopped", "column": "", "rows": None, "share": None, "partitions": partition_text(p), "samples": why}
        for p, why in stopped.items()
    ]
    summary = f"{rows:,} rows judged, {rejected:,} rejected ({_share(rejected, rows):.2%})"
    contract = CheckOutcome(
        name="contract",
        passed=not stopped,
        severity="error",
        summary=summary + (f"; {len(stopped)} of {partitions} partitions stopped. {describe_reasons(stopped)}" if stopped else "."),
        rows=(*stops, *(_line(b, rows) for b in broken if b.rule.severity == "reject"), *_kept_rules(judgements, broken)),
        numbers={"rows": rows, "rejected": rejected, "stopped": len(stopped)},
    )
    warned = [b for b in broken if b.rule.severity == "warn"]
    unchecked = sorted({u for j in judgements for u in j.unchecked})
    lines = [_line(b, rows) for b in warned]
    lines += [{"rule": u.partition(":")[0], "column": "", "rows": None, "share": None, "partitions": "", "samples": u} for u in unchecked]
    words = ", ".join(f"{b.rule.name} broken by {sum(b.rows.values()):,} rows" for b in warned) or "no rule is broken"
    warnings = CheckOutcome(
        name="contract_warnings",
        passed=not warned,
        severity="warn",
        summary=f"{words}{f'; {len(unchecked)} not checked yet' if unchecked else ''}.",
        rows=tuple(lines),
        numbers={"rows": sum(sum(b.rows.values()) for b in warned), "rules": len(warned)},
    )
    return contract, warnings


def partition_numbers(judgements: Sequence[Judgement], partition: str | None, version: Version | None) -> dict[str, float | int | str]:
    """Return what is plotted over partitions: rows that can be read, rows rejected, and their share of those delivered."""
    key = partition_text(partition)
    delivered = sum(j.rows.get(key, 0) for j in judgements)
    rejected = sum(j.rejected.get(key, 0) for j in judgements)
    if not delivered and version is None:
        return {}
    return {"rows": version.rows if version else 0, "rejected": rejected, "rejected_share": _share(rejected, delivered)}


def table_metadata(outcomes: Sequence[PartitionOutcome], judgements: Sequence[Judgement]) -> dict[str, Any]:
    """Return values of the whole materialization; a plot of the rejected rows only where there are any."""
    delivered: dict[str, int] = {}
    rejected: dict[str, int] = {}
    for judgement in judgements:
        delivered |= judgement.rows
        rejected |= judgement.rejected
    metadata: dict[str, Any] = {"rows": sum(o.version.rows for o in outcomes if o.version), "rejected": sum(rejected.values())}
    if any(rejected.values()):
        keys = sorted(delivered)
        metadata["rejected_rows"] = Plot(
            "rejected", {"partitions": keys, "rows": [delivered[k] for k in keys], "rejected": [rejected[k] for k in keys]}
        )
    return metadata


def _broken_words(judgement: Judgement, partition: str, rejected: pa.Table) -> str:
    """Say for each rule how many rows of the partition broke it, and where the first of them stand."""
    where: dict[str, list[str]] = {}
    for row in rejected.select(["_rules", "_file", "_row"]).to_pylist():
        for rule in row["_rules"]:
            if len(where.setdefault(rule, [])) < _ROWS_NAMED:
                where[rule].append(f"{row['_file']} row {row['_row']}" if row["_file"] else f"row {row['_row']}")
    parts = []
    for broken in judgement.broken:
        count = broken.rows.get(partition, 0)
        if count and broken.rule.severity == "reject":
            places = ", ".join(where.get(broken.rule.name, ()))
            parts.append(f"{broken.rule.name} ({broken.rule.says}) by {count} rows, such as {places}")
    return "; ".join(parts)


def _merged(broken: Sequence[Broken]) -> list[Broken]:
    """Return one entry per rule, from passes over different partitions."""
    found: dict[str, Broken] = {}
    for one in broken:
        before = found.get(one.rule.name, Broken(one.rule, {}))
        found[one.rule.name] = Broken(one.rule, {**before.rows, **one.rows}, (before.samples + one.samples)[:_ROWS_NAMED])
    return list(found.values())


def _line(broken: Broken, rows: int) -> dict[str, Any]:
    count = sum(broken.rows.values())
    keys = sorted(broken.rows)
    named = ", ".join(k for k in keys[:_PARTITIONS_NAMED] if k) + (
        f" and {len(keys) - _PARTITIONS_NAMED} more" if len(keys) > _PARTITIONS_NAMED else ""
    )
    return {
        "rule": broken.rule.name, "column": broken.rule.column, "rows": count, "share": _share(count, rows),
        "partitions": named, "samples": "; ".join(broken.samples), "keeps": broken.rule.says,
    }  # fmt: skip


def _kept_rules(judgements: Sequence[Judgement], broken: Sequence[Broken]) -> list[dict[str, Any]]:
    """Return a line per rule that no row broke: what was looked at is as much of the verdict as what was found."""
    found = {b.rule.name for b in broken}
    rules = {r.name: r for j in judgements for r in j.reject_rules if r.name not in found}
    return [
        {"rule": r.name, "column": r.column, "rows": 0, "share": 0.0, "partitions": "", "samples": "", "keeps": r.says}
        for r in rules.values()
    ]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
