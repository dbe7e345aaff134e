"""Codes of what can be wrong with a config. Part of the interface: docs/problems.md says each in a line.

Add, never rename.
"""

from __future__ import annotations

# The file.
FILE_NAME = "file-name"
FILE_UNREADABLE = "file-unreadable"
NAME_TAKEN = "name-taken"
NOT_A_JOB = "not-a-job"

# The YAML in it.
YAML_ANCHOR = "yaml-anchor"
YAML_DEPTH = "yaml-depth"
YAML_DOCUMENTS = "yaml-documents"
YAML_DUPLICATE = "yaml-duplicate-field"
YAML_ENCODING = "yaml-encoding"
YAML_MERGE = "yaml-merge"
YAML_NUL = "yaml-nul"
YAML_SIZE = "yaml-size"
YAML_SYNTAX = "yaml-syntax"
YAML_TAG = "yaml-tag"

# Fields and values.
DUPLICATE_ITEM = "duplicate-item"
EXCLUSIVE_FIELDS = "exclusive-fields"
MISSING_FIELD = "missing-field"
NOT_ALLOWED = "not-allowed"
OUT_OF_RANGE = "out-of-range"
SECRET = "secret"  # noqa: S105 - the name of a problem
UNKNOWN_FIELD = "unknown-field"
WRONG_FORM = "wrong-form"
WRONG_LENGTH = "wrong-length"
WRONG_TYPE = "wrong-type"

# What a schema can't say.
BAD_CRON = "bad-cron"
BAD_DATE = "bad-date"
BAD_TEMPLATE = "bad-template"
BAD_TIMEZONE = "bad-timezone"
NO_LOGICAL_DATE = "no-logical-date"

# Between entries, and between jobs.
FEEDS_ITSELF = "feeds-itself"
JOBS_LOOP = "jobs-loop"
JOBS_WRITE_SAME = "jobs-write-same"
KEY_TOO_LONG = "key-too-long"
WRITTEN_TWICE = "written-twice"
