"""Jobs for a running Airflow: a config file, two buckets, and the results of runs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from tests.support.airflow.stack import AirflowStack
from tests.support.s3.servers import (
    DESTINATION_ACCOUNT,
    READER,
    SOURCE_ACCOUNT,
    WRITER,
    Endpoint,
    contents,
    put_many,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Run:
    """A run that has ended, with the states of its tasks and the metrics of its summary."""

    id: str
    state: str
    tasks: dict[str, list[str | None]]
    metrics: dict[str, Any]


class Jobs:
    """Makes jobs in the folder of configs that Airflow watches."""

    def __init__(self, airflow: AirflowStack, server: Endpoint, folder: Path) -> None:
        self.airflow = airflow
        self.folder = folder
        self._server = server
        self._files: list[Path] = []

    def make(self, objects: Mapping[str, bytes], *, direct: bool = False, **changes: Any) -> Job:
        """Return a job from `data/` to `copy/` whose source holds `objects`.

        Args:
            objects: body by key.
            direct: send requests to S3 without the proxy, which halves their rate.
            changes: to the fields of the config.
        """
        number = next(_numbers)
        url = self._server.url if direct else None
        job = Job(self, f"job{number}", f"e2e-source-{number}", f"e2e-destination-{number}", url)
        self._server.client(READER).create_bucket(Bucket=job.source)
        self._server.client(WRITER).create_bucket(Bucket=job.destination)
        put_many(job.source, objects)
        job.write(**changes)
        return job

    def write(self, name: str, text: str) -> None:
        """Write a config file."""
        file = self.folder / name
        file.write_text(text)
        self._files.append(file)

    def remove(self) -> None:
        """Delete every file that was written."""
        for file in self._files:
            file.unlink(missing_ok=True)


@dataclass(frozen=True)
class Job:
    """A job with one bucket on each side."""

    jobs: Jobs
    name: str
    source: str
    destination: str
    endpoint_url: str | None

    @property
    def dag_id(self) -> str:
        return f"s3copy__{self.name}"

    def write(self, **changes: Any) -> None:
        """Write the job's file, with changes to its fields."""
        config: dict[str, Any] = {
            "version": 1,
            "source": {
                "bucket": self.source,
                "account": SOURCE_ACCOUNT,
                "connection": "aws_source",
                "endpoint_url": self.endpoint_url,
            },
            "destination": {
                "bucket": self.destination,
                "account": DESTINATION_ACCOUNT,
                "connection": "aws_destination",
                "endpoint_url": self.endpoint_url,
            },
            "prefixes": [{"source": "data/", "destination": "copy/"}],
            "transfer": {"concurrency": 8},
        }
        self.jobs.write(f"{self.name}.yaml", yaml.safe_dump(config | changes))

    def start(self, **params: Any) -> str:
        """Trigger a run."""
        self.jobs.airflow.wait_for_dag(self.dag_id)
        return self.jobs.airflow.trigger(self.dag_id, params)

    def end(self, run_id: str, seconds: float = 240) -> Run:
        """Wait for a run."""
        airflow = self.jobs.airflow
        state = airflow.finish(self.dag_id, run_id, seconds)
        tasks: dict[str, list[str | None]] = {}
        for row in airflow.tasks(self.dag_id, run_id):
            tasks.setdefault(row["task_id"], []).append(row["state"])
        return Run(run_id, state, tasks, airflow.xcom(self.dag_id, run_id, "summarize", "metrics"))

    def run(self, **params: Any) -> Run:
        """Trigger a run and wait for it."""
        return self.end(self.start(**params))

    def copied(self) -> dict[str, tuple[bytes, dict[str, str]]]:
        """Return every object of the destination with its metadata."""
        return contents(DESTINATION_ACCOUNT, self.destination)

    def expected(self) -> dict[str, tuple[bytes, dict[str, str]]]:
        """Return what the destination has after a run without failures."""
        return {
            "copy/" + key.removeprefix("data/"): found
            for key, found in contents(SOURCE_ACCOUNT, self.source).items()
        }
