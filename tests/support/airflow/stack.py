"""A complete Airflow on loopback: four processes, with LocalExecutor and real logins."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from tests.support.airflow.api import AirflowApi
from tests.support.airflow.databases import copy_sqlite
from tests.support.s3.servers.processes import free_port, tied

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from tests.support.airflow.databases import Settings

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[3]
DAGS = ROOT / "dags"
_PASSWORDS = "passwords.json"
_STOP_SECONDS = 8
_ENDED = frozenset({"success", "failed"})
_SERVICES = {
    "api-server": ["api-server", "--workers", "1"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": [
        "triggerer",
        "--skip-serve-logs",
    ],  # else it listens on all addresses
}
ADMIN, VIEWER, NO_ROLE = "admin", "viewer", "norole"
_ROLES = {ADMIN: "admin", VIEWER: "viewer", NO_ROLE: ""}  # without a role, a user may only log in


class AirflowStack(AirflowApi):
    """Airflow in its own folder, used by its admin; all processes it starts end with it.

    Args:
        home: an unused folder.
        config_dir: the folder of copy configs.
        env: more environment, such as connections.
        database: settings of an empty database; None makes one of SQLite in `home`.
        services: more processes: the arguments of `airflow` by name.

    Attributes:
        passwords: of the users `ADMIN`, `VIEWER` and `NO_ROLE`.
    """

    def __init__(
        self,
        home: Path,
        config_dir: Path,
        env: Mapping[str, str],
        database: Settings | None = None,
        *,
        services: Mapping[str, list[str]] | None = None,
    ) -> None:
        self.home = home
        self.config_dir = config_dir
        self._database = database
        self._services = {**_SERVICES, **(services or {})}
        self._port = free_port()
        super().__init__(f"http://127.0.0.1:{self._port}")
        self.passwords = {user: secrets.token_hex(8) for user in _ROLES}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._env = {
            **os.environ,
            **_settings(home, self._port),
            "AIRFLOW__S3COPY__CONFIG_DIR": str(config_dir),
            **env,
            **(database or {}),
        }

    def __enter__(self) -> Self:
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / _PASSWORDS).write_text(json.dumps(self.passwords))
        try:
            if self._database is None:
                self._env |= copy_sqlite(self.home / "airflow.db")
            for name, command in self._services.items():
                self._processes[name] = self._start(name, command)
            self.until(self._healthy, 120, "a healthy Airflow")
            self.log_in(ADMIN, self.passwords[ADMIN])
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End every process, with its child processes."""
        self.close()
        for process in self._processes.values():
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        for process in self._processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=max(0.0, deadline - time.monotonic()))
            _signal_group(process, signal.SIGKILL)
            process.wait()

    def wait_for_dag(self, dag_id: str) -> None:
        """Wait until the Dag processor has found a Dag, and unpause it."""

        def known() -> bool:
            reply = self.http.get(f"/api/v2/dags/{dag_id}")
            return reply.status_code == httpx.codes.OK

        self.until(known, 90, f"Dag {dag_id}")
        self.http.patch(f"/api/v2/dags/{dag_id}", json={"is_paused": False}).raise_for_status()

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run and return its id."""
        reply = self.http.post(
            f"/api/v2/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": dict(conf or {})}
        )
        reply.raise_for_status()
        return str(reply.json()["dag_run_id"])

    def finish(
        self,
        dag_id: str,
        run_id: str,
        seconds: float = 240,
        watch: Callable[[list[dict[str, Any]]], None] | None = None,
    ) -> str:
        """Wait for a run and return its state; `watch` gets its task instances from time to time."""
        state = ""

        def ended() -> bool:
            nonlocal state
            state = self.get(f"dags/{dag_id}/dagRuns/{run_id}")["state"]
            if watch is not None:
                watch(self.tasks(dag_id, run_id))
            return state in _ENDED

        self.until(ended, seconds, f"the end of {run_id}")
        return state

    def wait_for_exit(self, pid: int) -> None:
        """Wait until a task's process has ended, and the scheduler knows that.

        Airflow 3.3 fails a task that waits and is answered before: it takes its process for killed.
        """
        self.until(lambda: not Path(f"/proc/{pid}").exists(), 60, f"end of process {pid}")
        for _ in range(2):
            self.until(partial(self._beats_after, self._last_heartbeat()), 60, "scheduler")

    def clear_failed(self, dag_id: str, run_id: str) -> None:
        """Clear the failed tasks of a run, and those downstream, so that they run again."""
        reply = self.http.post(
            f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/clear", json={"dry_run": False, "only_failed": True}
        )
        reply.raise_for_status()

    def logs(self, dag_id: str, run_id: str, task_id: str) -> str:
        """Return the text of every log file of a task in a run."""
        folder = self.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        return "\n".join(file.read_text() for file in sorted(folder.rglob("*.log")))

    def until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for a condition while Airflow runs; the longer it takes, the more rarely it is asked."""
        began = time.monotonic()
        while not condition():
            dead = [name for name, process in self._processes.items() if process.poll() is not None]
            waited = time.monotonic() - began
            if dead or waited > seconds:
                reason = f"{dead} ended" if dead else f"{seconds} s are over"
                raise RuntimeError(f"no {what}: {reason}\n{self._tails()}")
            time.sleep(min(1.0, max(0.25, waited / 20)))

    def _start(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        if name == "api-server":
            command = [*command, "--host", "127.0.0.1", "--port", str(self._port)]
        with (self.home / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [*tied("TERM"), BIN / "airflow", *command],
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _beats_after(self, heartbeat: str) -> bool:
        return self._last_heartbeat() > heartbeat

    def _last_heartbeat(self) -> str:
        return str(self.get("monitor/health")["scheduler"]["latest_scheduler_heartbeat"])

    def _healthy(self) -> bool:
        try:
            reply = self.http.get("/api/v2/monitor/health")
        except httpx.TransportError:
            return False
        services = reply.json() if reply.status_code == httpx.codes.OK else {}
        return all(
            services.get(name, {}).get("status") == "healthy"
            for name in ("scheduler", "dag_processor", "triggerer")
        )

    def _tails(self) -> str:
        logs = sorted(self.home.glob("*.log"))
        return "\n".join(f"== {log.name}\n{log.read_text()[-1500:]}" for log in logs)


def _settings(home: Path, port: int) -> dict[str, str]:
    key = urlsafe_b64encode(secrets.token_bytes(32)).decode()  # else each process makes its own
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__API__ENABLE_XCOM_DESERIALIZE_SUPPORT": "True",  # by default since 3.1
        "AIRFLOW__API__SECRET_KEY": secrets.token_hex(32),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "1",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__FERNET_KEY": key,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / _PASSWORDS),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(map(":".join, _ROLES.items())),
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "1",
        "PYTHONWARNINGS": "ignore",
    }


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
