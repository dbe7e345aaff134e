"""The templates of a config: Jinja with a closed list of names.

Names outside the list may differ from task to task (`ti`, `task`) or reach outside the run (`var`, `conn`,
`macros`), so they are refused. docs/design/who-renders.md
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, TemplateError, meta, nodes
from jinja2.sandbox import SandboxedEnvironment

if TYPE_CHECKING:
    from collections.abc import Mapping

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
"""Names that a run has only where it has a logical date."""
NAMES = DATE_NAMES | {"dag_run", "params", "run_id"}


class UnknownNameError(ValueError):
    """A template uses a name, or syntax, that there is not."""


@cache
def _environment() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True
    )
    environment.filters.update(
        ds=lambda moment: moment.strftime("%Y-%m-%d"),
        ds_nodash=lambda moment: moment.strftime("%Y%m%d"),
        ts=lambda moment: moment.isoformat(),
        ts_nodash=lambda moment: moment.strftime("%Y%m%dT%H%M%S"),
        ts_nodash_with_tz=lambda moment: moment.isoformat().replace("-", "").replace(":", ""),
    )
    environment.globals.clear()
    return environment


def names_in(template: str) -> set[str]:
    """Return the names that a template uses.

    Raises:
        UnknownNameError: it is no Jinja, or uses a name outside the list.
    """
    try:
        tree = _environment().parse(template)
        names = meta.find_undeclared_variables(tree)
    except TemplateError as error:
        msg = f"not a template: {error.message}"
        raise UnknownNameError(msg) from None
    except (RecursionError, ValueError):  # ValueError: a number of thousands of digits
        msg = "not a template: too long or too deep"
        raise UnknownNameError(msg) from None
    if any(tree.find(kind) for kind in (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        msg = "a template can't take in another file"
        raise UnknownNameError(msg)
    unknown = sorted((names - NAMES) | _unknown_attributes(tree))
    if unknown:
        known = ", ".join(sorted(NAMES - {"dag_run"} | {"dag_run.run_after"}))
        msg = f"unknown name {', '.join(unknown)}. Templates know {known}"
        raise UnknownNameError(msg)
    return names


def _unknown_attributes(tree: nodes.Template) -> set[str]:
    return {
        f"dag_run.{node.attr}"
        for node in tree.find_all(nodes.Getattr)
        if isinstance(node.node, nodes.Name) and node.node.name == "dag_run" and node.attr != "run_after"
    }


def render(template: str, names: Mapping[str, Any]) -> str:
    """Return a template with its names filled in.

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
        return _environment().from_string(template).render(names)
    except Exception as error:  # noqa: BLE001 - a template is code: it may divide by zero, too
        msg = f"can't be rendered: {error}"
        raise UnknownNameError(msg) from None


class RunDates:
    """What templates see as `dag_run`: when the run became due."""

    def __init__(self, run_after: datetime) -> None:
        self.run_after = run_after


def date_names(logical_date: datetime, interval: tuple[datetime, datetime]) -> dict[str, Any]:
    """Return the date names of a run as Airflow defines them, all in UTC and of Airflow's own type."""
    import pendulum  # noqa: PLC0415 - slow, and only the command line needs it

    filters = _environment().filters
    moment, start, end = (pendulum.instance(t).in_timezone("UTC") for t in (logical_date, *interval))
    forms = {name: filters[name](moment) for name in DATE_NAMES if name in filters}
    return {"logical_date": moment, "data_interval_start": start, "data_interval_end": end, **forms}
