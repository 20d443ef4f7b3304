"""The page in a real browser: no console message, nothing cut off on a phone."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgetune.report.page import render
from edgetune.report.summary import RunSummary

PROBE = """<!doctype html><meta charset="utf-8">
<iframe src="report.html" style="width:{width}px;height:900px;border:0"></iframe>
<pre id="found"></pre><script>
onload = () => setTimeout(() => {{
  const page = document.querySelector("iframe").contentDocument;
  const root = page.documentElement;
  const reached = [...page.querySelectorAll("a[href], summary, [tabindex]")].filter((e) => e.tabIndex >= 0);
  const cut = [...page.querySelectorAll(".scroll")].filter((e) => e.scrollWidth > e.clientWidth);
  const unreached = cut.filter((e) => e.tabIndex < 0);
  const names = [...page.querySelectorAll("#pareto .textpoint text")].map((e) => e.getBoundingClientRect());
  const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  document.getElementById("found").textContent = JSON.stringify({{
    width: root.scrollWidth, view: root.clientWidth,
    plots: [...page.querySelectorAll(".plot")].map((e) => e.querySelectorAll(".main-svg").length),
    reached: reached.length, unreached: unreached.length,
    names: names.length, covered: names.filter((a) => names.some((b) => a !== b && meet(a, b))).length,
    small: [...page.querySelectorAll("nav a, summary")].map((e) => e.getBoundingClientRect().height)
      .filter((height) => height > 0 && height < 24).length,
  }});
}}, 1500);
</script>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, summary_of: Callable[..., RunSummary]) -> Path:
    folder = tmp_path_factory.mktemp("page")
    summary = summary_of(trials=60, finalists=3, measured=True)
    first = summary.finalists[0]
    twins = (first, replace(first, name="net-twin", test_top1=first.test_top1 + 0.0001), *summary.finalists[1:])
    (folder / "report.html").write_text(render(replace(summary, finalists=twins)), encoding="utf-8")
    return folder


@pytest.mark.parametrize("width", [360, 660, 1200])
def test_the_page_in_chromium(folder: Path, width: int) -> None:
    probe = folder / f"probe{width}.html"
    probe.write_text(PROBE.format(width=width), encoding="utf-8")
    command = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--allow-file-access-from-files",
        "--dump-dom",
    ]
    command += [f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", "--virtual-time-budget=20000"]
    command += ["--window-size=1300,1000", probe.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not console
    found = json.loads(re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.S).group(1))  # type: ignore[union-attr]
    assert found["width"] <= found["view"], "the page scrolls sideways"
    assert len(found["plots"]) == 3 and all(found["plots"]), "a plot was not drawn"
    assert found["reached"] > 20 and found["unreached"] == 0, "a part that the keyboard cannot reach"
    assert found["small"] == 0
    assert found["names"] == (4 if width > 640 else 0) and found["covered"] == 0, "names that cover one another"
