"""The templates of a config: Jinja with a fixed list of names.

Names outside the list may differ from task to task (`ti`, `task`) or reach outside the run (`var`, `conn`,
`macros`), so they are refused. docs/design/who-renders.md
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jinja2 import nodes
    from jinja2.sandbox import SandboxedEnvironment

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
DATE_FORMS: dict[str, Callable[[datetime], str]] = {
    "ds": lambda moment: moment.strftime("%Y-%m-%d"),
    "ds_nodash": lambda moment: moment.strftime("%Y%m%d"),
    "ts": lambda moment: moment.isoformat(),
    "ts_nodash": lambda moment: moment.strftime("%Y%m%dT%H%M%S"),
    "ts_nodash_with_tz": lambda moment: moment.isoformat().replace("-", "").replace(":", ""),
}
"""Airflow's filters for dates; a name such as `ds` is that filter of the logical date."""


class UnknownNameError(ValueError):
    """A template is not valid, or uses a name that is unknown or has no value."""


@lru_cache(maxsize=4096)  # hundreds of jobs share a few templates
def names_in(template: str) -> frozenset[str]:
    """Return the names that a template uses, without evaluating anything, not even constants.

    Raises:
        UnknownNameError: it is not valid Jinja, or uses a name outside the list.
    """
    if "{" not in template:
        return frozenset()
    from s3copy_tasks.config.check.jinja import find_names  # noqa: PLC0415 - slow, and few texts are templates

    return find_names(template)


def literal_parts(template: str) -> list[str | None]:
    """Return a template's literal texts in order, with None for each part that only a run can render.

    Raises:
        UnknownNameError: it is not valid Jinja.
    """
    return [part if isinstance(part, str) else None for part in template_parts(template)]


@lru_cache(maxsize=4096)  # hundreds of jobs share a few templates
def template_parts(template: str) -> tuple[str | nodes.Node, ...]:
    """Return a template's literal texts in order, with a node for each part that only a run can render.

    Two nodes are equal if they are written alike, but for spaces.

    Raises:
        UnknownNameError: it is not valid Jinja.
    """
    if "{" not in template:
        return (template,) if template else ()
    from s3copy_tasks.config.check.jinja import split_template  # noqa: PLC0415 - slow

    return tuple(split_template(template))


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
    except UnknownNameError:  # it may use an extension that only its Dag has
        return False
    pattern = "".join("(.*)" if part is None else re.escape(part) for part in parts)
    found = re.fullmatch(pattern, str(rendered), re.DOTALL)
    return found is not None and "None" in found.groups()


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
    from s3copy_tasks.config.check.jinja import fill_in  # noqa: PLC0415 - slow

    return fill_in(template, names, environment)
