"""What a computation ran on: interpreter, packages, machine and code, as far as they can change a bit of its result."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ml_platform.core.registry import Registry

# Those that compute what a model is made of.
PACKAGES = ("ml-platform", "duckdb", "polars", "pyarrow", "numpy", "scipy", "scikit-learn", "lightgbm")
# Vector instructions: libraries choose their loops by them, and a loop of another width sums in another order.
_FLAGS = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512dq", "avx512bw", "avx512vl", "amx_tile", "asimd", "sve", "sve2")
_ORDER = ("python", "system", "machine", "cpus", "packages", "git", "seed", "threads")
# Looking at a repository must not make a training wait for a slow disk or a prompt.
_GIT_SECONDS = 10


def environment_here(root: Path, *, seed: int, threads: int) -> dict[str, Any]:
    """Describe this process's environment.

    Parameters
    ----------
    root : Path
        A folder of the project's code; its git commit is recorded if it lies in a repository.
    seed : int
        Of everything that is drawn.
    threads : int
        The most that a trainer uses.

    Returns
    -------
    dict
        Plain values for JSON: ``python``, ``system`` (with its C library, which has the logarithms), ``machine`` (architecture and vector
        instructions), ``cpus``, ``packages`` (name to version, those of extensions included),
        ``git`` (``commit`` and whether it is ``dirty``; None outside of a
        repository), ``seed`` and ``threads``.
    """
    process = _process()
    packages = {**process["packages"], **Registry.packages()}
    return {**process, "packages": packages, "git": git_state(root), "seed": seed, "threads": threads}


def git_state(root: Path) -> dict[str, Any] | None:
    """Return the commit of the repository around a folder, and whether its files differ from that; None without one."""
    git = shutil.which("git")
    if git is None:
        return None
    commit = _git(git, root, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _git(git, root, "status", "--porcelain")
    return {"commit": commit, "dirty": None if changed is None else bool(changed)}


def compare_environments(then: Mapping[str, Any], here: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one row per thing that was recorded, or is known here: ``what``, ``then``, ``here`` and whether they are the ``same``.

    ``same`` is None where nothing was recorded, and for what changes no bit (the number of processors).

    Examples
    --------
    >>> for row in compare_environments({"python": "3.11.2", "packages": {"numpy": "2.4.6"}}, {"python": "3.11.2", "packages": {}}):
    ...     print(row)
    {'what': 'python', 'then': '3.11.2', 'here': '3.11.2', 'same': True}
    {'what': 'numpy', 'then': '2.4.6', 'here': None, 'same': False}
    """
    before, now = flatten_environment(then), flatten_environment(here)
    return [
        {
            "what": what,
            "then": before.get(what),
            "here": now.get(what),
            "same": None if what not in before or what == "cpus" else before[what] == now.get(what),
        }
        for what in dict.fromkeys([*now, *before])
    ]


def flatten_environment(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return an environment as one plain value per thing that can differ, for a table; in one order, however it was stored."""
    flat: dict[str, Any] = {}
    for name in sorted(environment, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)):
        value = environment[name]
        if name == "packages":
            flat |= dict(sorted(value.items()))
        elif name == "machine":
            flat[name] = " ".join([value["architecture"], *value["flags"]])
        elif name == "git":
            flat["git commit"] = None if value is None else f"{value['commit'][:12]}{' with changes' if value['dirty'] else ''}"
        else:
            flat[name] = value
    return flat


@lru_cache(maxsize=1)
def _process() -> dict[str, Any]:
    """Return what stays the same as long as the process lives."""
    library, number = platform.libc_ver()
    return {
        "python": platform.python_version(),
        "system": " ".join(part for part in (platform.system(), library, number) if part),
        "machine": {"architecture": platform.machine(), "flags": list(_vector_flags())},
        "cpus": os.cpu_count(),
        "packages": {name: found for name in PACKAGES if (found := _version(name)) is not None},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _vector_flags() -> tuple[str, ...]:
    """Return which vector instructions the processor has; nothing where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    told = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    present = set(told.partition(":")[2].split())
    return tuple(flag for flag in _FLAGS if flag in present)


def _git(git: str, root: Path, *arguments: str) -> str | None:
    """Return what git says, None if it fails."""
    # Optional locks: a look must not get in the way of somebody's commit.
    command = [git, "--no-optional-locks", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_GIT_SECONDS)  # noqa: S603 - fixed words only
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
