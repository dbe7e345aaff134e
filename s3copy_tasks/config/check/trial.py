"""Renders a template for runs of other days, to find before a run what fails in every run.

A template is code, so a trial is bounded: no loops, small numbers, short texts. A template that exceeds the
bounds is not refused: only its run will show whether it renders.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache, wraps
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from jinja2 import Undefined, nodes
from jinja2.sandbox import SandboxedEnvironment

from s3copy_tasks.config.check.dates import check_text, run_names
from s3copy_tasks.config.check.jinja import make_environment, nodes_of
from s3copy_tasks.config.check.template import render

if TYPE_CHECKING:
    from collections.abc import Callable

_UNBOUNDED = (
    nodes.AssignBlock,
    nodes.Block,
    nodes.CallBlock,
    nodes.FilterBlock,
    nodes.For,
    nodes.Macro,
    nodes.With,
)
_SAFE = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name)
"""A template of names alone, as most are, renders in every run that has the names."""
_GROWING = (nodes.Add, nodes.Concat)
"""With assignments, these can double a text again and again."""
_NUMBER_MAX, _TEXT_MAX, _ITEMS_MAX = 10_000, 1_000, 100
_WIDTH = re.compile(r"[%{][^%{]*\d{4}")
"""A width in a format, such as %9999d."""
_SIMPLE = (bool, float, datetime, type(None), Undefined)
_UTC = ZoneInfo("UTC")
_DAYS = (datetime(2026, 1, 31, 2, 30, tzinfo=UTC), datetime(2028, 11, 8, 13, 5, 9, tzinfo=UTC))
SAMPLE_DAY = _DAYS[0].date()
"""Of the run whose failure is reported."""


class _TooLargeError(BaseException):
    """The template exceeds the bounds of a trial; not an error of the template, so not an Exception."""


class _BoundedEnvironment(SandboxedEnvironment):
    """Checks what every call, filter and expensive operator takes and returns."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method that a template calls."""
        method = getattr(obj, "__wrapped__", obj)  # of `str.format`
        for value in (getattr(method, "__self__", None), *args, *kwargs.values()):
            if not isinstance(value, timedelta):
                _check_size(value)
        return _check_size(super().call(context, obj, *args, **kwargs))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Apply an operator."""
        _check_size(left)
        _check_size(right)
        if operator != "%" and not all(isinstance(value, int | float) for value in (left, right)):
            raise _TooLargeError
        if operator == "**" and max(abs(left), abs(right)) > _ITEMS_MAX:
            raise _TooLargeError
        return _check_size(super().call_binop(context, operator, left, right))


def _check_size(value: Any) -> Any:
    """Return a value that is small; nothing that is computed from a few such values is large."""
    match value:
        case str():
            small = len(value) <= _TEXT_MAX and not _WIDTH.search(value)
        case int():
            small = abs(value) <= _NUMBER_MAX
        case list() | tuple() | dict():
            small = len(value) <= _ITEMS_MAX
        case _:
            small = isinstance(value, _SIMPLE)
    if not small:
        raise _TooLargeError
    return value


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    passed = 1 if hasattr(function, "jinja_pass_arg") else 0  # Jinja passes its context or environment

    @wraps(function)
    def check_and_call(*args: Any, **kwargs: Any) -> Any:
        for value in (*args[passed:], *kwargs.values()):
            _check_size(value)
        return _check_size(function(*args, **kwargs))

    return check_and_call


@cache
def _environment() -> SandboxedEnvironment:
    environment = make_environment(_BoundedEnvironment)
    environment.filters.update({name: _bounded(function) for name, function in environment.filters.items()})
    return environment


@lru_cache(maxsize=4096)  # hundreds of jobs share a few templates
def find_failure(template: str, field: str, *, by_assets: bool) -> str | None:
    """Return why a template fails in every run; None if it renders in some, or if only a run can show it.

    Args:
        template: its names are known.
        field: what it is, as in `check_text`.
        by_assets: the runs have no logical date.
    """
    found = [*nodes_of(template)]
    if field != "modified_since" and all(isinstance(node, _SAFE) for node in found):
        return None
    assigns = any(isinstance(node, nodes.Assign) for node in found)
    if any(isinstance(node, _UNBOUNDED + (_GROWING if assigns else ())) for node in found):
        return None
    failures = []
    for day in _DAYS:
        try:
            names = _sample_names(day, by_assets=by_assets)
            check_text(field, render(template, names, _environment()), _UTC)
        except _TooLargeError:
            return None
        except ValueError as error:
            failures.append(str(error))
        else:
            return None
    return failures[0]


def _sample_names(day: datetime, *, by_assets: bool) -> dict[str, Any]:
    end = day + timedelta(days=1)
    params: dict[str, Any] = {"force": False, "dry_run": False, "prefixes": []}
    return run_names(
        run_id=f"scheduled__{end.isoformat()}",
        run_after=end,
        params=params,
        logical_date=None if by_assets else day,
        interval=(day, end),
    )
