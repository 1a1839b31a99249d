"""The files of an artifact, such as a model: handed out only if they are what was published."""

from __future__ import annotations

import hashlib

from ml_platform.core.errors import CollectedError, IntegrityError, LakeError, did_you_mean
from ml_platform.lake.files.store import Store
from ml_platform.lake.ledger.version import ARTIFACT, Version


def check_kept(version: Version) -> None:
    """Refuse a version whose files retention has deleted.

    Raises
    ------
    CollectedError
        Saying when and by which rule.
    """
    if version.gone is not None:
        raise CollectedError(
            f"The files of {version.where} were deleted by retention on {version.gone.time:%Y-%m-%d %H:%M} UTC by the rule: "
            f"{version.gone.rule}. What it was made from is still in the history (ml-platform explain); a pin or a tag would have kept it."
        )


def read_artifact(store: Store, version: Version, name: str) -> bytes:
    """Return the content of one file of an artifact.

    Raises
    ------
    LakeError
        If the version has no such file.
    IntegrityError
        If the file is missing or is not what was published.
    CollectedError
        If retention has deleted it.
    """
    by_name = {file.name: file for file in version.files}
    if version.kind != ARTIFACT:
        raise LakeError(
            f"Version {version.id} of {version.table!r} holds rows, not files: read it with lake.versions.read([{version.id}])."
        )
    if name not in by_name:
        raise LakeError(f"Version {version.id} of {version.table!r} has no file {name!r}. {did_you_mean(name, by_name)}")
    check_kept(version)
    path = by_name[name].path
    try:
        content = store.read(path)
    except FileNotFoundError:
        content = None
    if content is None or hashlib.sha256(content).hexdigest() != by_name[name].sha256:
        state = "is missing" if content is None else "is not what was published"
        raise IntegrityError(
            f"{store.location(path)} of version {version.id} of {version.table!r} {state}. "
            "Restore it from a backup, or materialize it again."
        )
    return content
