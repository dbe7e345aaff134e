"""The site, which `make docs` builds with Sphinx from these pages. A broken link fails the build."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "s3copy_tasks"
extensions = ["myst_parser"]
root_doc = "README"
myst_heading_anchors = 4  # as GitHub makes them
suppress_warnings = ["misc.highlighting_failure"]  # JSON and YAML that are shown broken, or cut

html_theme_options = {"page_width": "1200px", "body_max_width": "none", "sidebar_width": "260px"}
html_show_copyright = False

REPOSITORY = "https://github.com/s3copy-tasks/s3copy_tasks/blob/main/"
SIDEBAR = "\n```{toctree}\n:hidden:\n:glob:\n:titlesonly:\n\n*\ndesign/*\n```\n"


def adapt(_: Sphinx, name: str, source: list[str]) -> None:
    """Let links out of docs/ lead to the repository, and give the index a sidebar of all pages."""
    out_of_docs = "../" * (name.count("/") + 1)
    source[0] = re.sub(rf"(?<=\]\(){re.escape(out_of_docs)}", REPOSITORY, source[0])
    if name == root_doc:
        source[0] += SIDEBAR


def setup(app: Sphinx) -> None:
    """Hook into Sphinx, which calls this."""
    app.connect("source-read", adapt)
