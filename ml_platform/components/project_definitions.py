"""From the declarations of one project to its definitions: compiled once, built component by component."""

import logging
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml_platform.components.assets.policies import with_freshness
from ml_platform.components.dagster_internals import components_below
from ml_platform.components.resources.resource import resources_at
from ml_platform.components.settings import project_clock
from ml_platform.components.words.invalid_declarations import InvalidDeclarationsError
from ml_platform.core.errors import DeclarationError, Faults, MlPlatformError
from ml_platform.core.layers import PROBLEM_LAYERS, TABLE_LAYERS, VIEW_LAYERS
from ml_platform.core.names import check_name
from ml_platform.project.compile import compile_project
from ml_platform.project.doubts import doubts
from ml_platform.project.project import Project

if TYPE_CHECKING:
    from ml_platform.components.words.declared import Declared

# Components are built one by one and do not see each other: the first one of a tree compiles the projects for all, and leaves them there.
_COMPILED = "_ml_platform_projects"
_LAYERS = {"table": TABLE_LAYERS, "feature view": VIEW_LAYERS, "problem": PROBLEM_LAYERS}
_LOG = logging.getLogger(__name__)


def definitions_of(component: "Declared", context: dg.ComponentLoadContext) -> dg.Definitions:
    """Build what one declaration adds to the graph; the first of a project brings what the project has once, such as its sensors."""
    from ml_platform.components.assets import feature_assets, problem_assets, staleness, table_assets
    from ml_platform.components.assets.checks_job import checks_definitions
    from ml_platform.components.assets.retention_asset import retention_definitions
    from ml_platform.components.sensors import sensors

    component.stand_in(Path(context.path))
    try:
        project, declared = projects_of(context.component_tree)[project_name(component.folder, context.component_tree)]
    except MlPlatformError as error:
        raise InvalidDeclarationsError(str(error)) from error
    assets: list[Any] = []
    checks: list[dg.AssetChecksDefinition] = []
    if component.kind == "table":
        assets = table_assets.assets_of(project, project.table(component.name))
    elif component.kind == "feature view":
        assets = feature_assets.assets_of(project, project.view(component.name))
        checks = staleness.checks_of_view(project, project.view(component.name))
    elif component.kind == "problem":
        assets = problem_assets.assets_of(project, project.problem(component.name))
        checks = staleness.checks_of_problem(project, project.problem(component.name))
    if component.checks:
        from ml_platform.components.assets.declared_checks import checks_of

        checks = [*checks, *checks_of(project, component.checks, assets)]
    first = declared[0]
    mine = (first.kind, first.name) == (component.kind, component.name)
    root = str(_project_root(context))
    own = dg.Definitions(
        assets=assets, asset_checks=checks, resources=resources_at(root), sensors=sensors.sensors_of(project) if mine else []
    )
    if component.fresh_within is not None:
        own = with_freshness(own, component.fresh_within)
    return dg.Definitions.merge(own, retention_definitions(project), checks_definitions(project)) if mine else own


def projects_of(tree: dg.ComponentTree) -> "dict[str, tuple[Project, list[Declared]]]":
    """Return every project declared below the tree's folder, compiled, with its declarations in order."""
    kept = vars(tree)
    if _COMPILED not in kept:
        kept[_COMPILED] = _compile_all(tree)
    return kept[_COMPILED]


def project_name(folder: Path, tree: dg.ComponentTree) -> str:
    """Return the project a declaration belongs to: the first folder below ``defs``, or the code location's own name."""
    parts = folder.resolve().relative_to(Path(tree.defs_module_path).resolve()).parts
    return check_name((parts[0] if parts else tree.defs_module_name.split(".")[0]).replace("-", "_"), "project")


def declared_below(tree: dg.ComponentTree) -> "dict[str, list[Declared]]":
    """Return the declarations below the tree's folder by project, in order, as they were loaded: nothing is compiled."""
    from ml_platform.components.words.declared import Declared

    declared: dict[str, list[Declared]] = {}
    for location, component in components_below(tree, Declared):
        path = Path(getattr(location, "file_path", tree.defs_module_path))
        component.stand_in(path if path.is_dir() else path.parent)
        declared.setdefault(project_name(component.folder, tree), []).append(component)
    return declared


def _compile_all(tree: dg.ComponentTree) -> "dict[str, tuple[Project, list[Declared]]]":
    from ml_platform.components.words.declared_files import check_files, unread_files

    check_files(Path(tree.defs_module_path))
    for doubt in unread_files(Path(tree.defs_module_path)):
        _tell(doubt)
    faults, compiled = Faults(), {}
    for name, found in declared_below(tree).items():
        with faults.collected():
            compiled[name] = (_compile_one(name, tree, found), found)
    faults.raise_found()
    return compiled


def _compile_one(name: str, tree: dg.ComponentTree, declared: "list[Declared]") -> Project:
    folder = Path(tree.defs_module_path) / name
    folder = folder if folder.is_dir() else Path(tree.defs_module_path)
    for component in declared:
        component.belong_to(folder)
    kept = [c for c in declared if c.kind == "retention"]
    if len(kept) > 1:
        raise DeclarationError(f"{kept[1].where}: the project has a second retention; the first stands in {kept[0].where}. Keep one.")
    faults, made = Faults(), {}
    for component in declared:
        with faults.collected():
            made[id(component)] = _core_of(component)

    def of(kind: str) -> list[Any]:
        return [made[id(c)] for c in declared if c.kind == kind and id(c) in made]

    broken = [(c.kind, c.name) for c in declared if id(c) not in made and c.kind != "retention"]
    with faults.collected():
        rules = next(iter(of("retention")), None)
        compiled = compile_project(name, folder, of("table"), of("feature view"), of("problem"), rules, broken=broken)
    if faults.found:
        raise _pointed(faults, declared)
    for doubt in doubts(compiled, project_clock(Path(tree.project_root)).now().date()):
        _tell(doubt)
    return replace(compiled, home=Path(tree.project_root))


def _pointed(faults: Faults, declared: "list[Declared]") -> MlPlatformError:
    """Return what is wrong with declarations as one error, each with the line of the word that it is about."""
    pointed = Faults()
    for message in faults.messages:
        told = next((found for component in declared if (found := component.pointed(message)) != message), message)
        pointed.found.append(DeclarationError(told))
    told = sorted(pointed.messages, key=_place_of)
    return type(faults.found[0])(told[0]) if len(told) == len(faults.found) == 1 else DeclarationError.of(told)


def _place_of(message: str) -> tuple[str, int]:
    """Return the file and the line at the beginning of a message."""
    file, _, rest = message.partition(":")
    line = rest.partition(" ")[0].rstrip(":")
    return file, int(line) if line.isdecimal() else 0


@cache
def _tell(doubt: str) -> None:
    """Write a doubt about the declarations to the log, once in a process: a command may load them several times."""
    _LOG.warning(doubt)


def _core_of(component: "Declared") -> Any:
    if component.fault is not None:
        raise component.fault
    component.check_freshness()
    component.check_owners()
    if component.checks:
        from ml_platform.audit.check import check_asked

        check_asked(component.checks, _LAYERS.get(component.kind, ()), component.where)
    return component.to_core()  # type: ignore[attr-defined]


def _project_root(context: dg.ComponentLoadContext) -> Path:
    root = getattr(context, "project_root", None)
    if root is None:
        raise DeclarationError("The dg project's folder is not known; load the definitions with dg.load_from_defs_folder.")
    return Path(root)
