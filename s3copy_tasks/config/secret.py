"""Detects secrets: they don't belong in a config, and no message may repeat them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_ACCESS_KEY = re.compile(r"(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])")
_SECRET_KEY = re.compile(r"(?<![A-Za-z0-9/+_-])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+_-])")
_TOKEN = re.compile(
    r"(?:FwoGZXIvYXdz|IQoJb3JpZ2lu)[A-Za-z0-9/+=]{20,}"
    r"|(?<![A-Za-z0-9])(?:gh[oprsu]_[A-Za-z0-9]{36,}|github_pat_\w{36,}|glpat-[\w-]{20,}|xox[abeprs]-\d[\w-]{9,})"
)
"""Session tokens of AWS; tokens of GitHub, GitLab and Slack."""
_IN_URL = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_WEBHOOK = re.compile(r"(?<=hooks\.slack\.com/)[^\s\"']{12,}")
"""Anyone with the address can write to the channel."""
_NAME = re.compile(r"secret|passw|token|credential|(?:access|api|private)[_-]?key", re.IGNORECASE)
_NAMED = re.compile(
    rf"(?:{_NAME.pattern})[\w-]{{0,40}}[\"']?\s{{0,8}}[:=]|^\s*\?.*(?:{_NAME.pattern})", re.IGNORECASE
)
# In a line of a file, the character before a key may be part of an escape, such as the n of \n.
_IN_LINE = re.compile(r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}")
_RUN = re.compile(r"(?:\\?[A-Za-z0-9/+]){40,}")
"""Many JSON writers escape slashes."""
_SWITCH = re.compile(r"(?<=[a-z])[A-Z0-9]|(?<=[A-Z])[a-z0-9]|(?<=[0-9])[A-Za-z]")
_RANDOM_SHARE = 0.3
"""Share of characters of another kind than the previous: about 0.6 in a random key, rarely 0.3 in a path."""
_SLASHES_SHARE = 0.1
"""Share of slashes: one in 64 characters of a random key, more than one in ten of a path."""
_MASK = "****"
HIDDEN = _MASK


def looks_secret(text: str) -> bool:
    """Return whether a text contains what looks like an access key, a secret key, a token or a password."""
    return masked(text) != text


def is_name_of_a_secret(name: str) -> bool:
    """Return whether a field with this name would contain a secret."""
    return bool(_NAME.search(name))


def masked(text: str) -> str:
    """Return a text with everything masked that looks like a secret."""
    for pattern in (_ACCESS_KEY, _TOKEN, _IN_URL, _WEBHOOK):
        text = pattern.sub(_MASK, text)
    return _SECRET_KEY.sub(lambda found: _MASK if _is_random(found.group()) else found.group(), text)


def masked_lines(lines: Iterable[str]) -> list[str]:
    """Return lines of YAML with everything masked that looks like a secret; the rest keeps its column.

    If a name announces a secret, the secret may have any form and any number of lines: then all lines are
    `HIDDEN`.
    """
    lines = list(lines)
    if any(_NAMED.search(line) for line in lines):
        return [HIDDEN] * len(lines)
    return [_masked_line(line) for line in lines]


def _masked_line(line: str) -> str:
    for pattern in (_IN_LINE, _TOKEN, _IN_URL, _WEBHOOK):
        line = pattern.sub(lambda found: "*" * len(found.group()), line)
    return _RUN.sub(_mask_run, line)


def _mask_run(run: re.Match[str]) -> str:
    return "*" * len(run.group()) if _is_random(run.group()) else run.group()


def _is_random(text: str) -> bool:
    is_mixed = all(re.search(kind, text) for kind in ("[A-Z]", "[a-z]", "[0-9]"))
    is_path = text.count("/") >= _SLASHES_SHARE * len(text)
    return is_mixed and not is_path and len(_SWITCH.findall(text)) >= _RANDOM_SHARE * len(text)
