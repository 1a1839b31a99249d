"""Things of one kind by name: the platform's own, those that a project registers, and those that installed packages offer.

An installed package offers one with an entry point. Entry points are looked for only when a name is not known otherwise, or all names are
asked for, and each is imported when its name is: who has no extension pays nothing, and one that is broken breaks nothing else.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from ml_platform.core.errors import ExtensionError, UnknownNameError, did_you_mean
from ml_platform.core.source_code import normalised

_LOG = logging.getLogger(__name__)


class Named(Protocol):
    """What can be registered."""

    @property
    def name(self) -> str:
        """What declarations call it."""
        ...


Thing = TypeVar("Thing", bound=Named)


class Registry(Generic[Thing]):
    """The things of one kind, by name.

    Parameters
    ----------
    kind : str
        What one of them is called, such as ``trainer``.
    group : str
        The group of entry points with which installed packages offer more of them, such as ``ml_platform.trainers``.
    protocol : type
        What each has to have, checked when it is registered.
    built_in : str or mapping of str to object
        The platform's own by name, or the package whose modules hold them: each one of the module's name, or with ``several`` some.
    attribute : str
        What those modules call theirs.
    several : bool
        Whether that is a tuple of things; then all modules are imported where names are asked for.
    classes : bool
        Whether the things are classes; else one that is offered as a class is made by calling it.
    """

    _all: ClassVar[list[Registry]] = []

    def __init__(
        self,
        kind: str,
        group: str,
        protocol: type,
        *,
        built_in: str | Mapping[str, Thing],
        attribute: str = "",
        several: bool = False,
        classes: bool = False,
    ) -> None:
        self.kind, self.group = kind, group
        self._protocol, self._attribute = protocol, attribute
        self._package = built_in if isinstance(built_in, str) else ""
        self._several, self._classes = several, classes
        self._own: dict[str, Thing | None] | None = None if isinstance(built_in, str) else dict(built_in)
        self._registered: dict[str, Thing] = {}
        self._offered: dict[str, list[EntryPoint]] | None = None
        self._all.append(self)

    def register(self, thing: Thing) -> Thing:
        """Make a thing known under its ``name``, in this process.

        Raises
        ------
        ExtensionError
            If another one has that name already, or it lacks what one of its kind must have.
        """
        self._check(thing, thing.name if hasattr(thing, "name") else "")
        there = self._registered.get(thing.name) or self._of_platform(thing.name)
        # A module that is loaded again registers what it did before.
        if there is not None and _place(there) != _place(thing):
            raise ExtensionError(self._twice(thing.name, self._origin(thing.name), _place(thing)))
        self._registered[thing.name] = thing
        return thing

    def get(self, name: str) -> Thing:
        """Return the thing of that name.

        Raises
        ------
        UnknownNameError
            If there is none: with what exists, and which of it was probably meant.
        ExtensionError
            If an installed package offers it and it cannot be imported, or two packages do.
        """
        found = self.find(name)
        if found is None:
            raise UnknownNameError(f"There is no {self.kind} {name!r}. {did_you_mean(name, self.names())}")
        return found

    def find(self, name: str) -> Thing | None:
        """Return the thing of that name; None if there is none. Raises ``ExtensionError`` as ``get`` does."""
        found = self._registered.get(name) or self._of_platform(name)
        return found or (self._load(name) if name in self._entry_points else None)

    def __contains__(self, name: str) -> bool:
        """Return whether there is one of that name, without importing it."""
        return name in self._registered or name in self.built_in() or name in self._entry_points

    def names(self) -> list[str]:
        """Return the names of all, those of installed packages among them, without importing these."""
        return sorted({*self.built_in(), *self._registered, *self._entry_points})

    def built_in(self) -> tuple[str, ...]:
        """Return the names of the platform's own."""
        return tuple(self._of_package())

    def code(self, name: str) -> str:
        """Return a hash of the code of a thing from elsewhere: its module's source, and the version of the package that offers it.

        It is part of the code version of whatever the thing makes. Of the platform's own it is empty: their code is followed by itself.
        """
        if name in self.built_in():
            return ""
        thing = self.get(name)
        file = getattr(sys.modules.get(_place(thing).partition(":")[0]), "__file__", None)
        source = normalised(Path(file).read_text(encoding="utf-8")) if file and file.endswith(".py") else ""
        offered = [] if name in self._registered else self._entry_points.get(name, [])
        versions = [str(point.dist.version) for point in offered if point.dist]
        return hashlib.sha256("\n".join([_place(thing), source, *versions]).encode()).hexdigest()[:16]

    def _of_package(self) -> dict[str, Thing | None]:
        """Return the platform's own by name; None for one whose module has not been imported yet."""
        if self._own is None:
            modules = [module.name for module in iter_modules(importlib.import_module(self._package).__path__)]
            self._own = {one.name: one for name in modules for one in self._held(name)} if self._several else dict.fromkeys(modules)
        return self._own

    def _of_platform(self, name: str) -> Thing | None:
        return (self._of_package()[name] or self._held(name)) if name in self._of_package() else None

    def _held(self, module: str) -> Any:
        return getattr(importlib.import_module(f"{self._package}.{module}"), self._attribute)

    @property
    def _entry_points(self) -> dict[str, list[EntryPoint]]:
        if self._offered is None:
            self._offered = {}
            # One that stands twice on the path, as a package that is installed and edited does, is one.
            for point in sorted(dict.fromkeys(entry_points(group=self.group)), key=_offer):
                if point.name in self.built_in():
                    _LOG.warning("%s The one of the platform is used.", self._twice(point.name, "ml_platform", _offer(point)))
                else:
                    self._offered.setdefault(point.name, []).append(point)
        return self._offered

    def _load(self, name: str) -> Thing:
        points = self._entry_points[name]
        if len({point.value for point in points}) > 1:
            raise ExtensionError(self._twice(name, *map(_offer, points)))
        try:
            loaded = points[0].load()
            thing: Any = loaded() if isinstance(loaded, type) and not self._classes else loaded
        except Exception as error:
            raise ExtensionError(
                f"The {self.kind} {name!r} of {_offer(points[0])} cannot be loaded: {type(error).__name__}: {error}. "
                "Install what the package needs, or another version of it."
            ) from error
        self._check(thing, name, by=f" of {_offer(points[0])}")
        self._registered[name] = thing
        return thing

    def _check(self, thing: object, name: str, *, by: str = "") -> None:
        """Refuse what is none of the kind."""
        needed = [n for n in {**vars(self._protocol), **vars(self._protocol).get("__annotations__", {})} if not n.startswith("_")]
        missing = [n for n in ("name", *needed) if not hasattr(thing, n)]
        if missing:
            raise ExtensionError(f"{_place(thing)}{by} is no {self.kind}: it lacks {', '.join(dict.fromkeys(missing))}.")
        if thing.name != name:  # type: ignore[attr-defined]
            raise ExtensionError(f"The {self.kind} {name!r}{by} calls itself {thing.name!r}. Give both the same name.")  # type: ignore[attr-defined]

    def _origin(self, name: str) -> str:
        return "ml_platform" if name in self.built_in() else _place(self._registered[name])

    def _twice(self, name: str, *origins: str) -> str:
        return f"Two {self.kind}s are called {name!r}: of {' and of '.join(dict.fromkeys(origins))}. Rename one of them."

    @classmethod
    def packages(cls) -> dict[str, str]:
        """Return the version of each installed package of which something has been loaded by now, in any registry."""
        points = [point for one in cls._all for name in one._registered for point in (one._offered or {}).get(name, ())]
        return {point.dist.name: point.dist.version for point in points if point.dist}

    @classmethod
    @contextmanager
    def isolated(cls) -> Iterator[None]:
        """Forget at the end what is registered inside, in any registry; entry points are looked for anew. For tests."""
        before = [(one, dict(one._registered)) for one in cls._all]
        try:
            for one, _ in before:
                one._offered = None
            importlib.invalidate_caches()
            yield
        finally:
            for one, registered in before:
                one._registered, one._offered = registered, None


def _place(thing: object) -> str:
    """Return where a thing is written down: ``module:name``."""
    written = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{written.__module__}:{getattr(written, '__qualname__', '')}"


def _offer(point: EntryPoint) -> str:
    """Say which package offers an entry point, and where the thing is."""
    return f"{point.dist.name} {point.dist.version} ({point.value})" if point.dist else point.value
