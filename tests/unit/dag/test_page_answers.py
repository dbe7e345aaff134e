"""Every kind of answer of the page: it has no active content, and is accessible."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.support.airflow.page_server import JOB, JOBS, RUN_ID, Answer, Page

VOID = {"meta"}
INERT = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "footer",
        "header",
        "nav",
        "section",
        "figure",
    ),
    *(
        "figcaption",
        "h1",
        "h2",
        "h3",
        "p",
        "a",
        "b",
        "bdi",
        "code",
        "pre",
        "small",
        "span",
        "time",
        "ul",
        "ol",
    ),
    *("li", "dl", "div", "dt", "dd", "table", "caption", "thead", "tbody", "tr", "th", "td"),
    *("svg", "g", "line", "rect", "text"),
}

ANSWERS: dict[str, tuple[dict[str, Any], int]] = {
    "all jobs": ({"path": JOBS}, 200),
    "one job": ({"path": JOB}, 200),
    "one run": ({"path": JOB, "run_id": RUN_ID}, 200),
    "no login": ({"path": JOBS, "user": None}, 401),
    "not allowed": ({"path": JOB, "user": "zoe"}, 403),
    "no such job": ({"path": f"{JOBS}/nothing"}, 404),
    "no such run": ({"path": JOB, "run_id": "nothing"}, 404),
    "no such route": ({"path": "/s3copy/nothing"}, 404),
    "docs": ({"path": "/s3copy/docs"}, 404),
    "openapi": ({"path": "/s3copy/openapi.json"}, 404),
    "not valid": ({"path": JOB, "before": "x"}, 422),
    "beyond any number": ({"path": JOB, "before": 2**70}, 422),
    "NUL": ({"path": JOB, "run_id": "a\0"}, 422),
}


@pytest.fixture(params=ANSWERS)
def answer(page: Page, request: pytest.FixtureRequest) -> Answer:
    """An answer of the page, of every kind."""
    query, code = ANSWERS[request.param]
    reply = page.get(**query)
    assert reply.status_code == code
    return reply


def test_no_answer_is_active(answer: Answer) -> None:
    """No script, no external style, no other host, no frame on another site, no caching."""
    style = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = b64encode(sha256(style[0].encode()).digest()).decode()
    assert answer.headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self' data:; "
        "frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    structure = Structure()
    structure.feed(answer.text)
    assert structure.tags <= INERT
    assert not [name for name in structure.attributes if name.startswith("on") or name in {"style", "src"}]
    assert all(re.match(r"(?:\.\./)?[\w.%?=&-]+|#\w+", link) for link in structure.links)


def test_untrusted_text_is_escaped(page: Page) -> None:
    """Keys, labels, codes and run ids are escaped; characters that turn or hide text become visible."""
    reply = page.get(JOB, run_id=RUN_ID)
    assert reply.text.count("&lt;script&gt;alert(1)&lt;/script&gt;\\u202egnp.exe\\x1b[31m\\n") >= 7
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f]", reply.text)
    assert "&#34;&gt;&lt;img src=x onerror" in reply.text


class Structure(HTMLParser):
    """The elements of an answer; whether they are closed, and have names for screen readers."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.mistakes: list[str] = []
        self.ids: list[str] = []
        self.named_by: list[str] = []
        self.tables = self.captions = 0
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._note(tag, given)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.named_by += [given["aria-labelledby"] or ""] if "aria-labelledby" in given else []
        self.tables += tag == "table"
        self.captions += tag == "caption"
        if tag == "th" and "scope" not in given:
            self.mistakes.append("th without scope")
        if tag == "svg" and "aria-label" not in given and "td" not in self.open:
            self.mistakes.append("svg without a name")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, dict(attrs))

    def _note(self, tag: str, given: dict[str, str | None]) -> None:
        self.tags.add(tag)
        self.attributes |= set(given)
        self.links += [given["href"] or ""] if "href" in given else []

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.mistakes.append(f"</{tag}>")


def test_answers_are_well_formed_and_accessible(answer: Answer) -> None:
    """Elements are closed; tables have captions and scopes; pictures have names; each label exists once."""
    structure = Structure()
    structure.feed(answer.text)
    assert (structure.mistakes, structure.open) == ([], [])
    assert structure.tables == structure.captions
    assert len(structure.ids) == len(set(structure.ids))
    assert set(structure.named_by) <= set(structure.ids)
    assert '<html lang="en">' in answer.text
    assert answer.text.count("<h1>") == 1
