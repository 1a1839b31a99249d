"""The files that declarations are written in, read before Dagster reads them: what it would fail for is said in our words.

Dagster reads the YAML of a code location file by file, and stops at the first that it cannot read with an error of the reader's own. Of a
word that stands twice it takes the second without a sound.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import yaml

import ml_platform
from ml_platform.components.words.declared import Declared
from ml_platform.components.words.source_lines import shown_path
from ml_platform.core.errors import DeclarationError, Faults, did_you_mean
from ml_platform.tables.declared.yaml_text import describe_fault, documents, yaml_faults

_FILES = ("defs.yaml", "defs.yml", "component.yaml")
_TOP = ("type", "attributes", "requirements", "template_vars_module", "post_processing")
_OURS = "ml_platform."


def check_files(defs: Path) -> None:
    """Check that the files below a ``defs`` folder hold declarations that Dagster can read as they were meant.

    Raises
    ------
    DeclarationError
        If a file is no YAML, a word stands twice, or a declaration has no type that exists; all faults are told, each with its line.
    """
    faults = Faults()
    for file in sorted(path for path in defs.rglob("*") if path.name in _FILES and path.is_file()):
        for fault in _faults_of(file):
            with faults.collected():
                raise DeclarationError(fault)
    faults.raise_found()


def unread_files(defs: Path) -> list[str]:
    """Return a sentence for each file of declarations that Dagster passes over, because another stands above or beside it."""
    files = sorted(path for path in defs.rglob("*") if path.name in _FILES and path.is_file())
    # Of one folder it reads the first of these names, and looks no deeper unless that file says so.
    read = {folder: next(folder / name for name in _FILES if (folder / name) in files) for folder in {file.parent for file in files}}
    doubts = []
    for file in files:
        above = [read[folder] for folder in file.parents if folder in read and folder != file.parent and folder.is_relative_to(defs)]
        other = read[file.parent] if read[file.parent] != file else next((one for one in above if _is_all_ours(one)), None)
        if other is not None:
            mine, theirs = (f"{defs.name}/{path.relative_to(defs).as_posix()}" for path in (file, other))
            doubts.append(
                f"{mine} is not read: Dagster looks no further where {theirs} stands. Move its declarations into that file, or each of the "
                "two into a folder of its own, beside each other."
            )
    return doubts


def _is_all_ours(file: Path) -> bool:
    """Whether no declaration of a file is of a kind that loads what stands below it, as Dagster's own folders do."""
    kinds = [line.partition(":")[2].strip() for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("type:")]
    return all(kind.strip("'\"").startswith(_OURS) for kind in kinds)


def component_types() -> dict[str, type[Declared]]:
    """Return the kinds of declarations by the type that a file names, such as ``ml_platform.Table``."""
    found = {name: getattr(ml_platform, name) for name in ml_platform.__all__}
    return {f"{_OURS}{name}": kind for name, kind in found.items() if isinstance(kind, type) and issubclass(kind, Declared)}


def _faults_of(file: Path) -> list[str]:
    place = shown_path(file)
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        return [f"{place}: the file holds what is no text in UTF-8 (byte {problem.start}). Save it as UTF-8."]
    if not text.strip():
        return [f"{place}: the file is empty. Write type: ml_platform.Table, then attributes:, or remove it."]
    found = yaml_faults(text, place)
    return found or [describe_fault(place, text, number, what) for node in documents(text) for number, what in _faults_at_top(node)]


def _faults_at_top(node: yaml.Node) -> Iterator[tuple[int, str]]:
    """Yield what is wrong with one declaration above its attributes, with its line."""
    number = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        if isinstance(node, yaml.ScalarNode) and not node.value:
            yield number, "the declaration is empty: two lines --- follow each other, or the file ends with one. Remove one."
        else:
            yield number, "this is no declaration: it has no `type:` and no `attributes:`. Write type: ml_platform.Table, then attributes:"
        return
    words = {key.value: (key.start_mark.line + 1, value) for key, value in node.value}
    known = component_types()
    written = words["type"][1] if "type" in words else None
    kind = written.value if isinstance(written, yaml.ScalarNode) else ""
    if not kind:
        yield number, f"the declaration has no type. Write type: ml_platform.Table above attributes:. {did_you_mean('', known)}"
    wrong = _wrong_type(kind, known) if kind else None
    if wrong is not None:
        yield words["type"][0], wrong
    for word, (line, _) in words.items():
        if word not in _TOP:
            fields = known[kind].model_fields if kind in known else {}
            if word in {field.alias or name for name, field in fields.items()}:
                yield line, f"`{word}` stands beside `attributes:`, not in them. Indent it by two spaces."
            else:
                yield line, f"a declaration has no `{word}` beside its attributes. {did_you_mean(word, _TOP)}"
    attributes = words.get("attributes")
    if attributes is not None and kind in known and not isinstance(attributes[1], yaml.MappingNode):
        needed = [field.alias or name for name, field in known[kind].model_fields.items() if field.is_required()]
        yield attributes[0], f"`attributes:` is empty. A {kind.removeprefix(_OURS)} needs {', '.join(needed)}, each in a line below it."


def _wrong_type(kind: str, known: dict[str, type[Declared]]) -> str | None:
    """Return why a type cannot be that of a declaration; None if it can, or is for Dagster to judge."""
    parts = kind.split(".")
    same = next((name for name in known if name.rpartition(".")[2] == parts[-1]), None)
    if len(parts) == 1:
        meant = f"Did you mean '{same}'?" if same else did_you_mean(f"{_OURS}{kind}", known)
        return f"the type '{kind}' names no package. {meant}"
    if kind.startswith(_OURS):
        return (
            None
            if kind in known or (_is_module(".".join(parts[:-1])) and len(parts) > 2)
            else f"there is no type '{kind}'. {did_you_mean(kind, known)}"
        )
    if not parts[0] or _is_module(parts[0]):
        return None
    meant = f" Did you mean '{same}'?" if same else ""
    return f"the type '{kind}' is of a package {parts[0]} that is not installed here.{meant}"


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
