"""The log of the command line: on stderr, in the form of Airflow's, without importing Airflow."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any

import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import TimeStamper
from structlog.stdlib import LoggerFactory, ProcessorFormatter, add_log_level, add_logger_name

from s3copy_tasks.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

LEVEL_VARIABLE = "AIRFLOW__LOGGING__LOGGING_LEVEL"


def configure_log() -> None:
    """Log warnings and errors to stderr, escaped, or what the variable of Airflow asks for.

    At the level DEBUG, botocore logs what STS replies, with the credentials: the least level is INFO.
    """
    common = (add_logger_name, add_log_level, TimeStamper(fmt="iso"))
    asked = logging.getLevelNamesMapping().get(os.environ.get(LEVEL_VARIABLE, "").upper(), logging.WARNING)
    level = max(asked, logging.INFO)
    structlog.configure(
        processors=[*common, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer = ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain_traceback)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=common,
            processors=[ProcessorFormatter.remove_processors_meta, _printable_values, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.captureWarnings(capture=True)


def _printable_values(_logger: Any, _level: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Escape the values of an event: keys and S3's messages are untrusted input."""
    return {name: printable(value) if isinstance(value, str) else value for name, value in event.items()}
