import json
from pathlib import Path

import pytest

from tests.performance.report import Report


def test_a_figure_is_printed_and_written_from_the_same_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table shows median and spread; the file has every sample, by the name of its column."""
    report = Report("copy", folder=tmp_path, objects=20_000)
    rows = report.table("copies", "client", {"objects/s": 0, "CPU ms": 2, "note": 0})
    rows.section("TLS, 30 ms")
    rows.add("s3copy", [4_000, 6_000, 5_000], 0.25, "no limit")
    rows.add("  s5cmd", None, 2.5, None)
    report.remark("[not] markup")
    report.finish()

    printed = capsys.readouterr().out
    assert "5,000 (4,000 to 6,000)" in printed
    assert "0.25" in printed
    assert "[not] markup" in printed
    written = json.loads((tmp_path / "copy.json").read_text())
    assert written["conditions"]["objects"] == 20_000
    assert written["remarks"] == ["[not] markup"]
    assert written["tables"][0]["rows"] == [
        {
            "section": "TLS, 30 ms",
            "client": "s3copy",
            "objects/s": {
                "median": 5_000,
                "least": 4_000,
                "greatest": 6_000,
                "samples": [4_000, 6_000, 5_000],
            },
            "CPU ms": 0.25,
            "note": "no limit",
        },
        {"section": "TLS, 30 ms", "client": "s5cmd", "CPU ms": 2.5},
    ]
