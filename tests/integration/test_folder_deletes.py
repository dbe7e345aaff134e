"""The command line deletes a folder of a mirror's destination."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.builders.documents import document, write
from tests.support.command import run_command

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.s3.proxy import Proxy
    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.needs("versioning")


def test_a_folder_is_deleted_if_its_number_is_confirmed(sides: Sides, proxy: Proxy, tmp_path: Path) -> None:
    """Its marker, too; nothing is copied or written to find out, and no source is asked for an object."""
    bucket = sides.destination_bucket
    sides.destination.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in ("old/", "old/a", "old/deep/b", "old2/a", "new"):
        sides.destination.put_object(Bucket=bucket, Key=f"copy/{key}", Body=b"x")
    sides.put("data/old/a")
    content = document(
        source={"bucket": sides.source_bucket, "connection": "aws_source"},
        destination={"bucket": bucket, "connection": "aws_destination"},
        prefixes=[{"source": "data/", "destination": "copy/"}],
        mirror={"max_deleted_objects": 3, "delete_folder": True},
    )
    arguments = [str(write(tmp_path, content)), "--delete-folder", "copy/old/", "--json"]

    def s3copy(*command: str) -> tuple[int, Any]:
        code, out, _ = run_command("s3copy", *command)
        return code, json.loads(out)["deletions"]

    done, planned = s3copy("plan", *arguments)
    assert (done, planned["to_delete"], planned["comes_back"]) == (0, 3, True)
    done, kept = s3copy("run", *arguments)
    assert (done, kept["kept"], "is not confirmed" in kept["refused"]) == (1, {"refused": 3}, True)
    done, deleted = s3copy("run", *arguments, "--confirm", "3")
    assert (done, deleted["deleted"], sorted(sides.copied())) == (0, 3, ["copy/new", "copy/old2/a"])
    of_source = (request for request in proxy.requests if sides.source_bucket in request.target)
    assert {request.kind for request in of_source} == {"ListObjectsV2"}
    assert not {"CopyObject", "CreateMultipartUpload"} & set(proxy.kinds())
