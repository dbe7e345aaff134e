"""`make ui` as a user sees it: printed address and passwords, Airflow's login, the page in a browser."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.support.airflow.agreement import OF_STATSD
from tests.support.airflow.api import AirflowApi
from tests.support.airflow.databases import BUILD
from tests.support.airflow.stack import ADMIN, NO_ROLE, ROOT, VIEWER
from tests.support.airflow.statsd import StatsD
from tools import browser

GRANULES, IMAGERY = "s3copy__granules", "s3copy__imagery"
SCREENSHOTS = BUILD / "screenshots"
START_SECONDS, STOP_SECONDS = 400, 60
NOTHING = "\N{EN DASH}"
SCRIPT = "imagery/<script>alert(1)</script>.tif"
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
DARK = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}


@dataclass(frozen=True)
class Ui:
    """A running `make ui` after its runs.

    Attributes:
        process: make, which leads its own process group as in a shell.
        output: the file with its output.
        url: the printed address of Airflow.
        passwords: the printed passwords, by user.
        runs: the printed ids of the runs: of granules, of imagery, and again of granules.
        admin: the REST API, as the admin.
        statsd: receives the metrics.
    """

    process: subprocess.Popen[bytes]
    output: Path
    url: str
    passwords: dict[str, str]
    runs: list[str]
    admin: AirflowApi
    statsd: StatsD

    def metrics(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return a run's XCom `metrics`."""
        found: dict[str, Any] = self.admin.xcom(dag_id, run_id, "summarize", "metrics")
        return found

    def event(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return the line that `summarize` logged about a run."""
        log = self.admin.get(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/summarize/logs/1")
        lines: list[dict[str, Any]] = log["content"]
        (line,) = [line for line in lines if line["event"] in {"operation completed", "operation failed"}]
        return line

    def status(self, path: str, user: str) -> int:
        """Return the status of a page for a user."""
        with closing(AirflowApi(self.url)) as api:
            api.log_in(user, self.passwords[user])
            return api.http.get(path).status_code


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """Send SIGINT to the process group, as Ctrl-C in a terminal does."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    process.wait(STOP_SECONDS)


@contextmanager
def make_ui(output: Path, statsd: StatsD) -> Iterator[subprocess.Popen[bytes]]:
    """Start `make ui`, and wait until its three runs have ended."""
    with output.open("wb") as printed:
        process = subprocess.Popen(
            ["make", "ui"],
            cwd=ROOT,
            env={**os.environ, "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO", **statsd.settings()},
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while output.read_text().count("Ctrl-C stops everything") < 2:
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < deadline, output.read_text()
            time.sleep(0.2)
        yield process
    finally:
        interrupt(process)


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """One `make ui` for all tests here."""
    output = tmp_path_factory.mktemp("ui") / "output"
    with StatsD() as statsd, make_ui(output, statsd) as process:
        printed = output.read_text()
        url = re.findall(r"http://[\d.:]+", printed)[0]
        passwords = dict(re.findall(rf"^ +({ADMIN}|{VIEWER}|{NO_ROLE}) +(\S+)", printed, re.MULTILINE))
        with closing(AirflowApi(url)) as admin:
            admin.log_in(ADMIN, passwords[ADMIN])
            runs = re.findall(r"run (manual__\S+): ", printed)
            yield Ui(process, output, url, passwords, runs, admin, statsd)


@pytest.fixture(scope="module")
def chromium(ui: Ui) -> Iterator[Chrome]:
    """A browser in which the admin has logged in with the form."""
    missing = browser.missing()
    if missing is not None:
        pytest.skip(f"{missing} not installed: make test installs it, if it may")
    with browser.running() as chromium:
        chromium.get(f"{ui.url}/plugin/s3copy")
        chromium.find_element(By.NAME, "username").send_keys(ADMIN)
        chromium.find_element(By.NAME, "password").send_keys(ui.passwords[ADMIN])
        chromium.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
        yield chromium


def enter(chromium: Chrome, title: str) -> None:
    """Switch to one of Airflow's frames."""
    chromium.switch_to.frame(chromium.find_element(By.CSS_SELECTOR, f"iframe[title='{title}']"))


def shoot(chromium: Chrome, name: str) -> None:
    """Save a screenshot."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    assert chromium.save_screenshot(SCREENSHOTS / f"{name}.png")


def test_the_numbers_match_what_was_copied(ui: Ui) -> None:
    """The first run copies all objects, the second what changed; the other job all but archived objects."""
    first, failed, second = (
        ui.metrics(dag_id, run_id)
        for dag_id, run_id in zip((GRANULES, IMAGERY, GRANULES), ui.runs, strict=True)
    )
    assert (first["total_files_found"], first["files_copied_successfully"]) == (492, 480)
    assert first["total_bytes_transferred"] == 2 * sum(number * 100 for number in range(240))
    assert (second["files_copied_successfully"], second["files_skipped"]) == (
        24,
        {"excluded": 12, "unchanged": 456},
    )
    assert second["total_bytes_transferred"] == 24 * 40_000
    assert (failed["files_copied_successfully"], failed["files_failed"]) == (40, 3)
    assert failed["errors_by_code"] == {"InvalidObjectState": 3}


@pytest.mark.parametrize(("dag_id", "nth"), [(GRANULES, 0), (IMAGERY, 1), (GRANULES, 2)])
def test_the_log_matches_xcom(ui: Ui, dag_id: str, nth: int) -> None:
    """The promised log event has all metrics."""
    event, metrics = ui.event(dag_id, ui.runs[nth]), ui.metrics(dag_id, ui.runs[nth])
    assert {key: event.get(key) for key in metrics} == metrics
    assert event["event"] == ("operation failed" if dag_id == IMAGERY else "operation completed")


def test_statsd_matches_xcom(ui: Ui) -> None:
    """Counters add up over a job's runs; a gauge has the value of the last run."""
    for dag_id, runs in ((GRANULES, ui.runs[::2]), (IMAGERY, ui.runs[1:2])):
        prefix = f"airflow.s3copy.job.{dag_id.removeprefix('s3copy__')}."
        metrics = [ui.metrics(dag_id, run_id) for run_id in runs]
        counted = {name: ui.statsd.counters[prefix + name] for name in OF_STATSD}
        assert counted == {name: sum(run[key] for run in metrics) for name, key in OF_STATSD.items()}
        assert ui.statsd.latest[f"{prefix}cost_usd"] == pytest.approx(metrics[-1]["cost_usd"])
        assert ui.statsd.latest[f"{prefix}duration"] == pytest.approx(metrics[-1]["duration_seconds"] * 1_000)


def test_asset_events_match_xcom(ui: Ui) -> None:
    """Each destination's event has the metrics without the errors; a failed run has no event."""
    extras = {
        (event["uri"], event["source_run_id"]): event["extra"]
        for event in ui.admin.get("assets/events", limit=100)["asset_events"]
    }
    expected = {
        (f"s3://partner-granules/backup/2026-11-{day}", run_id): {
            key: value for key, value in ui.metrics(GRANULES, run_id).items() if key != "errors"
        }
        for run_id in ui.runs[::2]
        for day in (23, 24)
    }
    assert extras == expected


@pytest.mark.parametrize("path", ["/s3copy/jobs", f"/s3copy/jobs/{GRANULES}"])
def test_the_page_is_only_for_users_with_a_role(ui: Ui, path: str) -> None:
    """A viewer and an admin see the page; users without a login, a valid login or a role do not."""
    anonymous: list[dict[str, str]] = [{}, {"Authorization": "Bearer x"}, {"Cookie": "_token=x"}]
    answered = [httpx.get(ui.url + path, headers=headers).status_code for headers in anonymous]
    assert answered == [401, 403, 403]
    allowed = {user: ui.status(path, user) for user in (NO_ROLE, VIEWER, ADMIN)}
    assert allowed == {NO_ROLE: 403, VIEWER: 200, ADMIN: 200}


def console(chromium: Chrome) -> list[dict[str, Any]]:
    """Return the browser's log lines since the last call."""
    lines: list[dict[str, Any]] = chromium.get_log("browser")  # type: ignore[no-untyped-call]
    return lines


def table(chromium: Chrome, css: str) -> list[dict[str, str]]:
    """Return a table's rows, as text by column heading."""
    chromium.find_element(By.CSS_SELECTOR, css)
    found: list[dict[str, str]] = chromium.execute_script(
        """
        const table = document.querySelector(arguments[0]);
        const heads = [...table.tHead.rows[0].cells].map(cell => cell.innerText);
        return [...table.tBodies[0].rows].map(row => Object.fromEntries(
            heads.map((head, i) => [head, row.cells[i].innerText.replace(/\\s+/g, " ").trim()])));
        """,
        css,
    )
    return found


def test_all_jobs_after_login(chromium: Chrome) -> None:
    """Airflow shows the jobs with the numbers of their last runs, and the invalid config."""
    enter(chromium, "Copy jobs")
    rows = {row["Job"]: row for row in table(chromium, "table.jobs")}
    assert {name: (row["Copied"], row["Failed"], row["Schedule"]) for name, row in rows.items()} == {
        "granules": ("24", "0", "by hand"),
        "imagery": ("40", "3", "by hand"),
        "catalog": (NOTHING, NOTHING, "30 2 * * *"),
    }
    invalid = chromium.find_element(By.ID, "invalid").text
    assert "reports.yaml:" in invalid
    assert "Did you mean 'destination'?" in invalid
    shoot(chromium, "jobs")


def test_a_job_is_a_click_away(ui: Ui, chromium: Chrome) -> None:
    """Its page opens in the same frame, and the address changes with it."""
    chromium.get(f"{ui.url}/plugin/s3copy")
    enter(chromium, "Copy jobs")
    chromium.find_element(By.LINK_TEXT, "imagery").click()
    chromium.find_element(By.CLASS_NAME, "figures")
    shoot(chromium, "job")
    chromium.switch_to.default_content()
    assert chromium.current_url.endswith(f"/jobs/{IMAGERY}")


def test_the_tab_of_a_dag_matches_xcom(ui: Ui, chromium: Chrome) -> None:
    """Every run of the job, the latest first, has the numbers that its tasks have pushed."""
    chromium.get(f"{ui.url}/dags/{GRANULES}/plugin/s3copy_job")
    enter(chromium, "Copies")
    shown = table(chromium, "section[aria-labelledby=runs-title] table")
    shoot(chromium, "tab")
    columns = ("Found", "Copied", "Skipped", "Failed")
    assert [tuple(int(row[column].replace(",", "")) for column in columns) for row in shown] == [
        (
            metrics["total_files_found"],
            metrics["files_copied_successfully"],
            sum(metrics["files_skipped"].values()),
            metrics["files_failed"],
        )
        for metrics in (ui.metrics(GRANULES, run_id) for run_id in ui.runs[::-2])
    ]
    assert [row["Bytes"] for row in shown] == ["960.0 kB", "5.7 MB"]


def test_a_script_in_a_key_is_text(ui: Ui, chromium: Chrome) -> None:
    """The page has no script, shows the key as it is, and would not run an injected script."""
    chromium.get(f"{ui.url}/s3copy/jobs/{IMAGERY}")
    assert f"{SCRIPT}: InvalidObjectState" in chromium.find_element(By.TAG_NAME, "main").text
    console(chromium)
    inserted = """
        const added = document.createElement("script");
        added.textContent = "window.ran = true";
        const before = document.scripts.length;
        document.body.append(added);
        return [before, window.ran ?? false];
        """
    assert chromium.execute_script(inserted) == [0, False]
    (refused,) = [line["message"] for line in console(chromium) if line["level"] == "SEVERE"]
    assert "violates the following Content Security Policy directive 'default-src 'none''" in refused


@pytest.mark.parametrize("name", ["jobs", f"jobs/{IMAGERY}", f"jobs/{GRANULES}", "jobs/s3copy__none"])
def test_the_page_fits_any_screen(ui: Ui, chromium: Chrome, name: str) -> None:
    """In dark mode, and on a phone without horizontal scrolling; its own content violates no policy."""
    chromium.get(f"{ui.url}/s3copy/{name}")
    picture = name.replace("/s3copy__", "-")
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", DARK)
    shoot(chromium, f"{picture}-dark")
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    shoot(chromium, f"{picture}-narrow")
    width = chromium.execute_script("return document.documentElement.scrollWidth")
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert width == PHONE["width"]
    assert [line for line in console(chromium) if "Content Security Policy" in line["message"]] == []


def descendants(pid: int) -> set[int]:
    """Return a process and all its running descendants."""
    rows = subprocess.check_output(["ps", "-eo", "pid=,ppid=,stat="], text=True).splitlines()
    parents = {int(own): int(parent) for own, parent, state in map(str.split, rows) if state[0] != "Z"}
    found, new = set(), {pid}
    while new:
        found |= new
        new = {own for own, parent in parents.items() if parent in new}
    return found & parents.keys()


def commands_of(pids: set[int]) -> str:
    """Return the commands of those processes that still run."""
    listed = subprocess.run(
        ["ps", "-o", "stat=,args=", "-p", ",".join(map(str, pids))],
        text=True,
        capture_output=True,
        check=False,
    )
    return "\n".join(line for line in listed.stdout.splitlines() if not line.startswith("Z"))


def test_ctrl_c_ends_everything(ui: Ui) -> None:
    """No process that it started is left running, and no file is left."""
    started = descendants(ui.process.pid)
    (home,) = re.findall(r"logs are in (\S+) while it runs", ui.output.read_text())
    assert len(started) > 5
    assert (ROOT / home).is_dir()
    interrupt(ui.process)
    assert commands_of(started) == ""
    assert not (ROOT / home).parent.exists()
    assert "nothing is left running" in ui.output.read_text()
