"""Airflow's masks of secrets, which it keeps until a process ends."""

from __future__ import annotations

import sys

_MASKERS = ("airflow._shared.secrets_masker", "airflow.sdk._shared.secrets_masker")
"""Airflow has one for the scheduler's side and one for tasks; 3.0 has another, which is not reset."""


def forget_secrets() -> None:
    """Forget all secrets: with those of 300 sessions, each new one takes a quarter of a second."""
    for name in _MASKERS:
        masker = sys.modules.get(name)
        if masker is not None:
            masker.reset_secrets_masker()
