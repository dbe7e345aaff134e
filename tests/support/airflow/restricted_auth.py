"""An auth manager for tests: SimpleAuthManager, with users who may only read some Dags."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.resource_details import (
        AccessView,
        DagAccessEntity,
        DagDetails,
    )
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

VARIABLE = "S3COPY_TEST_RESTRICTED"
"""JSON by user name: {"dags": [ids that it may read], "without": [views and entities that it may not]}."""


def restricted(users: dict[str, dict[str, list[str]]]) -> dict[str, str]:
    """Return environment variables that restrict users; other users have all rights of their role."""
    return {VARIABLE: json.dumps(users), "AIRFLOW__CORE__AUTH_MANAGER": f"{__name__}.RestrictedAuthManager"}


def _of(user: SimpleAuthManagerUser) -> dict[str, list[str]] | None:
    found: dict[str, list[str]] | None = json.loads(os.environ.get(VARIABLE, "{}")).get(user.username)
    return found


class RestrictedAuthManager(SimpleAuthManager):
    """Hides Dags, views and entities from the users in the environment variable."""

    def is_authorized_dag(
        self,
        *,
        method: Any,
        user: SimpleAuthManagerUser,
        access_entity: DagAccessEntity | None = None,
        details: DagDetails | None = None,
    ) -> bool:
        """Return whether the role allows it, and the user may read the Dag."""
        rule = _of(user)
        if rule is not None:
            if access_entity is not None and access_entity.name in rule.get("without", []):
                return False
            if details is not None and details.id is not None and details.id not in rule["dags"]:
                return False
        return super().is_authorized_dag(
            method=method, user=user, access_entity=access_entity, details=details
        )

    def is_authorized_view(self, *, access_view: AccessView, user: SimpleAuthManagerUser) -> bool:
        """Return whether the role may see it, and it is not hidden from the user."""
        rule = _of(user)
        if rule is not None and access_view.name in rule.get("without", []):
            return False
        return super().is_authorized_view(access_view=access_view, user=user)
