"""The page of the settings: every environment variable that the code names, with what it means."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import ml_platform
from ml_platform_docs.markdown import code, page, table

_NAME = re.compile(r"ML_PLATFORM_[A-Z_]+")
# Words for each, by what it is about; a variable of the code that has none stops the build, and so does one that the code does not have.
WORDS = {
    "Where things are": {
        "ML_PLATFORM_LANDING": ("`data/landing`", "The landing zone: the folder into which files are delivered."),
        "ML_PLATFORM_LANDING_LINKS": (
            "none",
            "Folders outside the landing zone that links in it may lead to, parted as in `PATH`. `data/landing.links` says the same, "
            "a folder per line.",
        ),
        "ML_PLATFORM_LAKE": ("`data/lake`", "The lake: a folder, or `s3://bucket/prefix`."),
        "ML_PLATFORM_LEDGER": ("a SQLite file in the lake", "A database for the ledger: `postgresql://user:password@host/database`."),
        "ML_PLATFORM_BRANCH": ("`main`", "The branch of the lake that is read and written."),
    },
    "How it runs": {
        "ML_PLATFORM_NOW": (
            "the machine's time",
            "What time it is for the platform: `2013-12-01`, or `2013-12-01T06:30` (UTC). It decides which days are over, which labels are "
            "known and what may be scored, not when something was published. To live through a past day by day, write the time to "
            "`data/now` instead: it is read again whenever the time is asked for.",
        ),
        "ML_PLATFORM_EXECUTOR": (
            "`in_process`",
            "`multiprocess` runs every step of a run in a process of its own: 2 to 5 CPU seconds more per step.",
        ),
        "ML_PLATFORM_TRACEBACK": ("none", "`1`: a wrong declaration is shown with Dagster's traceback, not with our message alone."),
        "ML_PLATFORM_ENGINE": ("`local`", "Where features are computed: `local` (this process) or `dask` (a cluster)."),
        "ML_PLATFORM_DASK_ADDRESS": ("processes of this machine", "The scheduler of the cluster: `tcp://host:8786`."),
        "ML_PLATFORM_WORKERS": ("number of cores", "Tasks at a time, or processes of a cluster that is started here."),
        "ML_PLATFORM_MEMORY_LIMIT": ("two thirds of the machine", "Memory that computing features may take on one machine: `8GiB`."),
        "ML_PLATFORM_SCRATCH": (
            "the system's temporary folder",
            "Where larger jobs keep their files; of a cluster a folder all workers see.",
        ),
    },
    "Limits": {
        "ML_PLATFORM_MAX_DELIVERY": ("2 GiB", "A delivered file that is larger is refused."),
        "ML_PLATFORM_MAX_UNPACKED": ("8 GiB", "A file that becomes larger when it is unpacked is refused."),
        "ML_PLATFORM_MAX_RATIO": ("200", "A packed file (64 MiB and more unpacked) that becomes so many times as large is refused."),
        "ML_PLATFORM_MAX_ROWS": ("100,000,000", "A file with more rows is refused."),
        "ML_PLATFORM_MAX_COLUMNS": ("10,000", "A file with more columns is refused."),
        "ML_PLATFORM_SQL_TIME": ("30m", "Declared SQL that runs longer is interrupted."),
        "ML_PLATFORM_SQL_MEMORY": ("80 % of the machine", "Declared SQL that needs more memory is stopped."),
        "ML_PLATFORM_SQL_DISK": ("50 GiB", "Declared SQL that puts more aside on disk is stopped."),
    },
}


def settings_page() -> str:
    """Return the page of all environment variables."""
    wrong = variables() ^ {name for group in WORDS.values() for name in group}
    if wrong:
        raise LookupError(f"settings without words, or words without a setting: {', '.join(sorted(wrong))}")
    sections = [
        f"## {title}\n\n" + table(["environment variable", "default", "what it means"], [[code(n), *w] for n, w in group.items()])
        for title, group in WORDS.items()
    ]
    return page(
        "Settings",
        "Settings are environment variables. They are read when a run or a command starts; nothing needs to be set. Where Dagster keeps "
        "its own history is Dagster's setting: `DAGSTER_HOME`.",
        *sections,
    )


def variables() -> set[str]:
    """Return every environment variable of the platform that stands as a name in its code."""
    found = set()
    for path in Path(ml_platform.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _NAME.fullmatch(node.value):
                found.add(node.value)
    return found
