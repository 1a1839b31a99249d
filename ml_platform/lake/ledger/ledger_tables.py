"""The tables of the ledger, in types and statements that SQLite and PostgreSQL share.

Rows are added and never changed. What comes and goes are statements about them: pins, tags, leases, what retention marked.
"""

from __future__ import annotations

import sqlalchemy as sa

# 1: the first. 2: branches, tags, leases, retention, redaction. 3: the lake's identity, and where the ledger was moved to.
FORMAT = 3
MAIN_ID = 0
metadata = sa.MetaData()

lake_format = sa.Table(
    "lake_format",
    metadata,
    sa.Column("format", sa.Integer, primary_key=True, autoincrement=False),
)
commits = sa.Table(
    "commits",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("time", sa.BigInteger, nullable=False),  # microseconds since 1970 UTC, strictly growing
    sa.Column("last_version", sa.BigInteger, nullable=False),  # ids grow with commits: "as of" is "id <= last_version"
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Column("branch_id", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Index("commits_time", "time"),
    sa.Index("commits_run", "run_id", "number"),
)
schemas = sa.Table(
    "schemas",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("arrow", sa.LargeBinary, nullable=False),  # an Arrow IPC schema message
)
versions = sa.Table(
    "versions",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("commit_number", sa.BigInteger, sa.ForeignKey("commits.number"), nullable=False),
    sa.Column("table_name", sa.Text, nullable=False),
    sa.Column("partition_key", sa.Text, nullable=False),  # '' stands for a table without partitions
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("data_hash", sa.Text, nullable=False),
    sa.Column("schema_hash", sa.Text, nullable=False),  # '' for artifacts
    sa.Column("code_version", sa.Text, nullable=False),
    sa.Column("properties", sa.Text, nullable=False),  # JSON
    sa.Column("branch_id", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Index("versions_head", "table_name", "partition_key", "id", "kind", "branch_id"),
    sa.Index("versions_newest", "table_name", "id", "kind", "branch_id"),
    sa.Index("versions_content", "data_hash", "table_name", "partition_key", "kind", "id"),
    sa.Index("versions_commit", "commit_number"),
)
files = sa.Table(
    "files",
    metadata,
    sa.Column("version_id", sa.BigInteger, sa.ForeignKey("versions.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("path", sa.Text, nullable=False),  # relative to the root; versions of equal content share a file
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Index("files_path", "path"),
)
inputs = sa.Table(
    "inputs",
    metadata,
    sa.Column("version_id", sa.BigInteger, sa.ForeignKey("versions.id"), primary_key=True),
    sa.Column("input_id", sa.BigInteger, sa.ForeignKey("versions.id"), primary_key=True),
    sa.Index("inputs_used", "input_id"),
)
pins = sa.Table(
    "pins",
    metadata,
    sa.Column("owner", sa.Text, primary_key=True),
    sa.Column("version_id", sa.BigInteger, sa.ForeignKey("versions.id"), primary_key=True),
)

# --- format 2 ---
branches = sa.Table(
    "branches",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),  # 0, `main`, has no row
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("parent_id", sa.BigInteger, nullable=False),
    sa.Column("base_commit", sa.BigInteger, nullable=False),
    sa.Column("base_version", sa.BigInteger, nullable=False),  # the last version of the parent that the branch can see
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("dropped", sa.BigInteger, nullable=False, server_default=sa.text("0")),  # 0: alive; its name is free again otherwise
    sa.Index("branches_name", "name", "dropped", unique=True),
)
merges = sa.Table(
    "merges",
    metadata,
    sa.Column("commit_number", sa.BigInteger, primary_key=True, autoincrement=False),  # of the parent, after the merge
    sa.Column("branch_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("merged_version", sa.BigInteger, nullable=False),  # the branch's versions up to this id are in the parent
    sa.Column("parent_version", sa.BigInteger, nullable=False),  # the parent's last version right after the merge
    sa.Column("tables", sa.Text, nullable=False, server_default=""),  # JSON list of the tables it was limited to; '' for all
)
tags = sa.Table(
    "tags",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("commit_number", sa.BigInteger, sa.ForeignKey("commits.number"), nullable=False),
    sa.Column("branch_id", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("message", sa.Text, nullable=False, server_default=""),
)
leases = sa.Table(
    "leases",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("branch_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("commit_number", sa.BigInteger, nullable=False),
    sa.Column("last_version", sa.BigInteger, nullable=False),
    sa.Column("expires", sa.BigInteger, nullable=False),
)
doomed = sa.Table(
    "doomed",
    metadata,
    sa.Column("version_id", sa.BigInteger, sa.ForeignKey("versions.id"), primary_key=True),
    sa.Column("since", sa.BigInteger, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
)
collected = sa.Table(
    "collected",
    metadata,
    sa.Column("version_id", sa.BigInteger, sa.ForeignKey("versions.id"), primary_key=True),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),  # freed: 0 where another version still holds the files
)
redactions = sa.Table(
    "redactions",
    metadata,
    sa.Column("version_id", sa.BigInteger, sa.ForeignKey("versions.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),  # 1 for the first redaction of this version
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("entity", sa.Text, nullable=False),  # a salted digest: the ledger must not keep what was to be forgotten
    sa.Column("rows_removed", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),  # what is left
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("data_hash", sa.Text, nullable=False),
)
replaced_files = sa.Table(
    "replaced_files",
    metadata,
    sa.Column("version_id", sa.BigInteger, sa.ForeignKey("versions.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Index("replaced_files_path", "path"),
)

# --- format 3 ---
# One row; `lake.belonging` says what it is compared with.
identity = sa.Table(
    "identity",
    metadata,
    sa.Column("lake_id", sa.Text, primary_key=True),  # of the content, wherever it is copied to
    sa.Column("ledger_id", sa.Text, nullable=False),  # of this one copy of the ledger
    sa.Column("came_from", sa.Text, nullable=False, server_default=""),  # the ids of the ledgers that were moved here, by blanks
    sa.Column("moved_to", sa.Text, nullable=False, server_default=""),  # where this ledger went (no password); '' while it is in use
    sa.Column("moved_id", sa.Text, nullable=False, server_default=""),  # the id of the ledger there
    sa.Column("moved", sa.BigInteger, nullable=False, server_default=sa.text("0")),  # when, in microseconds since 1970
)
