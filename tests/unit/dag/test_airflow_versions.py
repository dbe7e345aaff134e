"""Differences between versions of Airflow that users of this package must not notice."""

from __future__ import annotations

import ast
import select
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread
from typing import Any, cast

import msgspec
import pytest
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import (
    CommsDecoder,
    GetVariable,
    _ResponseFrame,
)
from airflow.sdk.execution_time.supervisor import InProcessSupervisorComms, set_supervisor_comms

import s3copy_tasks
from s3copy_tasks.dag import airflow_versions

QUESTIONS = 200
SLOW_SECONDS = 0.002


class SlowSupervisor:
    """Waits before it answers, to see whether another thread asks meanwhile.

    If one does, both get their answers in the wrong order: only a lock prevents that.

    Attributes:
        at_once: the largest number of questions that waited for an answer at the same time.
    """

    def __init__(self) -> None:
        self._server_end, self.task_end = socket.socketpair()
        self._server_end.settimeout(30)
        self.at_once = 0
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.task_end.close()
        self._thread.join(30)

    def _run(self) -> None:
        with self._server_end:  # always closed: no thread waits forever
            self._answer()

    def _answer(self) -> None:
        waiting: list[tuple[int, dict[str, Any]]] = []
        while (question := self._question()) is not None:
            waiting.append(question)
            self.at_once = max(self.at_once, len(waiting))
            if len(waiting) > 1 or not select.select([self._server_end], [], [], SLOW_SECONDS)[0]:
                for number, body in reversed(waiting):
                    answer = {"type": "VariableResult", "key": body["key"], "value": body["key"]}
                    self._server_end.sendall(_ResponseFrame(id=number, body=answer).as_bytes())
                waiting.clear()

    def _question(self) -> tuple[int, dict[str, Any]] | None:
        length = self._server_end.recv(4, socket.MSG_WAITALL)
        if not length:
            return None
        number, body, *_ = msgspec.msgpack.decode(
            self._server_end.recv(int.from_bytes(length), socket.MSG_WAITALL)
        )
        return number, body


def test_threads_of_a_task_get_their_own_answers() -> None:
    """Progress, connections and open uploads ask the supervisor from different threads."""
    supervisor = SlowSupervisor()
    comms: Any = CommsDecoder(socket=supervisor.task_end)

    def ask(thread: int) -> list[str]:
        names = [f"{thread}-{number}" for number in range(QUESTIONS)]
        return [name for name in names if comms.send(GetVariable(key=name)).key != name]

    with ThreadPoolExecutor(2) as pool:
        mixed_up = [name for names in pool.map(ask, range(2)) for name in names]
    supervisor.close()
    assert (mixed_up, supervisor.at_once) == ([], 1)


class MeetingSupervisor:
    """A supervisor of `dag.test()` that answers the first question after a second one has come.

    It waits 0.1 seconds for that, and answers the second question after the first.
    """

    def __init__(self) -> None:
        self.comms = InProcessSupervisorComms(supervisor=cast("Any", self))
        self._first_came, self._second_came, self._first_has_its_answer = Event(), Event(), Event()

    def ask_first(self) -> None:
        self.comms.send(GetVariable(key="first"))
        self._first_has_its_answer.set()

    def ask_second(self) -> None:
        self._first_came.wait(30)
        self.comms.send(GetVariable(key="second"))

    def _handle_request(self, message: GetVariable, *_: object) -> None:
        if message.key == "first":
            self._first_came.set()
            self._second_came.wait(0.1)
        else:
            self._second_came.set()
            self._first_has_its_answer.wait(30)
        self.comms.messages.append(None)


def test_threads_in_dag_test_do_not_hide_the_supervisor() -> None:
    """`dag.test()`: the supervisor is still there for XComs after two threads asked at once."""
    supervisor = MeetingSupervisor()
    with set_supervisor_comms(supervisor.comms):
        with ThreadPoolExecutor(2) as pool:
            for asked in [pool.submit(supervisor.ask_first), pool.submit(supervisor.ask_second)]:
                asked.result()
        assert vars(task_runner).get("SUPERVISOR_COMMS") is supervisor.comms


@pytest.mark.parametrize("name", airflow_versions.__all__)
def test_every_name_exists(name: str) -> None:
    """Each version of Airflow has all names that this module imports by version."""
    assert getattr(airflow_versions, name) is not None


MOVED = (
    "airflow.configuration",
    "airflow.lineage",
    "airflow.observability",
    "airflow.sdk.exceptions",
    "airflow.sdk.lineage",
    "airflow.sdk.observability",
    "airflow.stats",
    "airflow.timetables",
    "airflow.utils.trigger_rule",
)
MOVED_NAMES = {"AsyncCallback", "CronDataIntervalTimetable", "DeadlineAlert", "TriggerRule", "conf"}


def find_imports(file: Path) -> set[str]:
    """Return what a module imports from Airflow, as `module.name`, also in functions."""
    return {
        f"{node.module}.{name.name}"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("airflow")
        for name in node.names
    }


def test_moved_names_are_imported_in_one_module() -> None:
    """Names that moved between versions are imported from `airflow_versions`."""
    package = Path(s3copy_tasks.__file__).parent
    elsewhere = {
        (file.name, name)
        for file in package.rglob("*.py")
        if file.name != "airflow_versions.py"
        for name in find_imports(file)
        if name.startswith(MOVED) or (name.startswith("airflow.sdk.") and name.split(".")[-1] in MOVED_NAMES)
    }
    assert elsewhere == set()
