"""Pages of the lake that open in the browser: Evidently's report and a model's card, by a link on an asset's page.

Dagster's webserver serves one kind of file besides its own: what the compute log manager of ``dagster.yaml`` says a log is, below
``/logs/``. `LakePages` is Dagster's own manager of local logs, and answers for files of the lake too. Nothing is copied ahead: a page is
read from the lake when somebody opens it, so a version that is gone, or forgotten, is gone here as well. A browser gets it as a download
that it opens by a click.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

from ml_platform.components.dagster_internals import CapturedLogContext, LocalComputeLogManager, redirect_to_file
from ml_platform.core.errors import MlPlatformError
from ml_platform.pipeline.outcome import Page

if not TYPE_CHECKING and LocalComputeLogManager is None:
    raise ImportError(
        "The logs that dagster.yaml asks for are Dagster's own local ones with the lake's pages beside them, and this Dagster has those "
        "elsewhere. Leave `compute_logs` out of dagster.yaml: logs are kept all the same, and pages are opened with ml-platform show."
    )

# The first part of the address after /logs/: no run is called so.
PLACE = "lake"
# Below the folder of logs: pages that were opened, for a day.
_OPENED = "lake_pages"
_KEPT_SECONDS = 86_400
_KEY_PARTS = 4


class LakePages(LocalComputeLogManager):
    """Local logs of runs, and the lake's pages beside them; configured as Dagster's own: ``{base_dir: data/.dagster/compute_logs}``."""

    # Whether what is printed is shown while it is printed, by four processes for each run, or when its run has ended.
    shows_at_once = True

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> LakePages:
        """Return what ``dagster.yaml`` asks for; the manager below makes one of itself."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Iterator[CapturedLogContext]:
        """Keep what is printed meanwhile in the files of a log."""
        redirect = None if self.shows_at_once else redirect_to_file()
        if redirect is None:
            with super().capture_logs(log_key) as context:
                yield context
            return
        out, err = (Path(self.get_captured_local_path(log_key, extension)) for extension in ("out", "err"))
        out.parent.mkdir(parents=True, exist_ok=True)
        with redirect(sys.stdout, str(out)), redirect(sys.stderr, str(err)):
            yield CapturedLogContext(log_key)
        Path(self.complete_artifact_path(log_key)).touch()
        for stream, path in ((sys.stdout, out), (sys.stderr, err)):
            if path.is_file() and path.stat().st_size:
                stream.write(path.read_text(encoding="utf-8", errors="replace"))

    def get_captured_local_path(self, log_key: Sequence[str], extension: str, partial: bool = False) -> str:
        """Return the file of a log, or of a page of the lake, whose key is ``["lake", version, start of its content hash, file]``.

        Raises
        ------
        ValueError
            If the key leads out of the folder of logs.
        """
        if len(log_key) != _KEY_PARTS or log_key[0] != PLACE or partial:
            return super().get_captured_local_path(log_key, extension, partial)
        _, version, content, name = log_key
        path = Path(super().get_captured_local_path([_OPENED, f"{version}_{Path(name).stem}"], "html"))
        page = _page(version, content, name)
        if page is None:
            # The caller looks whether the file is there, and says so where it is not.
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            _sweep(path.parent)
            # Two readers at once: each finds a whole page.
            part = path.with_suffix(f".{uuid4().hex}")
            part.write_bytes(page)
            os.replace(part, path)
        return str(path)


def link(instance: Any, page: Page) -> str:
    """Return Markdown of a page: a link where this instance can serve it, and where it lies in the lake where not."""
    if not isinstance(instance.compute_log_manager, LakePages):
        return f"{page.title}: `{page.location}` (version {page.version})"
    return f"[Open {page.title}](/logs/{PLACE}/{page.version}/{page.content}/{quote(page.file)}/html) (version {page.version})"


def _page(version: str, content: str, name: str) -> bytes | None:
    """Return a page of the lake as HTML; None if the lake of this folder has no such version or file, or none of that content."""
    from ml_platform.lake.settings import open_lake

    if not (version.isascii() and version.isdigit()) or Path(name).suffix not in (".html", ".md"):
        return None
    try:
        lake = open_lake(Path.cwd(), read_only=True)
        found = lake.versions.get(int(version))
        if not content or not found.data_hash.startswith(content):
            return None
        page = lake.versions.artifact(found, name)
    except MlPlatformError:
        return None
    return page if name.endswith(".html") else _as_html(page.decode(), Path(name).stem).encode()


def _sweep(folder: Path) -> None:
    """Remove what was opened on former days."""
    for file in folder.iterdir():
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > _KEPT_SECONDS:
                file.unlink()


def _as_html(text: str, title: str) -> str:
    """Return Markdown as a page that needs nothing else; HTML within the text is shown, not obeyed."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style><main>{body}</main></html>'


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem;color:#222}main{max-width:60rem;margin:auto}"
    "table{border-collapse:collapse;display:block;overflow-x:auto}td,th{border:1px solid #ccc;padding:.3rem .6rem;text-align:left}"
    "code{background:#f3f3f3;padding:0 .2rem}"
)
