"""``ml-platform lake resync``: tell the Dagster history of a branch again what the lake holds."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ml_platform.commands.answer import Answer, Sheet
from ml_platform.commands.place import open_lake, project_root, table_filter
from ml_platform.core.layers import TableName

if TYPE_CHECKING:
    from ml_platform.components.events.resync import CodeVersion


def resync(args: Namespace) -> Answer:
    """Report every readable head that the event log lacks, or has with another data version; twice changes nothing."""
    from ml_platform.components.code_location import load_definitions
    from ml_platform.components.events.resync import Resync
    from ml_platform.components.instance.history import open_history

    root, lake = project_root(args.project), open_lake(args.project)
    definitions = load_definitions(root)
    with open_history(root, lake.branch) as instance:
        done = Resync(definitions, instance, lake, _declared_code(root), _say).run(table_filter(args.tables))
    rows = [
        {
            "asset": TableName.of_parts(one.key.path).short, "heads": one.heads, "known already": one.known, "reported": one.reported,
            "of no declared partition": one.outside,
        }
        for one in done
    ]  # fmt: skip
    reported = sum(one.reported for one in done)
    line = f"The history of {lake.branch} was told {reported} of {sum(one.heads for one in done)} heads of {len(done)} assets."
    then = ("Sensors that ran meanwhile may have asked for what was not reported yet: they are best stopped.",) if reported else ()
    return Answer({"branch": lake.branch, "reported": reported, "assets": rows}, (line,), (Sheet("Assets", rows),), then=then)


def _declared_code(root: Path) -> CodeVersion:
    """Return what says how the code of a table is called today."""
    from ml_platform.components.opened_projects import open_projects
    from ml_platform.components.resources.resource import Platform
    from ml_platform.pipeline.declared_code import declared_code_version

    workspaces = {name: Platform(root=str(root)).workspace(project) for name, project in open_projects(root).items()}

    def declared(project: str, layer: str, name: str) -> str | None:
        return declared_code_version(workspaces[project].project, layer, name) if project in workspaces else None

    return declared


def _say(text: str) -> None:
    # Progress goes to standard error, so that --json stays one value.
    sys.stderr.write(f"==> {text}\n")
    sys.stderr.flush()
