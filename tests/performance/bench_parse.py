"""Reading configs: the time that `s3copy validate`, a Dag processor and a worker take.

Seconds are CPU seconds unless they are called wall. Each measurement is a new process; the cases take turns,
so that other load on the machine affects all of them.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.performance.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent.parent
LOADER = ROOT / "dags" / "s3copy_jobs.py"
EXAMPLE = (ROOT / "copy_configs" / "daily_partition.yaml").read_text(encoding="utf-8")
VALIDATED, PARSED, REPEATS = 100, 500, 5

Figures = dict[str, float]


def write_jobs(folder: Path, number: int, *, text: str = EXAMPLE) -> Path:
    """Fill a folder with similar jobs that write to different places."""
    folder.mkdir()
    for i in range(number):
        (folder / f"job{i:03}.yaml").write_text(text.replace("published/", f"published/{i:03}/"))
    return folder


def steps() -> Figures:
    """Do the steps of a parse of the loader, in a process with the imports of a Dag processor."""
    import airflow.dag_processing.processor  # noqa: F401, PLC0415 - imported before each parse is forked
    from airflow.serialization.serialized_objects import DagSerialization  # noqa: PLC0415

    laps = _Laps()
    from s3copy_tasks.config.catalog import load_folder  # noqa: PLC0415 - timed
    from s3copy_tasks.dag.factory import build_dag  # noqa: PLC0415

    laps.end("import")
    jobs = load_folder(_config_dir()).jobs
    laps.end("load_folder")
    dags = [build_dag(job) for job in jobs]
    laps.end("build")
    written = [DagSerialization.to_dict(dag) for dag in dags]
    laps.end("serialise")
    return laps.seconds | {"dags": len(written)}


def processor() -> Figures:
    """Parse the loader with the Dag processor's own function."""
    import structlog  # noqa: PLC0415 - not before Airflow's
    from airflow.dag_processing.processor import DagFileParseRequest, _parse_file  # noqa: PLC0415

    request = DagFileParseRequest(file=str(LOADER), bundle_path=LOADER.parent, bundle_name="dags-folder")
    laps = _Laps()
    result = _parse_file(request, structlog.get_logger())
    laps.end("parse")
    if result is None or result.import_errors:
        raise RuntimeError(f"the loader failed: {result}")
    return laps.seconds | {"dags": len(result.serialized_dags)}


def worker() -> Figures:
    """Parse the loader as a worker does before it runs a task of one Dag."""
    import airflow.sdk.execution_time.task_runner  # noqa: F401, PLC0415 - a worker imports it before it parses
    from airflow.dag_processing.dagbag import BundleDagBag  # noqa: PLC0415
    from airflow.sdk.definitions._internal.dag_parsing_context import (  # noqa: PLC0415
        _airflow_parsing_context_manager,
    )

    laps = _Laps()
    with _airflow_parsing_context_manager(dag_id="s3copy__job000", task_id="plan"):
        bag = BundleDagBag(
            dag_folder=LOADER, bundle_path=LOADER.parent, bundle_name="dags-folder", load_op_links=False
        )
    laps.end("parse")
    if bag.import_errors:
        raise RuntimeError(f"the loader failed: {bag.import_errors}")
    return laps.seconds | {"dags": len(bag.dags)}


CASES: dict[str, Callable[[], Figures]] = {"steps": steps, "processor": processor, "worker": worker}


class _Laps:
    """A stopwatch of CPU time. Objects that exist at its start are frozen, as in Airflow before it forks."""

    def __init__(self) -> None:
        self.seconds: Figures = {}
        gc.collect()
        gc.freeze()
        self._start = time.process_time()

    def end(self, name: str) -> None:
        now = time.process_time()
        self.seconds[name], self._start = now - self._start, now


def _config_dir() -> Path:
    return Path(os.environ["AIRFLOW__S3COPY__CONFIG_DIR"])


def _measured(command: list[str | Path], folder: Path, code: int) -> Figures:
    """Run a command to its end; return wall and CPU seconds of the whole process."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != code:
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr.decode()}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "cpu": cpu}


def _in_airflow(name: str, home: Path, configs: Path) -> Figures:
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW__S3COPY__CONFIG_DIR": str(configs),
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, "-m", "tests.performance.bench_parse", name]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr[-3000:]}")
    found: Figures = json.loads(done.stdout)
    return found


def main() -> None:
    """Run every case in turns, and print the tables."""
    report = Report("parse", repeats=REPEATS)
    s3copy: list[str | Path] = [Path(sys.executable).with_name("s3copy")]
    found: dict[str, list[Figures]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        broken = EXAMPLE.replace("destination:\n  bucket", "destination:\n  buckt").replace("0 2 *", "0 25 *")
        folders = {
            "one": write_jobs(home / "one", 1),
            "good": write_jobs(home / "good", VALIDATED),
            "broken": write_jobs(home / "broken", VALIDATED, text=broken),
            "many": write_jobs(home / "many", PARSED),
        }
        for _ in range(REPEATS):
            found["start"].append(_measured([*s3copy, "--version"], home, 0))
            for name, code in (("one", 0), ("good", 0), ("broken", 1)):
                found[name].append(_measured([*s3copy, "validate", folders[name]], home, code))
            for name in CASES:
                found[name].append(_in_airflow(name, home / "airflow", folders["many"]))
            found["worker of one"].append(_in_airflow("worker", home / "airflow", folders["one"]))
    _fill(report, found)
    report.finish()


def _fill(report: Report, found: dict[str, list[Figures]]) -> None:
    def all_of(case: str, name: str) -> list[float]:
        return [figures[name] for figures in found[case]]

    validated = report.table(
        "s3copy validate, the whole process",
        "what",
        {"wall s": 2, "CPU s": 2},
        f"medians of {REPEATS} (least to greatest), cases in turns",
    )
    for case, words in {
        "start": "s3copy --version",
        "one": "1 config",
        "good": f"{VALIDATED} configs",
        "broken": f"{VALIDATED} configs, 3 problems in each",
    }.items():
        validated.add(words, all_of(case, "wall"), all_of(case, "cpu"))

    dags = found["processor"][0]["dags"]
    parsed = report.table(f"{dags:.0f} configs: a Dag processor parses the loader", "step", {"CPU s": 2})
    parsed.add("s3copy: import s3copy_tasks", all_of("steps", "import"))
    parsed.add("s3copy: read and check YAML", all_of("steps", "load_folder"))
    rest = [
        whole["parse"] - parts["import"] - parts["load_folder"]
        for whole, parts in zip(found["processor"], found["steps"], strict=True)
    ]
    parsed.add("Airflow: the rest", rest)
    parsed.add("  build the Dags", all_of("steps", "build"))
    parsed.add("  serialise them", all_of("steps", "serialise"))
    parsed.add("total", all_of("processor", "parse"))

    asked = report.table("One Dag, as a worker parses the loader", "configs in the folder", {"CPU s": 2})
    asked.add("1", all_of("worker of one", "parse"))
    asked.add(f"{PARSED}", all_of("worker", "parse"))


def _answer(name: str) -> Any:
    with redirect_stdout(sys.stderr):  # Airflow may print
        return CASES[name]()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(_answer(sys.argv[1])))  # noqa: T201 - the parent reads it
    else:
        main()
