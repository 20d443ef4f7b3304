"""Calibration from a file: a new board from few networks of known latencies, and files that are refused."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from edgetune.device.profile import load_profile
from edgetune.errors import ConfigError, DataError, DeviceError, StorageError
from edgetune.latency.calibrate import calibrate
from edgetune.latency.fitted import read_fitted
from edgetune.latency.measurements import absent_columns, read_measurements
from edgetune.latency.networks import read_names
from edgetune.latency.predictor import Predictor
from edgetune.latency.quality import device_rows
from edgetune.latency.reference import reference_graph

SIX = ("mobilenet", "mobilenet_v2", "squeezenet", "resnet18", "googlenet", "shufflenet")


def rows_of(board: str, threads: int) -> dict[str, float]:
    measurements = read_measurements(load_profile(board).folder / "measurements.csv")
    return {
        m.network: m.latency_ms
        for m in measurements
        if (m.setting.runtime, m.setting.threads, m.setting.precision) == ("ncnn", threads, "fp32")
    }


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_new_board_from_six_networks(tmp_path: Path) -> None:
    """The Pi Zero 2 W as if it were unknown, learned from its siblings' tables."""
    truth = rows_of("rpi-zero-2w", 4)
    rows: list[dict[str, object]] = [
        {"network": name, "latency_ms": truth[name], "runtime": "ncnn", "threads": 4, "cpu_mhz": 1000} for name in SIX
    ]
    calibrate("mine", write(tmp_path / "m.csv", rows), sources=["rpi3", "rpi4", "rk3328"], out=tmp_path)
    predictor = Predictor.load(str(tmp_path / "mine"))
    assert predictor.setting.runtime == "ncnn" and predictor.kind == "calibrated"
    rest = [name for name in truth if name not in SIX]
    errors = [predictor.predict(reference_graph(name)).latency_ms / truth[name] - 1 for name in rest]
    assert len(rest) >= 3 and np.abs(errors).mean() < 0.2


def good_rows(factor: float = 1.0, count: int = 6) -> list[dict[str, object]]:
    truth = rows_of("rpi4", 4)
    return [{"network": name, "latency_ms": factor * truth[name], "runtime": "ncnn"} for name in SIX[:count]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (good_rows(1000), "are they microseconds"),
        (good_rows(0.001), "are they seconds"),
        (good_rows(1e6), "microseconds or less"),
        ([*good_rows(count=5), *good_rows(1000)[5:]], "shufflenet takes .* as long"),
        (good_rows(count=1) * 4, "1 networks .*at least 3"),
        ([{**row, "threads": 0} for row in good_rows()], "row 2: threads: 0"),
        ([{**row, "cpu_mhz": -5} for row in good_rows()], "row 2: cpu_mhz: -5"),
        (good_rows(count=2), "at least 3"),
        (good_rows(-1), "above zero"),
        ([{"network": "mobilenet", "ms": 3}], "no column latency_ms"),
        ([{"network": "mobilenet", "latency_ms": "fast"}], "row 2"),
    ],
)
def test_files_that_are_refused(rows: list[dict[str, object]], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        calibrate("rpi4", write(tmp_path / "m.csv", rows), sources=["rpi3"], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_source_offers_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="did you mean rpi3"):
        calibrate("rpi4", write(tmp_path / "m.csv", good_rows()), sources=["rpi33"], out=tmp_path)


@pytest.mark.parametrize("device", ["", ".", "..", "a/b", "/tmp/board", "../evil"])
def test_a_name_that_would_leave_the_folder_is_refused(device: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no board can be called"):
        calibrate(device, write(tmp_path / "m.csv", good_rows()), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_boards_that_teach_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGETUNE_DEVICES", str(tmp_path))
    table = write(tmp_path / "m.csv", good_rows())
    calibrate("mine", table, sources=["rpi3"])
    with pytest.raises(ConfigError, match="name others"):
        calibrate("other", table, sources=["mine"])


def test_a_second_calibration_keeps_the_settings_of_the_first(tmp_path: Path) -> None:
    table = tmp_path / "m.csv"
    for threads in (4, 1, 4):
        rows: list[dict[str, object]] = [{**row, "threads": threads} for row in good_rows()]
        calibrate("rpi4", write(table, rows), sources=["rpi3"], out=tmp_path)
    stored = read_measurements(tmp_path / "rpi4" / "measurements.csv")
    assert sorted(m.setting.threads for m in stored) == [1] * 6 + [4] * 6


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_table_in_another_encoding(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("network,latency_ms\ncafé,3\n", encoding=encoding)
    with pytest.raises(DataError, match="UTF-8"):
        read_measurements(path)


def test_a_byte_order_mark_is_no_part_of_a_column(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("network\nmobilenet\n", encoding="utf-8-sig")
    assert read_names(path) == ["mobilenet"]


def test_a_gap_in_a_list_of_networks(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("latency_ms,network\n1,mobilenet\n2\n")
    with pytest.raises(DataError, match="row 3"):
        read_names(path)


def test_equal_latencies_have_no_order(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{**row, "latency_ms": 50} for row in good_rows()]
    (model,) = calibrate("flat", write(tmp_path / "m.csv", rows), out=tmp_path)
    assert model.errors["networks"].spearman == 0


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_folder_that_cannot_be_made(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="choose another"):
        calibrate("rpi4", write(tmp_path / "m.csv", good_rows()), sources=["rpi3"], out=tmp_path / place)


def test_a_second_calibration_into_a_folder_keeps_the_settings_of_the_first(tmp_path: Path) -> None:
    rows = good_rows()
    for runtime in ("ncnn", "tengine"):
        table = write(tmp_path / "m.csv", [{**row, "runtime": runtime} for row in rows])
        calibrate("mine", table, out=tmp_path / "boards")
    assert {m.runtime for m in read_fitted(tmp_path / "boards" / "mine" / "model.json")} == {"ncnn", "tengine"}


def test_a_known_setting_learns_from_what_was_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five networks of a board that is a tenth slower than the published one; the others follow."""
    monkeypatch.setenv("EDGETUNE_DEVICES", str(tmp_path))
    published = [
        m
        for m in read_measurements(load_profile("rpi4").folder / "measurements.csv")
        if m.setting.label == "tflite-2.7.1 fp32 4 threads 1800 MHz"
    ]
    slower = {m.network: 1.1 * m.latency_ms for m in published}
    few, rest = list(slower)[::7], [name for name in slower if name not in list(slower)[::7]]

    def off() -> float:
        predictor = Predictor.load("rpi4")
        found = predictor.predict_many([reference_graph(name) for name in rest])
        return float(np.mean([abs(p.latency_ms / slower[n] - 1) for n, p in zip(rest, found, strict=True)]))

    before = off()
    table = write(tmp_path / "m.csv", [{"network": name, "latency_ms": slower[name]} for name in few])
    calibrate("rpi4", table)
    assert off() < 0.7 * before
    calibrate("rpi4", table, sources=["rpi4"])  # the board's published settings are known still


def test_this_machine_is_profiled_not_calibrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGETUNE_DEVICES", str(tmp_path))
    with pytest.raises(ConfigError, match="edgetune profile --device host"):
        calibrate("host", write(tmp_path / "m.csv", good_rows()))


def test_whole_numbers_as_data_frames_write_them(tmp_path: Path) -> None:
    table = write(tmp_path / "m.csv", [{**row, "threads": "4.0", "cpu_mhz": "1800.0"} for row in good_rows()])
    (model,) = calibrate("mine", table, out=tmp_path)
    assert (model.threads, model.cpu_mhz) == (4, 1800)
    assert absent_columns(table) == ["precision"]


@pytest.mark.parametrize("content", ["[1]", "null", '"a"', "{}", "\udcff", '{"format": 3, "models": [{}]}'])
def test_a_broken_model_is_named_and_hides_no_other_board(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGETUNE_DEVICES", str(tmp_path))
    calibrate("mine", write(tmp_path / "m.csv", good_rows()))
    (tmp_path / "mine" / "model.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(DeviceError) as error:
        Predictor.load("mine")
    assert "mine/model.json" in str(error.value) and "\n" not in str(error.value)
    kinds = {row["device"]: row["kind"] for row in device_rows()}
    assert kinds["mine"] == "unreadable" and kinds["rpi4"] == "calibrated"
