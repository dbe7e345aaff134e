"""The examples in docstrings of the public names."""

from __future__ import annotations

import doctest
import sys

import pytest

import s3copy_tasks


@pytest.mark.parametrize("name", s3copy_tasks.__all__)
def test_every_public_name_has_an_example_that_is_true(name: str) -> None:
    """Each public name shows its use, and the example's output is what Python prints."""
    public = getattr(s3copy_tasks, name)
    names = vars(sys.modules[public.__module__])
    (found,) = [
        test
        for test in doctest.DocTestFinder(recurse=False).find(public, name, globs=dict(names))
        if test.examples
    ]
    result = doctest.DocTestRunner().run(found)
    assert (result.failed, result.attempted) == (0, len(found.examples))
