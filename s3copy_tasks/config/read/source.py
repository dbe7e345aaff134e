"""Reads one YAML file: values, and the place of each. No file can crash or hang the reader.

One pass over libyaml's events. Scalars are read by the core schema of YAML 1.2, as editors do:
https://yaml.org/spec/1.2.2/#103-core-schema
"""

from __future__ import annotations

from pathlib import Path

import yaml

from s3copy_tasks.config.problem import Code
from s3copy_tasks.config.read.builder import SIZE_MAX, Builder, Source
from s3copy_tasks.config.read.hints import syntax_hint
from s3copy_tasks.config.read.place import Place, SourceError, SourceText, quotable

_BEGINS_EARLIER = {
    "could not find expected ':'",
    "found unexpected document indicator",
    "found unexpected end of stream",
}
_FLOWS = {"while parsing a flow mapping", "while parsing a flow sequence"}

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml: ten times as fast


def content_of(file: Path) -> bytes:
    """Return a file's content, but at most one byte more than a file may have.

    Raises:
        OSError: the file can't be read.
    """
    with file.open("rb") as stream:
        return stream.read(SIZE_MAX + 1)


def read_source(file: Path, content: bytes | None = None) -> Source:
    """Return the content of a YAML file.

    Args:
        file: its path, also used in places.
        content: of a file that does not exist yet; None reads the file.

    Raises:
        OSError: the file can't be read.
        SourceError: it is not valid YAML, or exceeds a limit.
    """
    raw = content_of(file) if content is None else content
    if len(raw) > SIZE_MAX:
        words = f"is larger than {SIZE_MAX:,} bytes. A job has a few hundred"
        raise SourceError(Code.YAML_SIZE, words, Place(file))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()  # not from `raw`: a byte order mark is removed
        place = SourceText(file, before).place(len(before))
        words = f"is not UTF-8: byte {error.object[error.start]:#x}. Save the file as UTF-8"
        raise SourceError(Code.YAML_ENCODING, words, place) from None
    return _read(SourceText(file, text))


def _read(text: SourceText) -> Source:
    builder = Builder(text)
    try:
        builder.read(yaml.parse(text.text, _LOADER))
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, text) from None
    except yaml.reader.ReaderError as error:  # of libyaml, so its position counts bytes
        before = text.text.encode()[: error.position].decode("utf-8", "ignore")
        words = f"not valid YAML: {error.reason}"
        raise quotable(Code.YAML_SYNTAX, words, len(before), text, syntax_hint(error.reason)) from None
    return builder.source


def _not_yaml(error: yaml.MarkedYAMLError, text: SourceText) -> SourceError:
    """Return libyaml's error as a message that says how to fix it."""
    problem, mark = str(error.problem), error.problem_mark
    if problem in _BEGINS_EARLIER and error.context_mark is not None:
        mark = error.context_mark
    index = len(text.text) if mark is None else mark.index
    if problem == "found character that cannot start any token" and text.text[index : index + 1] == "\t":
        problem = "found a tab character that violates indentation"
    context = error.context
    if context in _FLOWS and error.context_mark is not None:
        context += f" that starts on line {text.position(error.context_mark.index)[0]}"
    words = "not valid YAML: " + ", ".join(filter(None, (context, problem)))
    return quotable(Code.YAML_SYNTAX, words, index, text, syntax_hint(problem, error.context))
