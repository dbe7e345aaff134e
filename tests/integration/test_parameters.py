"""The parameters of a run are a closed set, in Airflow as on the command line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.core.job import PrefixEntry
from s3copy_tasks.core.key_list import ResultsPlace
from s3copy_tasks.dag.factory import build_dag
from tests.support.builders.documents import document, job_of, write
from tests.support.builders.lists import make_rows

if TYPE_CHECKING:
    from pathlib import Path

    from s3copy_tasks.config.job import CopyJob
    from tests.integration.conftest import DagResult, RunDag
    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.one_server


@pytest.fixture
def job(sides: Sides, tmp_path: Path) -> CopyJob:
    """A job of one prefix, with an object to copy."""
    sides.put("daily/a", b"a")
    content = document(failure={"retries": 0}, prefixes=[{"source": "daily/", "destination": "out/"}])
    return replace(
        job_of(write(tmp_path, content)), source=sides.job().source, destination=sides.job().destination
    )


def why(done: DagResult) -> list[str]:
    """Return why a run was refused, as its summary says it."""
    assert (done.state, done.states["preflight", -1]) == ("failed", "failed")
    assert done.states["copy_batch", -1] == "upstream_failed"
    metrics = done.xcom("summarize", "metrics")
    assert metrics["files_copied_successfully"] == 0
    errors: list[str] = metrics["errors"]
    return errors


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "misspelt": (
        {"prefixes": ["daily/"], "dryrun": True},
        "unknown parameter 'dryrun'. Did you mean 'dry_run'?",
    ),
    "singular": ({"prefix": "daily/"}, "unknown parameter 'prefix'. Did you mean 'prefixes'?"),
    "in capitals": ({"DRY_RUN": True}, "unknown parameter 'DRY_RUN'. Did you mean 'dry_run'?"),
    "nested": ({"params": {"dry_run": True}}, "unknown parameter 'params'."),
    "an unknown prefix": (
        {"prefixes": ["dayly/"]},
        "has no prefix 'dayly/'. Did you mean 'daily/'? Its prefixes: 'daily/'",
    ),
}


@pytest.mark.parametrize(("conf", "words"), REFUSED.values(), ids=REFUSED)
def test_what_the_job_does_not_have_is_refused(
    job: CopyJob, run_dag: RunDag, conf: dict[str, Any], words: str
) -> None:
    """A typing error copies nothing, and the summary says what was meant."""
    (error,) = why(run_dag(build_dag(job), conf))
    assert error.startswith("(preflight): InvalidParameters")
    assert words in error


def test_a_job_without_lists_has_no_parameter_for_one(job: CopyJob, run_dag: RunDag) -> None:
    """Its Dag does not change, and a list is refused like any other unknown name."""
    (error,) = why(run_dag(build_dag(job), {"manifest": "s3://lists/a.csv"}))
    assert "unknown parameter 'manifest'" in error


@pytest.fixture
def listed(job: CopyJob, sides: Sides) -> CopyJob:
    """The job with results, so that a run may name a list; the source has two more objects."""
    for key in ("daily/b", "daily/c"):
        sides.put(key, key.encode())
    sides.destination.create_bucket(Bucket=f"{sides.destination_bucket}-results")
    location = sides.job().destination.reach(f"{sides.destination_bucket}-results")
    return replace(job, results=ResultsPlace(location=location, prefix="copies/"))


def test_a_run_copies_what_its_list_names(listed: CopyJob, run_dag: RunDag, sides: Sides) -> None:
    """A list below the results is one of failed objects; the rest of the job's prefix is not copied."""
    place, rows = listed.results, make_rows([(sides.source_bucket, "daily/b", "", "", "", "", "out/b")])
    assert place is not None
    sides.destination.put_object(Bucket=place.location.bucket, Key="copies/x/failed/1.csv", Body=rows)
    done = run_dag(build_dag(listed), {"manifest": f"{place}x/failed/"})
    assert done.state == "success"
    assert done.xcom("summarize", "metrics")["total_files_found"] == 1
    assert sides.copied() == {"out/b": b"daily/b"}


def test_without_a_list_all_is_copied(listed: CopyJob, run_dag: RunDag, sides: Sides) -> None:
    """The parameter is null by default, and may be written so."""
    assert run_dag(build_dag(listed), {"manifest": None}).state == "success"
    assert set(sides.copied()) == {"out/a", "out/b", "out/c"}


NO_LISTS: dict[str, tuple[dict[str, Any], str]] = {
    "a path": ({"manifest": "/etc/passwd"}, "must be the address of a list"),
    "a bucket": ({"manifest": "s3://lists/"}, "has no key"),
    "beside prefixes": (
        {"manifest": "s3://lists/a.csv", "prefixes": ["daily/"]},
        "can't be used with prefixes",
    ),
    "among the copies": ({"manifest": "s3://{destination}/out/a.csv"}, "where the job may overwrite it"),
}


@pytest.mark.parametrize(("conf", "words"), NO_LISTS.values(), ids=NO_LISTS)
def test_a_list_that_can_not_be_is_refused(
    listed: CopyJob, run_dag: RunDag, sides: Sides, conf: dict[str, Any], words: str
) -> None:
    """Nothing is read on the worker, and nothing is copied."""
    filled = conf | {"manifest": conf["manifest"].format(destination=sides.destination_bucket)}
    (error,) = why(run_dag(build_dag(listed), filled))
    assert words in error


WRONG_TYPES: dict[str, dict[str, Any]] = {
    "text for a boolean": {"dry_run": "true"},
    "null": {"dry_run": None},
    "text for a list": {"prefixes": "daily/"},
    "a number in the list": {"prefixes": [1]},
}


@pytest.mark.parametrize("conf", WRONG_TYPES.values(), ids=WRONG_TYPES)
def test_a_wrong_type_does_not_start_a_run(job: CopyJob, run_dag: RunDag, conf: dict[str, Any]) -> None:
    """Airflow refuses it where the run is started, with the parameter's name."""
    (name,) = conf
    with pytest.raises(Exception, match=f"(?i)param {name}"):
        run_dag(build_dag(job), conf)


ACCEPTED: dict[str, dict[str, Any] | None] = {
    "nothing": None,
    "an empty mapping": {},
    "every parameter": {"force": False, "dry_run": False, "prefixes": []},
    "what TriggerDagRunOperator adds": {"openlineage": {"parentRunId": "x"}, "prefixes": ["daily/"]},
    "what Airflow reads itself": {"airflow/task_span_detail_level": 2},
}


@pytest.mark.parametrize("conf", ACCEPTED.values(), ids=ACCEPTED)
def test_what_other_systems_add_does_not_matter(
    job: CopyJob, run_dag: RunDag, conf: dict[str, Any] | None
) -> None:
    """However a run is started, it copies."""
    done = run_dag(build_dag(job), conf)
    assert done.state == "success"
    assert done.xcom("summarize", "metrics")["files_copied_successfully"] == 1


def test_a_site_that_ignores_parameters_starts_no_full_copy(
    job: CopyJob, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow would drop the dry run without a word."""
    monkeypatch.setenv("AIRFLOW__CORE__DAG_RUN_CONF_OVERRIDES_PARAMS", "False")
    (error,) = why(run_dag(build_dag(job), {"dry_run": True}))
    assert "ignores what a run is started with (dry_run)" in error


def test_a_prefix_that_the_file_lost_in_mid_run_leaves_the_summary(job: CopyJob, run_dag: RunDag) -> None:
    """Airflow checks parameters in every task again: a later edit of the YAML must not end the last ones."""
    edited = replace(job, prefixes=(PrefixEntry(source="other/", destination="out/"),))
    (error,) = why(run_dag(build_dag(edited), {"prefixes": ["daily/"]}))
    assert "has no prefix 'daily/'" in error
