"""The plugin that Airflow finds by its entry point: the page of all copy jobs, and a tab for each job's Dag.

Every component of Airflow imports this class, so the code of the page is imported at its first request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

from s3copy_tasks.dag.airflow_versions import HAS_PAGES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping


class Page:
    """The web app, which is built at its first request."""

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer an ASGI request."""
        from s3copy_tasks.dag.page.app import page  # noqa: PLC0415 - only the API server needs it

        await page()(scope, receive, send)


class S3CopyPlugin(AirflowPlugin):
    """Lists the package and its version in `airflow plugins`, and adds the page to Airflow's UI."""

    name = "s3copy"
    if HAS_PAGES:
        fastapi_apps: list[Any] = [{"app": Page(), "url_prefix": "/s3copy", "name": "S3 copy jobs"}]
        external_views: list[Any] = [
            {"name": "Copy jobs", "href": "s3copy/jobs", "destination": "nav", "url_route": "s3copy"},
            {
                "name": "Copies",
                "href": "s3copy/jobs/{DAG_ID}",
                "destination": "dag",
                "url_route": "s3copy_job",
            },
        ]
