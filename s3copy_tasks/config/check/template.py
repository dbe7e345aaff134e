"""The templates of a config: Jinja with a fixed list of names.

Names outside the list may differ from task to task (`ti`, `task`) or reach outside the run (`var`, `conn`,
`macros`), so they are refused. docs/design/who-renders.md
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.sandbox import SandboxedEnvironment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

DATE_NAMES = frozenset(
    {
        "data_interval_end",
        "data_interval_start",
        "ds",
        "ds_nodash",
        "logical_date",
        "ts",
        "ts_nodash",
        "ts_nodash_with_tz",
    }
)
"""Names that a run has only with a logical date."""
NAMES = DATE_NAMES | {"dag_run", "params", "run_id"}
_FIELDS = {
    "dag_run": frozenset({"run_after"}),
    "params": frozenset({"dry_run", "force", "prefixes"}),
}
"""What the mappings among the names hold in every run: nothing else can be relied on."""

_PATHS = frozenset(f"{name}.{field}" for name, fields in _FIELDS.items() for field in fields)

DATE_FORMS: dict[str, Callable[[datetime], str]] = {
    "ds": lambda moment: moment.strftime("%Y-%m-%d"),
    "ds_nodash": lambda moment: moment.strftime("%Y%m%d"),
    "ts": lambda moment: moment.isoformat(),
    "ts_nodash": lambda moment: moment.strftime("%Y%m%dT%H%M%S"),
    "ts_nodash_with_tz": lambda moment: moment.isoformat().replace("-", "").replace(":", ""),
}
"""Airflow's filters for dates; a name such as `ds` is that filter of the logical date."""
_CHARACTERS_MAX = 10_000
_INCLUDES = (nodes.Extends, nodes.FromImport, nodes.Import, nodes.Include)


class UnknownNameError(ValueError):
    """A template is not valid, or uses a name that is unknown or has no value."""


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


@lru_cache(maxsize=4096)  # hundreds of jobs share a few templates
def names_in(template: str) -> frozenset[str]:
    """Return the names that a template uses, without evaluating anything, not even constants.

    Raises:
        UnknownNameError: it is not valid Jinja, or uses a name outside the list.
    """
    if "{" not in template:
        return frozenset()
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


def literal_parts(template: str) -> list[str | None]:
    """Return a template's literal texts in order, with None for each part that only a run can render."""
    parts: list[str | None] = []
    for node in _environment().parse(template).body:
        pieces = node.nodes if isinstance(node, nodes.Output) else [node]
        parts += [piece.data if isinstance(piece, nodes.TemplateData) else None for piece in pieces]
    return parts


def refuse_missing_values(templates: Mapping[str, Any], rendered: Mapping[str, Any]) -> None:
    """Refuse what Airflow makes of a template without its value: the key `None`, or the whole bucket.

    Args:
        templates: the fields before Airflow rendered them; the output of another task is one, too.
        rendered: the same fields afterwards.

    Raises:
        UnknownNameError: names each field with such a value.
    """
    missing = [
        f"{name}: {template!r} rendered to {rendered[name]!r}: a value that it uses is missing"
        for name, template in templates.items()
        if _lacks_value(template, rendered[name])
    ]
    if missing:
        raise UnknownNameError("\n".join(missing))


def _lacks_value(template: Any, rendered: Any) -> bool:
    """Return whether a template rendered to nothing, or one of its expressions to None."""
    if template is None or (isinstance(template, str) and "{{" not in template):
        return False
    if rendered is None or rendered == "":
        return True
    if not isinstance(template, str):
        return False
    try:
        parts = literal_parts(template)
    except TemplateError:  # it may use an extension that only its Dag has
        return False
    pattern = "".join("(.*)" if part is None else re.escape(part) for part in parts)
    found = re.fullmatch(pattern, str(rendered), re.DOTALL)
    return found is not None and "None" in found.groups()


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


def render(template: str, names: Mapping[str, Any], environment: SandboxedEnvironment | None = None) -> str:
    """Return a template with its names filled in.

    Args:
        template: valid or not.
        names: values of the names that it may use.
        environment: another than that of a run.

    Raises:
        UnknownNameError: a name has no value in this run, or the template fails.
    """
    if "{" not in template:
        return template
    missing = sorted(names_in(template) - set(names))
    if missing:
        msg = (
            f"this run has no {', '.join(missing)}: it was started without a logical date. "
            "Use dag_run.run_after, or give the run a logical date"
        )
        raise UnknownNameError(msg)
    try:
        return (environment or _environment()).from_string(template).render(names)
    except Exception as error:  # noqa: BLE001 - a template is code: it may divide by zero, too
        msg = f"can't be rendered: {error}"
        raise UnknownNameError(msg) from None
