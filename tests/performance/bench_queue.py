"""What a message of a queue costs beside the copy of its object: CPU time of one process on one core.

The copies are those of whole runs at a null S3 whose list has only keys: both sides are asked, as for an
event. In turns.
"""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict

from tests.performance.bench_lists import OBJECTS, PLACE, measure_keys
from tests.performance.child import Child
from tests.performance.null_s3 import NullS3
from tests.performance.report import Report
from tests.support.s3.servers.endpoint import WORKER

REPEATS = 3
PROMISED = 0.1
CASES = {
    "receive and delete, libcurl": ("curl", 20_000),
    "receive and delete, boto3": ("boto3", 5_000),
    "read and account": ("ledger", 20_000),
}
COPY = "copy an object, with two HEADs"


def main() -> None:
    """Measure, print the table and write it."""
    report = Report("queue", repeats=REPEATS)
    found: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as home, Child("null_sqs", core=1) as server, NullS3([PLACE]) as s3:
        queue = server.call("serve", home=home)
        env = {
            "AWS_ACCESS_KEY_ID": WORKER.key_id,
            "AWS_SECRET_ACCESS_KEY": WORKER.secret,
            "AWS_CA_BUNDLE": queue["ca_bundle"],
        }
        for _ in range(REPEATS):
            for name, (method, messages) in CASES.items():
                address = {} if method == "ledger" else {"url": queue["url"]}
                with Child("queues", core=0, env=env) as process:
                    spent = process.call(method, messages=messages, **address)
                found[name].append(1e6 * spent / messages)
            found[COPY].append(1e6 * measure_keys(s3) / OBJECTS)
    rows = report.table(
        f"a message of one event, and the copy of its object; {PLACE}",
        "",
        {"CPU us each": 0},
        f"median (least to greatest) of {REPEATS}, in turns; ten messages a request",
    )
    for name, runs in found.items():
        rows.add(name, runs)
    client, copy = (statistics.median(found[name]) for name in ("receive and delete, libcurl", COPY))
    holds = "holds" if client <= PROMISED * copy else "does NOT hold"
    report.remark(f"SQS takes at most a tenth of a copy's CPU: {holds}, {100 * client / copy:.1f} %")
    report.finish()


if __name__ == "__main__":
    main()
