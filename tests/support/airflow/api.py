"""A client of Airflow's REST API."""

from __future__ import annotations

from typing import Any

import httpx

_ORDER = {name: i for i, name in enumerate(["preflight", "plan", "copy_batch", "summarize", "publish"])}


class AirflowApi:
    """The requests of a user.

    Args:
        url: address of the API server.

    Attributes:
        url: address of the API server.
        http: sends requests, as the user of the last `log_in`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=30)

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def log_in(self, user: str, password: str) -> None:
        """Log in as a user."""
        reply = self.http.post("/auth/token", json={"username": user, "password": password})
        reply.raise_for_status()
        self.http.headers["Authorization"] = f"Bearer {reply.json()['access_token']}"

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Return the answer of the REST API."""
        reply = self.http.get(f"/api/v2/{path}", params=query)
        reply.raise_for_status()
        found: dict[str, Any] = reply.json()
        return found

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return a run's task instances."""
        rows: list[dict[str, Any]] = self.get(
            f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=100, order_by="id"
        )["task_instances"]
        return sorted(rows, key=lambda row: (_ORDER.get(row["task_id"], 0), row["map_index"]))

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str) -> Any:
        """Return an XCom's value."""
        return self.get(
            f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}", deserialize=True
        )["value"]
