"""Texts of a declaration as they were written: a template in them is rendered, and nothing else is read into them.

Dagster renders every text as a template whose result is read as a Python literal if it looks like one, so ``'"at"'`` would arrive as
``at`` and ``'1.10'`` as a number.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster.components.resolved.errors import ResolutionException

_TEMPLATE_MARKS = ("{{", "{%", "{#")


class TemplateError(ResolutionException):
    """A template that cannot be rendered; Dagster passes an error of its own kind on as it is."""

    def __init__(self, path: Sequence[str | int], reason: str) -> None:
        super().__init__(reason)
        self.path = tuple(path)


class Verbatim(dg.ResolutionContext):
    """Dagster's context of one declaration, with texts left as they are."""

    @staticmethod
    def of(context: dg.ResolutionContext) -> "Verbatim":
        """Return the same context, reading texts as they were written."""
        return Verbatim(scope=context.scope, path=context.path, source_position_tree=context.source_position_tree, stash=context.stash)

    def resolve_value(self, val: Any, as_type: type | None = None) -> Any:  # noqa: ARG002 - Dagster's own signature
        """Return a value with its templates rendered: a template alone gives its value, one within a text becomes part of the text.

        Raises
        ------
        TemplateError
            If a template cannot be read, or gives nothing, as that of an environment variable which is not set.
        """
        if not isinstance(val, str):
            return super().resolve_value(val)
        if not any(mark in val for mark in _TEMPLATE_MARKS):
            return val
        try:
            return _render(val, self.scope)
        except ValueError as problem:
            raise TemplateError(self.path[1:], str(problem)) from None


def _render(text: str, scope: Mapping[str, Any]) -> Any:
    import jinja2
    from jinja2.nativetypes import NativeEnvironment, NativeTemplate

    class Environment(NativeEnvironment):
        concat = staticmethod(_joined)  # type: ignore[assignment]

    class Template(NativeTemplate):
        environment_class = Environment

    Environment.template_class = Template
    try:
        rendered = Environment(undefined=jinja2.StrictUndefined).from_string(text).render(**scope)
        # An unknown name alone arrives as such; asked for its text it says so.
        if isinstance(rendered, jinja2.StrictUndefined):
            str(rendered)
    except jinja2.TemplateError as problem:
        raise ValueError(f"the template {text!r} cannot be read: {problem}. Names that exist: {', '.join(scope)}.") from None
    if rendered is None:
        variables = re.findall(r"\benv(?:\.|\(\s*['\"])(\w+)", text)
        told = f"the environment variable {', '.join(variables)} is not set" if variables else "a template in it gives nothing"
        raise ValueError(f"{text!r} has no value: {told}.")
    return rendered


def _joined(parts: Iterable[Any]) -> Any:
    """Return the only part as it is, or several as one text; None where one of them is nothing."""
    found = list(parts)
    if len(found) == 1:
        return found[0]
    return None if not found or any(part is None for part in found) else "".join(str(part) for part in found)
