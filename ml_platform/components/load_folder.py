"""The definitions below ``defs/``, loaded as Dagster loads them, with our words for files that it cannot read."""

from pathlib import Path

import dagster as dg

from ml_platform.components.words.declared_files import check_files
from ml_platform.components.words.invalid_declarations import InvalidDeclarationsError
from ml_platform.core.errors import DeclarationError


def load_from_defs_folder(*, path_within_project: Path) -> dg.Definitions:
    """Return what ``dg.load_from_defs_folder`` returns; a declaration that cannot be right is one message, also where the file is no YAML.

    Parameters
    ----------
    path_within_project : Path
        A folder in a dg project, such as that of its ``definitions.py``.

    Raises
    ------
    DeclarationError
        If a file cannot be read or a declaration is wrong; all that is wrong is told at once, each with its file and line.
    """
    try:
        check_files(Path(dg.ComponentTree.for_project(path_within_project).defs_module_path))
    except DeclarationError as error:
        raise InvalidDeclarationsError(str(error)) from error
    return dg.load_from_defs_folder(path_within_project=path_within_project)
