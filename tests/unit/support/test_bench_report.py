import json
from pathlib import Path

import pytest

from tests.performance.report import Report


def test_a_figure_is_printed_and_written_from_the_same_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table shows median and spread; the file holds every sample, below its column's name."""
    report = Report("copy", folder=tmp_path, objects=20_000)
    rows = report.table("copies", "client", {"objects/s": 0, "CPU ms": 2, "note": 0})
    rows.section("TLS, 30 ms")
    rows.add("ours", [4_000, 6_000, 5_000], 0.25, "said")
    rows.add("  theirs", None, 2.5, None)
    report.remark("[not] markup")
    report.finish()

    printed = capsys.readouterr().out
    assert "5,000 (4,000 to 6,000)" in printed
    assert "0.25" in printed
    assert "[not] markup" in printed
    told = json.loads((tmp_path / "copy.json").read_text())
    assert told["conditions"]["objects"] == 20_000
    assert told["remarks"] == ["[not] markup"]
    assert told["tables"][0]["rows"] == [
        {
            "section": "TLS, 30 ms",
            "client": "ours",
            "objects/s": {
                "median": 5_000,
                "least": 4_000,
                "greatest": 6_000,
                "samples": [4_000, 6_000, 5_000],
            },
            "CPU ms": 0.25,
            "note": "said",
        },
        {"section": "TLS, 30 ms", "client": "theirs", "CPU ms": 2.5},
    ]
