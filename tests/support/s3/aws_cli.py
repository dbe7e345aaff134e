"""A small `aws`: commands of the AWS CLI, run by boto3, so that tests can run the commands in a document.

`aws [--profile NAME] [--region NAME] SERVICE OPERATION --option value ...`; a value is text, JSON, `file://`
one of these, or, where the operation takes a body, the name of a file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore import xform_name
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FAILED, USAGE_ERROR = 254, 252  # as of the AWS CLI
_PARSED: dict[str, Callable[[str], Any]] = {
    "structure": json.loads,
    "list": json.loads,
    "map": json.loads,
    "integer": int,
    "long": int,
}


def main(arguments: Sequence[str]) -> int:
    """Carry out a command; print the reply as JSON and return the exit code."""
    marks = {i for i, word in enumerate(arguments) if word.startswith("--")}
    options = {arguments[i][2:]: arguments[i + 1] for i in marks}
    words = [word for i, word in enumerate(arguments) if not {i, i - 1} & marks]
    if len(words) != 2:
        sys.stderr.write(f"aws: not a service and an operation: {words}\n")
        return USAGE_ERROR
    service, operation = words
    session: Any = boto3.Session(
        profile_name=options.pop("profile", None), region_name=options.pop("region", None)
    )
    client = session.client({"s3api": "s3"}.get(service, service))
    method = operation.replace("-", "_")
    model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
    members = {xform_name(name, "-"): name for name in model.input_shape.members}
    given = {
        members[name]: value(model.input_shape.members[members[name]], options[name]) for name in options
    }
    try:
        reply = getattr(client, method)(**given)
    except ClientError as error:
        sys.stderr.write(f"aws: {error}\n")
        return FAILED
    del reply["ResponseMetadata"]
    if reply:
        sys.stdout.write(json.dumps(reply, indent=4, default=str) + "\n")
    return 0


def value(shape: Any, text: str) -> Any:
    """Return an option's text as the type that the operation takes."""
    if shape.type_name == "blob":
        return Path(text).read_bytes()
    if text.startswith("file://"):
        text = Path(text.removeprefix("file://")).read_text()
    return _PARSED.get(shape.type_name, str)(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
