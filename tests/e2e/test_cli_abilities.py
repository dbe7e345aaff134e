"""`s3copy run` on a server that lacks something: one line on stderr, or the field of the YAML to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.test_cli_run import s3copy, write
from tests.support.s3.proxy import Proxy, Reply

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.s3.sides import Sides

TEXT = "A header you provided implies functionality that is not implemented"


def lack(proxy: Proxy, header: str) -> None:
    odd = Reply.error(501, "NotImplemented", TEXT)
    proxy.answer = lambda request: odd if header in request.headers else None


def test_a_run_without_guards_says_so_once(sides: Sides, proxy: Proxy, tmp_path: Path) -> None:
    """The objects are copied, and stderr says which header is left out and what that means."""
    write(tmp_path, sides)
    sides.put("data/a")
    lack(proxy, "if-none-match")
    code, _, err = s3copy(tmp_path, "run", "daily")
    assert code == 0
    (line,) = [line for line in err.splitlines() if "does not support a header" in line]
    assert "If-None-Match" in line
    assert "what another client writes at the same time is overwritten" in line


def test_a_run_that_depends_on_a_header_names_the_field(sides: Sides, proxy: Proxy, tmp_path: Path) -> None:
    """Nothing is copied, and the message says what to change."""
    write(tmp_path, sides)
    sides.put("data/a")
    lack(proxy, "x-amz-expected-bucket-owner")
    code, _, err = s3copy(tmp_path, "run", "daily")
    assert code == 1
    assert "remove source.account" in err
    assert sides.copied() == {}
