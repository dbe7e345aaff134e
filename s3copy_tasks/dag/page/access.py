"""Who may see what, by Airflow's own rules: its auth manager is asked in every request."""

from __future__ import annotations

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag, requires_access_view
from fastapi import Depends, HTTPException, status
from sqlalchemy.orm import Session

_SHOWN = (DagAccessEntity.RUN, DagAccessEntity.TASK_INSTANCE, DagAccessEntity.XCOM)
"""What the page shows besides Dags."""

EVERYWHERE = [Depends(requires_access_view(AccessView.PLUGINS))]
"""What every route requires: a user who may see plugins."""


def is_id(dag_id: str) -> None:
    """Check that Airflow can look a Dag up: PostgreSQL refuses NUL in any text, even to search for it.

    Raises:
        HTTPException: status 404.
    """
    if "\0" in dag_id:
        raise HTTPException(status.HTTP_404_NOT_FOUND)


OF_ONE_DAG = [
    Depends(is_id),
    Depends(requires_access_dag("GET")),
    *(Depends(requires_access_dag("GET", entity)) for entity in _SHOWN),
]
"""What a route with `dag_id` in its path requires, too."""


def sees_runs(user: GetUserDep) -> None:
    """Check that a user may read runs, task instances and XComs, as Airflow's own lists across Dags do.

    Raises:
        HTTPException: status 403.
    """
    manager = get_auth_manager()
    for entity in _SHOWN:
        if not manager.is_authorized_dag(method="GET", access_entity=entity, user=user):
            raise HTTPException(status.HTTP_403_FORBIDDEN)


def readable_dags(user: BaseUser, session: Session) -> set[str]:
    """Return the ids of all Dags that a user may read."""
    return get_auth_manager().get_authorized_dag_ids(user=user, method="GET", session=session)


def sees_import_errors(user: BaseUser) -> bool:
    """Return whether a user may see import errors at all; which ones depends on the Dags of their files."""
    manager = get_auth_manager()
    return manager.is_authorized_view(access_view=AccessView.IMPORT_ERRORS, user=user)


def sees_errors_without_dags(user: BaseUser) -> bool:
    """Return whether a user may see import errors without Dags: a separate right since Airflow 3.4."""
    view = getattr(AccessView, "IMPORT_ERRORS_ALL", None)
    return view is None or get_auth_manager().is_authorized_view(access_view=view, user=user)
