"""What others install beside the wheel, resolved against its pinned versions; ``python -m ml_platform_tests.integrations`` says what fits.

Nothing is installed: uv asks the package index for the packages' requirements only, and answers for Pythons that are not there, too.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
# By the oldest version that is of use.
INTEGRATIONS = (
    "mlflow>=3", "dbt-duckdb>=1.9", "dlt>=1.0", "dlt[filesystem]>=1.0", "dagster-dlt>=0.29", "dagster-dbt>=0.29", "dagster-airbyte>=0.29",
    "dagster-fivetran>=0.29", "dagster-postgres>=0.29", "dagster-aws>=0.29", "dagster-k8s>=0.29", "s3fs>=2025.1", "feast>=0.40",
    "optuna>=4", "shap>=0.45",
)  # fmt: skip
_NO_INDEX = ("Failed to fetch", "error sending request", "Could not connect", "dns error", "tcp connect error", "Network is unreachable")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;#]+)")


class NoIndexError(Exception):
    """The package index does not answer."""


@dataclass(frozen=True)
class Resolved:
    """What a resolution found: the versions by name, or the reason why there is none."""

    versions: dict[str, str]
    refused: str = ""


def resolve(wanted: Sequence[str], python: str, *, constraints: str = "constraints.txt", extras: str = "") -> Resolved:
    """Resolve some packages beside this project.

    Parameters
    ----------
    wanted : sequence of str
        Requirements.
    python : str
        ``3.12``.
    constraints : str
        The file of pinned versions.
    extras : str
        Extras of the project, with commas between them.

    Raises
    ------
    NoIndexError
        If the package index cannot be asked.
    """
    project = f"ml-platform{f'[{extras}]' if extras else ''} @ {ROOT.as_uri()}"
    command = [sys.executable, "-m", "uv", "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate", "--python-version", python]
    done = subprocess.run(
        [*command, "--constraint", str(ROOT / constraints)],
        input="\n".join([project, *wanted]),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        if any(words in done.stderr for words in _NO_INDEX):
            raise NoIndexError(done.stderr.strip().splitlines()[-1])
        return Resolved({}, " ".join(done.stderr.split()))
    return Resolved({normal(found[1]): found[2] for line in done.stdout.splitlines() if (found := _PIN.match(line))})


def normal(name: str) -> str:
    """Return a package's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file: str) -> dict[str, set[str]]:
    """Return the versions that a file of constraints pins, by package; of one there may be several, for different Pythons."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
        if pin := _PIN.match(line):
            found.setdefault(normal(pin[1]), set()).add(pin[2])
    return found


def main() -> int:
    """Print for each integration and Python which version fits; return how many do not fit."""
    failed = 0
    for wanted in INTEGRATIONS:
        name = normal(re.split(r"[\[>=<]", wanted)[0])
        said = []
        for python in PYTHONS:
            found = resolve([wanted], python)
            failed += not found.versions
            said.append(f"{python}: {found.versions.get(name) or 'no: ' + found.refused[-200:]}")
        sys.stdout.write(f"{wanted:24} {'   '.join(said)}\n")
        sys.stdout.flush()
    return failed


if __name__ == "__main__":
    sys.exit(main())
