"""Reads and renders templates with Jinja, whose import takes a while: most texts of a config need none."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.sandbox import SandboxedEnvironment

from s3copy_tasks.config.check.template import DATE_FORMS, NAMES, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_FIELDS = {
    "dag_run": frozenset({"run_after"}),
    "params": frozenset({"dry_run", "force", "prefixes"}),
}
"""What the mappings among the names hold in every run: nothing else can be relied on."""

_PATHS = frozenset(f"{name}.{field}" for name, fields in _FIELDS.items() for field in fields)

_CHARACTERS_MAX = 10_000
_INCLUDES = (nodes.Extends, nodes.FromImport, nodes.Import, nodes.Include)


def make_environment(kind: type[SandboxedEnvironment] = SandboxedEnvironment) -> SandboxedEnvironment:
    """Return an environment for templates, with Airflow's date filters and without any global name."""
    environment = kind(
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        optimized=False,  # constants are evaluated when a template is rendered, and not when it is read
    )
    environment.filters.update(DATE_FORMS)
    environment.globals.clear()
    return environment


@cache
def _environment() -> SandboxedEnvironment:
    return make_environment()


def find_names(template: str) -> frozenset[str]:
    """Return the names that a template uses; see `names_in`."""
    found = _parsed(template)
    filters = sorted(_unknown_filters(found))
    if filters:
        msg = f"unknown filter {', '.join(filters)}. Date filters: {', '.join(sorted(DATE_FORMS))}"
        raise UnknownNameError(msg)
    names = _undeclared(found)
    unknown = sorted((names - NAMES) | _unknown_attributes(found))
    if unknown:
        known = ", ".join(sorted(NAMES - {*_FIELDS} | _PATHS))
        msg = f"unknown name {', '.join(unknown)}. Known names: {known}"
        raise UnknownNameError(msg)
    return names


def _parsed(template: str) -> list[nodes.Node]:
    """Return every node of a template.

    Raises:
        UnknownNameError: it is not valid Jinja, is too large, or includes another file.
    """
    if len(template) > _CHARACTERS_MAX:
        msg = f"not a valid template: it has more than {_CHARACTERS_MAX:,} characters"
        raise UnknownNameError(msg)
    try:
        found = [*nodes_of(template)]
    except TemplateError as error:
        msg = f"not a valid template: {error.message}. Write a name in double braces: {{{{ ds }}}}"
        raise UnknownNameError(msg) from None
    except (RecursionError, ValueError):  # ValueError: a number of thousands of digits
        msg = "not a valid template: too long or too deeply nested"
        raise UnknownNameError(msg) from None
    if any(isinstance(node, _INCLUDES) for node in found):
        msg = "a template can't include another file"
        raise UnknownNameError(msg)
    return found


def split_template(template: str) -> list[str | nodes.Node]:
    """Return literal texts, and a node for each other part; see `template_parts`."""
    parts: list[str | nodes.Node] = []
    try:
        body = _environment().parse(template).body
    except TemplateError as error:
        raise UnknownNameError(str(error)) from None
    for node in body:
        pieces = node.nodes if isinstance(node, nodes.Output) else [node]
        parts += [piece.data if isinstance(piece, nodes.TemplateData) else piece for piece in pieces]
    return parts


def nodes_of(template: str) -> Iterator[nodes.Node]:
    """Yield every node of a template."""
    waiting: list[nodes.Node] = [_environment().parse(template)]
    while waiting:
        node = waiting.pop()
        waiting += node.iter_child_nodes()
        yield node


def _unknown_filters(found: Sequence[nodes.Node]) -> set[str]:
    filters = {node.name for node in found if isinstance(node, nodes.Filter)}
    tests = {node.name for node in found if isinstance(node, nodes.Test)}
    return (filters - {*_environment().filters}) | (tests - {*_environment().tests})


def _undeclared(found: Sequence[nodes.Node]) -> frozenset[str]:
    """Return the names that a template uses but does not set itself."""
    names = [node for node in found if isinstance(node, nodes.Name)]
    own = {node.name for node in names if node.ctx != "load"}
    own |= {node.name for node in found if isinstance(node, nodes.Macro)}
    own |= {"loop"} if any(isinstance(node, nodes.For) for node in found) else set()
    return frozenset(node.name for node in names if node.name not in own)


def _unknown_attributes(found: Sequence[nodes.Node]) -> set[str]:
    paths = {path for node in found if (path := _path(node)) is not None}
    return {path for path in paths - _PATHS if not _is_method(path)}


def _path(node: nodes.Node) -> str | None:
    """Return the path of a field of one of the mappings, such as `params.force` or `params["force"]`."""
    match node:
        case nodes.Getattr(node=nodes.Name(name=name), attr=field) if name in _FIELDS:
            return f"{name}.{field}"
        case nodes.Getitem(node=nodes.Name(name=name), arg=nodes.Const(value=field)) if name in _FIELDS:
            return f"{name}.{field}"
        case _:
            return None


def _is_method(path: str) -> bool:
    name, _, field = path.partition(".")
    return name == "params" and hasattr(dict, field)


def fill_in(template: str, names: Mapping[str, Any], environment: SandboxedEnvironment | None) -> str:
    """Return a template with its names filled in; see `render`."""
    try:
        return (environment or _environment()).from_string(template).render(names)
    except Exception as error:  # noqa: BLE001 - a template is code: it may divide by zero, too
        msg = f"can't be rendered: {error}"
        raise UnknownNameError(msg) from None
