from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import TypeAdapter

from edgetune.errors import ExportError
from edgetune.export.bundle import Bundle, read_bundle, write_bundle
from edgetune.export.card import Card, Omission, SignOff, Teacher
from edgetune.export.formats import Format
from edgetune.export.int8 import Quantised
from edgetune.export.verify import Target, verify_bundle
from edgetune.pipeline import bundling
from edgetune.pipeline.exported_again import signed_off_as, tell_the_front, what_is_lost
from edgetune.pipeline.run_folder import RunFolder
from edgetune.pipeline.summarise import write_summary
from edgetune.report.summary import Finalist, RunSummary
from edgetune.reporter import Reporter
from edgetune.search.study import Study
from tests.export.plain_card import plain_card
from tests.report.conftest import make_summary

AT = "2026-11-24T14:00:00Z"


def card_of(*files: str, signed_off: tuple[SignOff, ...] = ()) -> Card:
    return plain_card("trial-004", *files, signed_off=signed_off)


def written(tmp_path: Path, card: Card, reference: tuple[np.ndarray, np.ndarray] | None = None) -> Bundle:
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "file").touch()
    files = {a.file: tmp_path / "file" for a in card.artefacts}
    return write_bundle(tmp_path / card.name, card, files, reference=reference)


def test_artefacts_that_vanish_and_records_are_spoken_of(tmp_path: Path) -> None:
    record = SignOff(where="this host", machine="x86_64", at=AT, edgetune="0", files={})
    before = written(tmp_path, card_of("a.onnx", "b.onnx", signed_off=(record,))).folder
    assert what_is_lost(before, card_of("b.onnx")) == [
        "trial-004: no longer in the bundle: a.onnx",
        "trial-004: was signed off on this host; verify it again",
    ]


def test_records_stay_with_the_same_bundle_and_with_no_other(tmp_path: Path) -> None:
    target = Target("a board", "aarch64", lambda artefact, pictures: np.eye(2, dtype=np.float32))
    reference = np.zeros((2, 1, 2, 2), np.float32), np.eye(2, dtype=np.float32)

    def again(name: str, *files: str) -> Bundle:
        return written(tmp_path / name, card_of(*files), reference)

    signed = verify_bundle(again("first", "a.onnx").folder, target)
    assert [record.where for record in signed.card.signed_off] == ["a board"]
    kept = signed_off_as(signed.folder, again("second", "a.onnx"))
    assert read_bundle(kept.folder).card == signed.card
    assert (kept.folder / "card.json").read_bytes() == (signed.folder / "card.json").read_bytes()
    assert what_is_lost(signed.folder, kept.card) == []
    other = signed_off_as(signed.folder, again("third", "a.onnx", "b.onnx"))
    assert other.card.signed_off == ()
    assert what_is_lost(signed.folder, other.card) == ["trial-004: was signed off on a board; verify it again"]


def test_records_of_another_card_than_they_lie_in_are_not_taken_over(tmp_path: Path) -> None:
    made = written(tmp_path / "made", card_of("a.onnx"))
    records = [
        SignOff(where=where, machine="x86_64", at=AT, edgetune="0", files=files, card=digest)
        for where, files, digest in (
            ("another card", {}, "0" * 64),
            ("no card", {}, None),
            ("other bytes", {"a.onnx": "0" * 64}, made.card.digest),
        )
    ]
    before = tmp_path / "before"
    before.mkdir()
    (before / "card.json").write_text(made.card.model_copy(update={"signed_off": tuple(records)}).to_json())
    assert signed_off_as(before, made) == made


def test_the_same_again_loses_nothing(tmp_path: Path) -> None:
    assert what_is_lost(written(tmp_path, card_of("a.onnx")).folder, card_of("a.onnx", "b.onnx")) == []


def test_of_no_bundle_or_a_damaged_one_nothing_is_said(tmp_path: Path) -> None:
    assert what_is_lost(tmp_path / "none", card_of("a.onnx")) == []
    (tmp_path / "card.json").write_text("[")
    assert what_is_lost(tmp_path, card_of("a.onnx")) == []


@pytest.mark.parametrize("only", ["int8", "tvm"])
def test_when_all_that_were_asked_for_are_left_out_the_reasons_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, only: Format
) -> None:
    omission = Omission(format=only, reason="no linker")
    monkeypatch.setattr(bundling, "make_artefacts", lambda shop, formats: [omission])
    monkeypatch.setattr(bundling, "pixels_of", lambda pictures, count: np.zeros(1))
    monkeypatch.setattr(bundling, "torch_logits_of", lambda network, pixels: np.zeros(1))
    nothing = SimpleNamespace(dataset=SimpleNamespace(validation=None), network=None, name="trial-004")
    quantised: dict[str, Quantised] = {}
    with pytest.raises(ExportError, match=rf"{only}: no linker.*add onnx to --formats"):
        bundling.bundle_network(
            nothing,  # type: ignore[arg-type]
            nothing,  # type: ignore[arg-type]
            Teacher(name="t", licence="none", test_top1=1.0),
            tmp_path / "bundle",
            {},
            formats=(only,),
            quantised=quantised,
            reporter=Reporter(),
        )


def test_the_front_names_the_artefacts_that_there_are(tmp_path: Path) -> None:
    summary, folder = make_summary(), RunFolder(tmp_path)
    write_summary(summary, folder)
    old = summary.finalists[0]
    again = replace(old, artefacts=old.artefacts[:1], omitted=())
    with Study.create(folder.study, {}) as study:
        tell_the_front(study, folder, again)  # never a finalist: nothing to tell
        assert len(json.loads(folder.front.read_text())["front"][0]["artefacts"]) == len(old.artefacts)
        study.set_note(f"finalist {old.trial}", TypeAdapter(Finalist).dump_python(old, mode="json"))
        tell_the_front(study, folder, again)
        stored = TypeAdapter(Finalist).validate_python(study.note(f"finalist {old.trial}"))
    assert stored == again
    assert RunSummary.from_json(folder.summary.read_text()).finalists[0] == again
    assert len(json.loads(folder.front.read_text())["front"][0]["artefacts"]) == 1
