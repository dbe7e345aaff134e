"""Dags of configs: their shape, their schedule, their hash, and what a worker loads."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

import pytest
import yaml
from airflow.models.serialized_dag import SerializedDagModel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3copy_tasks.config.catalog import load_folder
from s3copy_tasks.config.read.hints import written
from s3copy_tasks.core.job import compute_digest
from s3copy_tasks.dag.factory import build_dag, job_dags, raise_problems
from s3copy_tasks.dag.page.settings import read_config
from s3copy_tasks.dag.queue_trigger import QueueTrigger
from s3copy_tasks.errors import ConfigError
from tests.support.airflow.dag_store import serialization
from tests.support.airflow.stack import DAGS, ROOT

if TYPE_CHECKING:
    from airflow.sdk import DAG

CONFIG: dict[str, Any] = {
    "version": 1,
    "description": "Publish granules",
    "owner": "data-ops",
    "tags": ["uat"],
    "schedule": "0 2 * * *",
    "source": {"bucket": "ops-granules", "connection": "aws_source"},
    "destination": {"bucket": "partner-granules", "connection": "aws_destination"},
    "prefixes": [{"source": "daily/{{ ds }}/", "destination": "backup/{{ ds }}/"}],
    "objects": [{"source": "catalog.json", "destination": "catalog/index.json"}],
    "notify": {
        "on_failure": [
            {"sns": {"topic": "arn:aws:sns:us-west-2:111122223333:copy-alerts"}},
            {"slack": {"connection": "slack_alerts"}},
        ],
        "on_success": [{"webhook": {"connection": "ops_gateway"}}],
        "deadline": "2h",
    },
}
QUEUE = "https://sqs.us-west-2.amazonaws.com/111122223333/created"
PARSE_CONTEXT = "_AIRFLOW_PARSING_CONTEXT_DAG_ID"
SERIALIZE = """
import json, sys
from pathlib import Path
from socket import gethostname
from airflow.models.serialized_dag import SerializedDagModel
from s3copy_tasks.dag.factory import job_dags
from tests.support.airflow.dag_store import serialization
dags = job_dags(Path(sys.argv[1]))
print(json.dumps({n: SerializedDagModel.hash(serialization().to_dict(d)) for n, d in dags.items()}))
"""
INTERVALS = """
import json, sys
from datetime import datetime, UTC
from pathlib import Path
from socket import gethostname
from airflow.timetables.base import TimeRestriction
from s3copy_tasks.dag.factory import job_dags
from tests.support.airflow.dag_store import serialization
(dag,) = job_dags(Path(sys.argv[1])).values()
timetable = serialization().from_dict(serialization().to_dict(dag)).timetable
interval = timetable.infer_manual_data_interval(run_after=__import__("pendulum").datetime(2026, 3, 5, 2, 0))
print(json.dumps([interval.start.isoformat(), interval.end.isoformat(), type(timetable).__name__]))
"""


def write(folder: Path, name: str = "daily", **changes: Any) -> Path:
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(CONFIG | changes))
    return file


def write_changes(folder: Path) -> None:
    """Write a job that its queue starts."""
    config = {name: CONFIG[name] for name in ("version", "source", "destination")} | {
        "schedule": {"queue": True},
        "from": {"queue": QUEUE, "connection": "aws_queue"},
        "prefixes": [{"source": "daily/", "destination": "backup/"}],
    }
    (folder / "changes.yaml").write_text(yaml.safe_dump(config))


def assets_of(dag: DAG) -> list[Any]:
    """Return the assets that start a Dag."""
    condition: Any = dag.timetable.asset_condition
    return list(condition.objects)


def load_dag(folder: Path, **changes: Any) -> DAG:
    write(folder, **changes)
    return job_dags(folder)["s3copy__daily"]


def dag_hash(folder: Path) -> str:
    serialized = serialization().to_dict(job_dags(folder)["s3copy__daily"])
    return str(SerializedDagModel.hash(serialized))  # type: ignore[no-untyped-call]


def fresh(code: str, *arguments: str | Path, **env: str) -> Any:
    """Run code in a new process and return the JSON in its last line."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_the_job_is_five_tasks_in_order(tmp_path: Path) -> None:
    """preflight, plan, mapped copies, summarize, publish: each downstream of what it needs."""
    dag = load_dag(tmp_path)
    upstream = {task_id: task.upstream_task_ids for task_id, task in dag.task_dict.items()}
    assert upstream == {
        "preflight": set(),
        "plan": {"preflight"},
        "copy_batch": {"preflight", "plan"},
        "summarize": {"preflight", "plan", "copy_batch"},
        "publish": {"summarize"},
    }
    assert dag.task_dict["copy_batch"].is_mapped
    assert dag.task_dict["summarize"].trigger_rule == "all_done"
    assert dag.task_dict["summarize"].retries == 0
    assert [alias.name for alias in dag.task_dict["publish"].outlets] == ["s3copy__daily"]


def test_a_mirror_has_two_tasks_more(tmp_path: Path) -> None:
    """The deletes follow the copies, however these end; they wait, retry and end as the copies do."""
    dag = load_dag(
        tmp_path,
        prefixes=[{"source": "daily/", "destination": "backup/"}],
        mirror={"max_deleted_objects": 9},
        transfer={"max_active_batches": 3},
        airflow={"pool": "copies", "execution_timeout": "90m"},
    )
    upstream = {task_id: task.upstream_task_ids for task_id, task in dag.task_dict.items()}
    assert upstream == {
        "preflight": set(),
        "plan": {"preflight"},
        "copy_batch": {"preflight", "plan"},
        "deletions": {"copy_batch"},
        "delete_batch": {"preflight", "deletions"},
        "summarize": {"preflight", "plan", "copy_batch", "deletions", "delete_batch"},
        "publish": {"summarize"},
    }
    judged, copy, delete = (dag.task_dict[name] for name in ("deletions", "copy_batch", "delete_batch"))
    assert (judged.trigger_rule, judged.retries) == ("all_done", copy.retries)
    same = ("pool", "max_active_tis_per_dagrun", "execution_timeout", "map_index_template", "retries")
    assert {name: getattr(delete, name) for name in same} == {name: getattr(copy, name) for name in same}
    assert judged.execution_timeout == copy.execution_timeout


def test_the_config_governs_the_dag(tmp_path: Path) -> None:
    """Owner, tags, retries, pool and batches at once come from the YAML."""
    dag = load_dag(
        tmp_path,
        transfer={"max_active_batches": 3},
        airflow={"pool": "copies"},
        failure={"retries": 7},
    )
    copy = dag.task_dict["copy_batch"]
    assert (copy.owner, copy.retries, copy.pool, copy.max_active_tis_per_dagrun) == (
        "data-ops",
        7,
        "copies",
        3,
    )
    assert dag.tags == {"s3copy", "uat"}
    assert (dag.max_active_runs, dag.catchup) == (1, False)
    assert dag.description == "Publish granules"


OF_ALL = {
    "queue": "s3",
    "executor": "LocalExecutor",
    "priority_weight": 5,
    "retry_delay": timedelta(minutes=2),
}


def test_airflow_runs_all_tasks_as_the_config_says(tmp_path: Path) -> None:
    """Queue, executor, priority and delay are those of each task; the pool is only the batches'."""
    dag = load_dag(tmp_path, airflow=OF_ALL | {"retry_delay": "2m", "pool": "copies"})
    assert len(dag.tasks) == 5
    for each in dag.tasks:
        assert {name: getattr(each, name) for name in OF_ALL} == OF_ALL
        assert each.pool == ("copies" if each.task_id == "copy_batch" else "default_pool")


def test_a_timeout_ends_what_waits_for_s3_and_never_the_summary(tmp_path: Path) -> None:
    """However a run ends, it has a summary."""
    dag = load_dag(tmp_path, airflow={"execution_timeout": "90m"})
    assert {each.task_id for each in dag.tasks if each.execution_timeout == timedelta(minutes=90)} == {
        "preflight",
        "plan",
        "copy_batch",
    }
    assert dag.task_dict["summarize"].execution_timeout is None


def test_what_a_config_leaves_out_is_airflows(tmp_path: Path) -> None:
    """No argument is passed, so that the site's own defaults apply, as they did before there were fields."""
    sent = load_dag(tmp_path).default_args
    assert set(sent) == {"owner", "retries"}


def test_the_former_name_of_the_pool_is_the_pool(tmp_path: Path) -> None:
    """A config of an earlier version runs as before."""
    assert load_dag(tmp_path, transfer={"pool": "copies"}).task_dict["copy_batch"].pool == "copies"


def test_a_warning_is_not_an_import_error(tmp_path: Path) -> None:
    """The Dag runs, so nothing is reported as broken."""
    load_dag(tmp_path, transfer={"pool": "copies"})
    raise_problems(tmp_path)


def test_an_executor_that_the_site_lacks_stops_only_its_own_job(tmp_path: Path) -> None:
    """Airflow would report it as an error of the loader, and so mark the Dags of all jobs as broken."""
    write(tmp_path, airflow={"executor": "LocalExecuter"})
    other = CONFIG | {"prefixes": [{"source": "other/", "destination": "other/"}]}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(other))
    assert set(job_dags(tmp_path)) == {"s3copy__other"}
    with pytest.raises(ConfigError) as refused:
        raise_problems(tmp_path)
    words = str(refused.value)
    assert (
        "airflow.executor: this Airflow has no executor 'LocalExecuter'. Did you mean 'LocalExecutor'?"
        in words
    )
    assert re.search(r"daily\.yaml:\d+:\d+: ", words)


@pytest.mark.parametrize("name", ["LocalExecutor", "airflow.executors.local_executor.LocalExecutor"])
def test_an_executor_has_three_names(tmp_path: Path, name: str) -> None:
    """Alias, class and module path, as for any task of Airflow."""
    assert load_dag(tmp_path, airflow={"executor": name}).task_dict["plan"].executor == name


def test_a_long_batch_label_is_set_by_the_task(tmp_path: Path) -> None:
    """Airflow's grid shows the label of a batch, also of a failed one."""
    assert load_dag(tmp_path).task_dict["copy_batch"].map_index_template == "{{ label }}"


def test_params_offer_the_prefixes_of_the_job(tmp_path: Path) -> None:
    """The form that starts a run lists the job's own prefixes; the type does not change with them."""
    param = load_dag(tmp_path).params.get_param("prefixes")
    assert param.schema["examples"] == ["daily/{{ ds }}/"]
    assert param.schema["items"] == {"type": "string"}
    assert param.value == []


def test_a_job_of_objects_alone_offers_no_prefixes(tmp_path: Path) -> None:
    """Without prefixes, the param is left out."""
    config = {key: value for key, value in CONFIG.items() if key != "prefixes"}
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(config))
    assert set(job_dags(tmp_path)["s3copy__one"].params) == {"force", "dry_run"}


MANIFESTS: dict[str, tuple[dict[str, Any], bool]] = {
    "a listing": ({}, False),
    "a manifest": ({"from": {"manifest": "s3://lists/{{ ds }}.csv"}}, True),
    "an inventory": ({"from": {"inventory": "s3://lists/a/"}}, False),
    "results": ({"results": {"to": "s3://results/"}}, True),
    "an inventory and results": (
        {"from": {"inventory": "s3://lists/a/"}, "results": {"to": "s3://results/"}},
        True,
    ),
}


@pytest.mark.parametrize(("changes", "is_offered"), MANIFESTS.values(), ids=MANIFESTS)
def test_a_run_may_have_a_list_of_its_own_where_lists_are_known(
    tmp_path: Path,
    changes: dict[str, Any],
    is_offered: bool,  # noqa: FBT001 - a table's column
) -> None:
    """A job with results, or with a manifest, has the param; the Dags of others do not change."""
    config = {name: value for name, value in CONFIG.items() if name != "objects"} | changes
    (tmp_path / "daily.yaml").write_text(yaml.safe_dump(config))
    params = job_dags(tmp_path)["s3copy__daily"].params
    assert set(params) == {"force", "dry_run", "prefixes"} | ({"manifest"} if is_offered else set())
    if is_offered:
        manifest = params.get_param("manifest")
        assert (manifest.value, manifest.schema["type"]) == (None, ["null", "string"])


def test_a_run_by_a_queue_is_always_whole(tmp_path: Path) -> None:
    """Its form offers nothing that would limit the run, with or without results."""
    config = {name: value for name, value in CONFIG.items() if name != "objects"}
    config["prefixes"] = [{"source": "daily/", "destination": "backup/"}]
    config["from"] = {"queue": QUEUE}
    config["results"] = {"to": "s3://results/"}
    (tmp_path / "daily.yaml").write_text(yaml.safe_dump(config))
    assert set(job_dags(tmp_path)["s3copy__daily"].params) == {"force", "dry_run"}


@pytest.mark.parametrize("site", ["True", "False"])
def test_cron_means_data_intervals_whatever_the_site_says(tmp_path: Path, site: str) -> None:
    """The 02:00 run covers yesterday 02:00 to today 02:00, with either value of the site's option."""
    write(tmp_path)
    start, end, timetable = fresh(INTERVALS, tmp_path, AIRFLOW__SCHEDULER__CREATE_CRON_DATA_INTERVALS=site)
    assert timetable == "CronDataIntervalTimetable"
    assert datetime.fromisoformat(start) == datetime(2026, 3, 4, 2, tzinfo=UTC)
    assert datetime.fromisoformat(end) == datetime(2026, 3, 5, 2, tzinfo=UTC)


def test_the_hash_is_equal_across_processes(tmp_path: Path) -> None:
    """Two processes give a Dag the same version, one that its queue starts, too."""
    write(tmp_path)
    write_changes(tmp_path)
    one, two = (fresh(SERIALIZE, tmp_path, PYTHONHASHSEED=seed) for seed in "12")
    assert one == two
    assert one["s3copy__daily"] == dag_hash(tmp_path)
    assert set(one) == {"s3copy__daily", "s3copy__changes"}


def test_the_hash_is_stable_for_one_effective_config(tmp_path: Path) -> None:
    """A comment or an explicit default gives the Dag no new version."""
    file = write(tmp_path)
    before = dag_hash(tmp_path)
    file.write_text("# a comment\n" + yaml.safe_dump(CONFIG | {"overwrite": "changed"}))
    assert dag_hash(tmp_path) == before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"overwrite": "never"}, id="tasks"),
        pytest.param({"filters": {"exclude": ["*.x"]}}, id="a nested value"),
        pytest.param({"failure": {"retries": 9}}, id="Airflow"),
        pytest.param({"notify": CONFIG["notify"] | {"on_success": []}}, id="recipients"),
        pytest.param({"notify": CONFIG["notify"] | {"deadline": "3h"}}, id="deadline"),
    ],
)
def test_the_hash_changes_with_the_effective_config(tmp_path: Path, change: dict[str, Any]) -> None:
    """Any effective change gives the Dag a new version, also one that only concerns tasks."""
    write(tmp_path)
    before = dag_hash(tmp_path)
    write(tmp_path, **change)
    assert dag_hash(tmp_path) != before


def test_the_serialized_dag_has_the_effective_config(tmp_path: Path) -> None:
    """The page, which has no files, reads all values of a job from it, even before the first run."""
    write(tmp_path)
    serialised = serialization().to_dict(job_dags(tmp_path)["s3copy__daily"])
    config = read_config(serialised)
    assert config["source"]["bucket"] == "ops-granules"
    assert config["prefixes"][0]["source"] == "daily/{{ ds }}/"
    assert config["overwrite"] == "changed"
    assert compute_digest(config) == load_folder(tmp_path).jobs[0].digest


def test_parsing_touches_neither_boto3_nor_the_network(tmp_path: Path) -> None:
    """The Dag file imports no AWS library: the hook alone would take seconds at every parse."""
    write(tmp_path)
    write_changes(tmp_path)
    code = f"""
import json, runpy, sys
names = runpy.run_path({str(DAGS / "s3copy_jobs.py")!r})
slow = [name for name in sys.modules if name in {{"boto3", "botocore"}} or ".notifications" in name]
print(json.dumps([slow, "s3copy__daily" in names]))
"""
    assert fresh(code, AIRFLOW__S3COPY__CONFIG_DIR=str(tmp_path)) == [[], True]


@pytest.mark.parametrize(
    ("module", "rooms"),
    [
        ("factory", set()),
        ("tasks.preflight", {"preflight", "s3"}),
        ("tasks.plan", {"plan", "s3"}),
        ("tasks.copy_batch", {"copy", "plan", "s3"}),
        ("tasks.deletions", {"delete", "s3"}),
        ("tasks.delete_batch", {"delete", "plan", "s3"}),
        ("tasks.summarize", {"delete"}),
        ("tasks.publish", set()),
    ],
)
def test_a_task_imports_only_the_rooms_of_its_step(module: str, rooms: set[str]) -> None:
    """Each task is a new process, which parses the Dag: it does not pay for the imports of the others."""
    code = f"""
import json, sys
import s3copy_tasks.dag.{module}
print(json.dumps([name for name in sys.modules if name.startswith("s3copy_tasks.")]))
"""
    found = {name.split(".")[1] for name in fresh(code)}
    assert found & {"copy", "delete", "plan", "preflight", "run", "s3"} == rooms


def test_a_preloaded_worker_leaves_nothing_to_import(tmp_path: Path) -> None:
    """What parsing the Dag and all its tasks import is what `preload` has imported."""
    write(tmp_path)
    code = f"""
import importlib, json, runpy, sys
import s3copy_tasks.dag.preload
before = set(sys.modules)
names = runpy.run_path({str(DAGS / "s3copy_jobs.py")!r})
for task in names["s3copy__daily"].task_dict:
    importlib.import_module(f"s3copy_tasks.dag.tasks.{{task}}")
print(json.dumps([name for name in set(sys.modules) - before if name.startswith("s3copy_tasks")]))
"""
    assert fresh(code, AIRFLOW__S3COPY__CONFIG_DIR=str(tmp_path)) == []


def test_an_invalid_config_removes_no_other_dag(tmp_path: Path) -> None:
    """The loader returns the valid jobs; the reporter raises the problems of the others."""
    write(tmp_path)
    (tmp_path / "broken.yaml").write_text("version: 2\n")
    assert set(job_dags(tmp_path)) == {"s3copy__daily"}
    with pytest.raises(ConfigError, match=r"broken\.yaml:1:10: version: must be 1"):
        raise_problems(tmp_path)


def test_the_report_is_the_same_as_from_the_command(tmp_path: Path) -> None:
    """Import errors show what `s3copy validate` shows: place, path, text, code, the line and a caret."""
    file = tmp_path / "broken.yaml"
    file.write_text("version: 1\nowner: @data-ops\n")
    with pytest.raises(ConfigError) as raised:
        raise_problems(tmp_path)
    assert raised.value.message.splitlines() == [
        "invalid copy configs",
        (
            f"{file}:2:8: not valid YAML: while scanning for the next token, found character that cannot "
            'start any token. Put the value in quotes: "@data-ops" [yaml-syntax]'
        ),
        "     2 | owner: @data-ops",
        "       |        ^",
    ]


def test_a_problem_between_jobs_removes_no_dag(tmp_path: Path) -> None:
    """Two jobs that write to the same place are reported, and both have their Dags."""
    write(tmp_path, "daily")
    write(tmp_path, "hourly")
    assert set(job_dags(tmp_path)) == {"s3copy__daily", "s3copy__hourly"}
    with pytest.raises(ConfigError, match=r"the job 'daily' also writes s3://partner-granules/backup/"):
        raise_problems(tmp_path)


def test_invalid_defaults_remove_their_folder_and_raise_nothing(tmp_path: Path) -> None:
    """The loader never raises in the Dag processor; the reporter says what to fix."""
    write(tmp_path)
    (tmp_path / "_defaults.yaml").write_text("ownr: x\n")
    assert job_dags(tmp_path) == {}
    with pytest.raises(ConfigError, match=r"_defaults\.yaml:1:1: unknown field 'ownr'"):
        raise_problems(tmp_path)


def test_a_worker_reads_the_defaults_of_its_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Dag on a worker is the Dag that was scheduled."""
    write(tmp_path)
    (tmp_path / "_defaults.yaml").write_text("failure: {retries: 7}\n")
    scheduled = job_dags(tmp_path)["s3copy__daily"]
    monkeypatch.setenv(PARSE_CONTEXT, "s3copy__daily")
    assert job_dags(tmp_path)["s3copy__daily"].task_dict["copy_batch"].retries == 7
    assert scheduled.doc_md == job_dags(tmp_path)["s3copy__daily"].doc_md


def test_good_configs_report_nothing(tmp_path: Path) -> None:
    """The reporter raises nothing for valid configs."""
    write(tmp_path)
    raise_problems(tmp_path)


def test_a_worker_loads_the_one_dag_that_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker does not read other files: an invalid one has no effect there."""
    write(tmp_path)
    (tmp_path / "broken.yaml").write_text("version: 2\n")
    monkeypatch.setenv(PARSE_CONTEXT, "s3copy__daily")
    assert set(job_dags(tmp_path)) == {"s3copy__daily"}
    raise_problems(tmp_path)


def test_a_worker_says_why_its_dag_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a config becomes invalid during a run, the task's log says why it failed."""
    (tmp_path / "broken.yaml").write_text("version: 2\n")
    monkeypatch.setenv(PARSE_CONTEXT, "s3copy__broken")
    with pytest.raises(ConfigError, match=r"broken\.yaml:1:10: version: must be 1"):
        job_dags(tmp_path)


@pytest.mark.parametrize(
    ("folder", "words"), [(".", "has no such file"), ("elsewhere", "can't be read")], ids=["file", "folder"]
)
def test_a_worker_says_which_config_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, words: str
) -> None:
    """If a worker has no config for its Dag, the task's log names file, folder and host."""
    write(tmp_path)
    monkeypatch.setenv(PARSE_CONTEXT, "s3copy__weekly.v2")
    with pytest.raises(ConfigError, match=words) as raised:
        job_dags(tmp_path / folder)
    facts = ("s3copy__weekly.v2", "weekly.v2.yaml or weekly.v2.yml", str(tmp_path / folder), gethostname())
    assert all(fact in str(raised.value) for fact in facts)


def test_no_dags_on_a_worker_that_runs_another_dag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that runs another Dag of the same bundle gets no copy jobs."""
    write(tmp_path)
    monkeypatch.setenv(PARSE_CONTEXT, "etl")
    assert job_dags(tmp_path) == {}


def test_the_doc_has_places_and_digest(tmp_path: Path) -> None:
    """The Dag's doc has sources, destinations and the digest of the config."""
    doc = load_dag(tmp_path).doc_md or ""
    assert "`s3://ops-granules/daily/{{ ds }}/` | `s3://partner-granules/backup/{{ ds }}/`" in doc
    assert "sha256" in doc


def test_asset_schedules_become_assets(tmp_path: Path) -> None:
    """A job may be scheduled by assets."""
    dag = load_dag(
        tmp_path,
        schedule={"assets": ["s3://ops-granules/daily"]},
        prefixes=[{"source": "daily/", "destination": "backup/"}],
    )
    assert "s3://ops-granules/daily" in repr(dag.schedule)


def test_a_queue_becomes_an_asset_with_a_watcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The asset is named as the queue; a worker, where nothing is watched, has the asset alone."""
    write_changes(tmp_path)
    dag = job_dags(tmp_path)["s3copy__changes"]
    (asset,) = assets_of(dag)
    (watcher,) = asset.watchers
    uri = "x-sqs://sqs.us-west-2.amazonaws.com/111122223333/created"
    assert (asset.name, asset.uri, watcher.name) == (uri, uri, uri)
    assert isinstance(watcher.trigger, QueueTrigger)
    assert watcher.trigger.serialize()[1]["connection"] == "aws_queue"
    assert dag.max_active_runs == 1
    aliases = [alias.name for alias in dag.task_dict["publish"].outlets]
    assert aliases == ["s3copy__changes", "s3copy__changes:waiting"], "it may update the queue's asset, too"
    monkeypatch.setenv(PARSE_CONTEXT, "s3copy__changes")
    (asset,) = assets_of(job_dags(tmp_path)["s3copy__changes"])
    assert (asset.uri, asset.watchers) == (uri, [])


def test_every_config_of_the_repository_is_a_dag() -> None:
    """The examples load."""
    dags = job_dags(DAGS.parent / "copy_configs")
    assert "s3copy__demo" in dags
    raise_problems(DAGS.parent / "copy_configs")


def test_build_dag_needs_no_file(tmp_path: Path) -> None:
    """A loaded job is enough to build its Dag."""
    from s3copy_tasks.config.load import load_job  # noqa: PLC0415 - the one test that needs it

    job = load_job(write(tmp_path))
    assert not isinstance(job, list)
    assert build_dag(job).dag_id == "s3copy__daily"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
URIS = st.builds("{}://{}".format, st.sampled_from(["s3", "airflow", "file", "postgres", "a+b"]), TEXT)
SCHEDULES = st.sampled_from([None, "@daily", "0 0 29 2 *", "*/7 * L * *"]) | st.lists(
    URIS, min_size=1, max_size=2, unique=True
).map(lambda uris: {"assets": uris})
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "description": TEXT,
        "owner": TEXT,
        "tags": st.lists(TEXT, max_size=3),
        "schedule": SCHEDULES,
        "timezone": st.sampled_from(sorted(available_timezones())),
        "start_date": st.dates().map(str),
        "prefixes": st.lists(TEXT, min_size=1, max_size=3, unique=True).map(
            lambda names: [{"source": f"{name}/", "destination": f"{name}/"} for name in names]
        ),
        "airflow": st.fixed_dictionaries(
            {},
            optional={
                "queue": TEXT,
                "pool": TEXT,
                "priority_weight": st.integers(-429496729, 429496729),
                "execution_timeout": st.from_regex(r"[1-9][0-9]{0,3}[smhd]", fullmatch=True),
                "retry_delay": st.from_regex(r"[1-9][0-9]{0,3}[smhd]", fullmatch=True),
            },
        ),
    },
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(changes=CHANGES)
def test_every_valid_config_is_a_dag(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Airflow accepts what `validate` accepts: an error here would remove all other jobs."""
    config = CONFIG | {"prefixes": [{"source": "daily/", "destination": "backup/"}]} | changes
    content = "".join(f"{name}: {written(value)}\n" for name, value in config.items())
    (tmp_path / "daily.yaml").write_text(content, encoding="utf-8")
    catalog = load_folder(tmp_path)
    dags = job_dags(tmp_path)
    assert len(dags) == len(catalog.jobs)
    for dag in dags.values():
        assert serialization().from_dict(serialization().to_dict(dag)).dag_id == "s3copy__daily"
