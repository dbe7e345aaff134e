"""The templates of a config: Jinja with a closed list of names.

Names outside the list may differ from task to task (`ti`, `task`) or reach outside the run (`var`, `conn`,
`macros`), so they are refused. docs/design/who-renders.md
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, TemplateError, meta
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
        names = meta.find_undeclared_variables(_environment().parse(template))
    except TemplateError as error:
        msg = f"not a template: {error}"
        raise UnknownNameError(msg) from None
    unknown = sorted(names - NAMES)
    if unknown:
        msg = f"unknown name {', '.join(unknown)}. Templates know {', '.join(sorted(NAMES))}"
        raise UnknownNameError(msg)
    return names


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
    except (TemplateError, TypeError, ValueError, AttributeError) as error:
        msg = f"can't be rendered: {error}"
        raise UnknownNameError(msg) from None


class RunDates:
    """What templates see as `dag_run`: when the run became due."""

    def __init__(self, run_after: datetime) -> None:
        self.run_after = run_after


def date_names(logical_date: datetime, interval: tuple[datetime, datetime]) -> dict[str, Any]:
    """Return the date names of a run as Airflow defines them, all in UTC."""
    filters = _environment().filters
    moment = logical_date.astimezone(UTC)
    forms = {name: filters[name](moment) for name in DATE_NAMES if name in filters}
    return {
        "logical_date": moment,
        "data_interval_start": interval[0].astimezone(UTC),
        "data_interval_end": interval[1].astimezone(UTC),
        **forms,
    }
