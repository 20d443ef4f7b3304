from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from edgetune.report.page import render, template_text, warnings_of, write_report
from edgetune.report.summary import RunSummary

VOID = {"meta", "link", "br", "img", "hr", "input"}
HOSTILE = (
    "<script>alert(1)</script>\"'><img src=http://evil.example/x onerror=alert(2)>{{ 7 * 7 }}</title></style><!--&lt;"
)


class Page(HTMLParser):
    """Tags with their attributes and the text of scripts; raises where a tag is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._pieces: list[list[str]] = []  # of each script: joining 5 MB piece by piece would take minutes
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"not closed: {self._open}"
        self.scripts = ["".join(pieces) for pieces in self._pieces]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self._pieces.append([])
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self._pieces[-1].append(data)
        elif self._open and self._open[-1] != "style":
            self.text.append(data)


@pytest.fixture(scope="module")
def page(summary: RunSummary) -> Page:
    return Page(render(summary))


def test_the_page_is_well_formed_and_its_links_lead_somewhere(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    assert links and all(link and link.startswith("#") and link[1:] in ids for link in links)
    labels = {attributes["aria-labelledby"] for _, attributes in page.tags if "aria-labelledby" in attributes}
    assert labels <= set(ids)


def test_nothing_is_loaded_from_anywhere(page: Page) -> None:
    for tag, attributes in page.tags:
        assert "src" not in attributes and "srcset" not in attributes, tag
        if tag == "link":
            assert attributes["href"] == "data:,"
        assert not any(name.startswith("on") for name in attributes), "an inline handler"
    sheet = template_text("page.css")
    assert "url(" not in sheet and "@import" not in sheet


def test_only_the_pages_own_scripts_may_run(page: Page) -> None:
    policy = (
        next(a["content"] for tag, a in page.tags if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy")
        or ""
    )
    assert policy.startswith("default-src 'none';")
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    kinds = [attributes.get("type") for tag, attributes in page.tags if tag == "script"]
    runnable = [text for text, kind in zip(page.scripts, kinds, strict=True) if kind != "application/json"]
    assert {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in runnable} == allowed
    assert "unsafe" not in policy.split("style-src")[0]


def poisoned(value: object, text: str) -> object:
    """Puts `text` wherever a summary holds free text."""
    fixed = {"kind", "state", "path", "sha256", "activation", "schema", "importance"}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        if "kernel" in fields:  # a Block: closed vocabulary
            return value
        changed = {name: item if name in fixed else poisoned(item, text) for name, item in fields.items()}
        return dataclasses.replace(value, **changed)
    if isinstance(value, str):
        return text + value[-8:]
    if isinstance(value, tuple):
        return tuple(poisoned(item, text) for item in value)
    if isinstance(value, dict):
        return {f"{text}{key}": poisoned(item, text) for key, item in value.items()}
    return value


def poison(summary: RunSummary, text: str) -> RunSummary:
    changed = poisoned(dataclasses.replace(summary, finalists=()), text)
    assert isinstance(changed, RunSummary)
    conditions = changed.conditions
    finalists = tuple(poisoned(finalist, text) for finalist in summary.finalists)
    return dataclasses.replace(changed, finalists=finalists, conditions=conditions)  # type: ignore[arg-type]


def test_hostile_names_stay_text(summary_of: Callable[..., RunSummary]) -> None:
    summary = summary_of(trials=40, finalists=3, measured=True)
    harmless, hostile = Page(render(poison(summary, "harmless"))), Page(render(poison(summary, HOSTILE)))
    assert Counter(tag for tag, _ in hostile.tags) == Counter(tag for tag, _ in harmless.tags)
    assert {name for _, a in hostile.tags for name in a} == {name for _, a in harmless.tags for name in a}
    assert any(HOSTILE in text for text in hostile.text)
    assert hostile.scripts[1:] == harmless.scripts[1:]


def test_plots_take_hostile_names_as_text(summary_of: Callable[..., RunSummary]) -> None:
    """Plotly reads a little HTML in its texts: only the tags that the plots write themselves may stand there."""
    figures = json.loads(Page(render(poison(summary_of(trials=20, finalists=2), HOSTILE))).scripts[0])
    found = {tag for text in strings(figures) for tag in re.findall(r"<[^>]*>?", text)}
    assert found <= {"<br>", "<b>", "</b>", "<extra>", "</extra>"}


def strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in items for text in strings(item)]


@pytest.mark.parametrize(("trials", "finalists", "failed"), [(3, 1, 0), (1, 0, 3), (0, 0, 0), (12, 2, 0)])
def test_small_and_unfinished_runs(
    summary_of: Callable[..., RunSummary], trials: int, finalists: int, failed: int
) -> None:
    page = Page(render(summary_of(trials=trials, finalists=finalists, failed=failed)))
    networks = [a for tag, a in page.tags if tag == "details" and a.get("class") == "network"]
    assert len(networks) == finalists
    assert ("No finalist has been distilled yet." in "".join(page.text)) == (finalists == 0)


def test_each_latency_column_holds_one_kind(summary: RunSummary) -> None:
    table = re.search(r'aria-label="Finalists">.*?</table>', render(summary), re.S)
    assert table is not None
    rows = re.findall(r"<tr>(.*?)</tr>", table.group(), re.S)
    kinds = [
        [set(re.findall(r'class="kind (\w+)"', cell)) for cell in re.findall(r"<td.*?</td>", row, re.S)]
        for row in rows[1:]
    ]
    columns = [set().union(*column) for column in zip(*kinds, strict=True)]
    assert [column for column in columns if column] == [{"calibrated"}, {"measured"}]


def test_a_warning_is_said_once_with_the_networks_it_means(summary: RunSummary) -> None:
    notice = re.search(r'<div class="notice".*?</div>', render(summary), re.S)
    assert notice is not None
    assert notice.group().count("28-pixel networks lie outside") == 1 and "all networks" in notice.group()


def test_every_hash_and_path_is_on_the_page(summary: RunSummary, page: Page) -> None:
    text = "".join(page.text)
    for finalist in summary.finalists:
        for artefact in finalist.artefacts:
            assert artefact.sha256 in text and artefact.path in text


def test_the_file_is_whole_and_alone(summary_of: Callable[..., RunSummary], tmp_path: Path) -> None:
    summary = summary_of(trials=3, finalists=1)
    write_report(summary, tmp_path / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_bytes().decode() == render(summary)


def test_the_page_deploys_with_the_bundles_own_program(summary: RunSummary) -> None:
    best = max(summary.finalists, key=lambda finalist: finalist.test_top1)
    path = next(artefact.path for artefact in best.artefacts if artefact.format == "onnx")
    folder, _, model = path.rpartition("/")
    text = render(summary)
    assert f"scp -r {folder} user@board:" in text and f"python classify.py {model} picture.jpg" in text


def test_warnings_that_differ_in_a_number_alone_are_one(summary: RunSummary) -> None:
    finalists = [
        dataclasses.replace(
            finalist,
            latencies=(dataclasses.replace(finalist.latency, warnings=("all alike", f"work of {work} million MACs")),),
        )
        for finalist, work in zip(summary.finalists, ("4.6", "0.602", "1.2e+03"), strict=False)
    ]
    found = warnings_of(dataclasses.replace(summary, finalists=tuple(finalists)))
    names = [finalist.name for finalist in finalists]
    assert found == {"all alike": names, "work of 0.602 to 1.2e+03 million MACs": names}
