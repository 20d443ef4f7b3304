"""Networks kept with their measurements, and names that no longer mean what was measured."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgetune.errors import DataError
from edgetune.latency import reference
from edgetune.latency.calibrate import calibrate
from edgetune.latency.known import known_settings
from edgetune.latency.probes import probe
from edgetune.latency.reference import is_published, reference_graph
from edgetune.latency.stored_graphs import FILE, fingerprint, profile_reader, read_graphs, write_graphs
from edgetune.latency.suggest import suggest_networks, write_suggestion

DRAWN = ("mobile-small-28-random-3", "mobile-large-96-random-0", "probe-2", "probe-7")


def test_drawn_networks_come_back_as_they_were(tmp_path: Path) -> None:
    write_graphs(tmp_path, {name: reference_graph(name) for name in (*DRAWN, "resnet18")})
    kept = read_graphs(tmp_path)
    assert list(kept) == list(DRAWN)
    for name, graph in kept.items():
        assert graph == reference_graph(name)
        assert [k.name for k in graph.kernels] == [k.name for k in reference_graph(name).kernels]
    assert profile_reader(tmp_path)("resnet18") == reference_graph("resnet18")


def test_a_fingerprint_is_of_the_kernels_and_stays_the_same() -> None:
    graph = reference_graph("mobilenet-v1-0.25-128")
    named = replace(graph, name="other", kernels=tuple(replace(k, name="k") for k in graph.kernels))
    wider = replace(graph, kernels=(replace(graph.kernels[0], macs=1), *graph.kernels[1:]))
    assert fingerprint(named) == fingerprint(graph) == "694ff76b8663"
    assert fingerprint(wider) != fingerprint(graph)


def test_published_names_are_those_that_nothing_draws() -> None:
    assert all(map(is_published, ("resnet18", "mobilenet-v2-1.0-224", "fbnet-" + "0" * 22)))
    assert not any(map(is_published, (*DRAWN, "model.onnx", "folder/mobilenet-v2-1.0-224.onnx")))


def redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules by which networks are drawn change."""
    changed = ((r"(?:probe|mobile).*-(\d+)", lambda match: probe(np.random.default_rng(1000 + int(match[1])))),)
    monkeypatch.setattr(reference, "DRAWN", changed)
    reference_graph.cache_clear()


def test_a_suggestion_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setting, names = suggest_networks("rpi4", 8, runtime="onnxruntime")
    table = write_suggestion(tmp_path / "suggested", setting, names)
    drawn = [name for name in names if not is_published(name)]
    rows = list(csv.DictReader(table.open()))
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(row | {"latency_ms": 5 + i} for i, row in enumerate(rows))
    calibrate("mine", table, sources=["rpi4"], out=tmp_path)
    assert drawn and set(read_graphs(tmp_path / "mine")) == set(drawn)
    before = known_settings([str(tmp_path / "mine")])
    redrawn(monkeypatch)
    (after,) = known_settings([str(tmp_path / "mine")])
    assert np.array_equal(after.model.log_factors, before[0].model.log_factors)
    with pytest.raises(DataError, match="not the network that was measured"):
        calibrate("mine", table, sources=["rpi4"], out=tmp_path)
    (tmp_path / "mine" / FILE).unlink()
    with pytest.raises(DataError, match="does not say which network"):
        known_settings([str(tmp_path / "mine")])
    reference_graph.cache_clear()


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"format": 2}', '{"format": 1, "columns": [], "networks": {}}'],
)
def test_broken_files_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(DataError):
        read_graphs(tmp_path)


def test_the_file_is_plain_json(tmp_path: Path) -> None:
    write_graphs(tmp_path, {"probe-2": reference_graph("probe-2")})
    content = json.loads((tmp_path / FILE).read_text())
    first = dict(zip(content["columns"], content["networks"]["probe-2"]["kernels"][0], strict=True))
    assert first["name"] == "stem" and first["kind"] == "conv"
