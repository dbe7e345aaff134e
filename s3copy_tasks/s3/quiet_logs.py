"""Libraries that log an error and raise it: the raised one is explained, so the log needs no traceback."""

from __future__ import annotations

import logging

_LOGGERS = ("botocore.credentials", "airflow.sdk.definitions.connection", "airflow.models.connection")
_NOT_RAISED = "advisory"
"""botocore tries to renew credentials some minutes before they expire, and goes on if that fails."""


class _WithoutTraceback(logging.Filter):
    """Keeps a warning of an error that is not raised, without its traceback; drops all others."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[0] is not None:
            record.msg = f"{record.getMessage()} ({record.exc_info[0].__name__})"
            record.args, record.exc_info = (), None
            return _NOT_RAISED in record.msg
        return True


def drop_tracebacks() -> None:
    """Log errors of credentials and connections in one line each."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)


_FILTER = _WithoutTraceback()
