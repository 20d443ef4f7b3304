"""A folder that holds everything a board needs of one network, sealed by the hashes in its card."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgetune.errors import ExportError
from edgetune.export.card import Artefact, Card, CheckedOn, FileRecord, SignOff
from edgetune.export.formats import KINDS, SCRIPTS
from edgetune.export.readme import readme_of
from edgetune.files import atomic_folder, atomic_write

CARD = "card.json"
CLASSIFY = "classify.py"
IMPORTABLE = (".py", ".pyc", ".so")
AGAIN, BOTH_AGAIN = "export the bundle again", "export and verify the bundle again"
PICTURES, LOGITS = "reference_pictures.npy", "reference_logits.npy"


@dataclass(frozen=True)
class Bundle:
    """A bundle on the disk. Its files are those that `card` lists."""

    folder: Path
    card: Card

    def path(self, format: str) -> Path:
        """The artefact of this format.

        Raises
        ------
        ExportError
            The bundle has none.
        """
        for artefact in self.card.artefacts:
            if artefact.format == format:
                return self.folder / artefact.file
        known = ", ".join(artefact.format for artefact in self.card.artefacts)
        raise ExportError(f"no {format} artefact in it", where=self.folder, mend=f"it has {known}")

    def reference(self) -> tuple[np.ndarray, np.ndarray]:
        """Some pictures, raw float32 (N, C, H, W), and the network's own logits for them, (N, classes).

        Raises
        ------
        ExportError
            The bundle was written without them, or they are no arrays that belong together.
        """
        if not {PICTURES, LOGITS} <= set(self.card.files):
            raise ExportError("no reference pictures in it", where=self.folder, mend=AGAIN)
        pictures, logits = (_array(self.folder / name, dimensions) for name, dimensions in ((PICTURES, 4), (LOGITS, 2)))
        if len(pictures) != len(logits):
            what = f"{len(pictures)} reference pictures, logits of {len(logits)}"
            raise ExportError(what, where=self.folder, mend=AGAIN)
        return pictures, logits


def write_bundle(
    folder: Path,
    card: Card,
    artefacts: Mapping[str, Path],
    *,
    reference: tuple[np.ndarray, np.ndarray] | None = None,
) -> Bundle:
    """Writes `folder`, which must not exist: the artefacts, scripts that run them, README.md, card.json.

    The same card and artefacts give the same bytes.

    Parameters
    ----------
    artefacts
        Where each `artefact.file` of the card is now.
    reference
        A few pictures, raw pixel values (N, C, H, W), and the network's logits for them, (N, classes): what
        :func:`edgetune.export.verify.verify_bundle` compares with.

    Raises
    ------
    ExportError
        The folder exists, or the card names other files than are given.
    StorageError
        No room, no permission.
    """
    if folder.exists():
        raise ExportError("it exists", where=folder, mend="remove it, or choose another folder")
    named = {artefact.file for artefact in card.artefacts}
    if named != set(artefacts):
        raise ExportError(f"the card names {sorted(named)}, given are {sorted(artefacts)}", where=folder)
    with atomic_folder(folder) as aside:
        for name, source in artefacts.items():
            shutil.copyfile(source, aside / name)
        for name in {CLASSIFY, *(KINDS[artefact.format].runtime.script for artefact in card.artefacts)}:
            shutil.copyfile(SCRIPTS / name, aside / name)
        if reference is not None:
            np.save(aside / PICTURES, reference[0].astype(np.uint8))
            np.save(aside / LOGITS, reference[1].astype(np.float32))
        (aside / "README.md").write_text(readme_of(card), encoding="utf-8")
        card = card.model_copy(update={"files": {file.name: _record(file) for file in sorted(aside.iterdir())}})
        (aside / CARD).write_text(card.to_json(), encoding="utf-8")
    return Bundle(folder, card)


def read_bundle(folder: Path) -> Bundle:
    """A bundle whose files are all as they were written.

    Raises
    ------
    ExportError
        No bundle, a card of another schema, or one that was changed after signing off, or a file that is missing, was
        changed, is another than was signed off, or that Python would import though the card does not list it.
    """
    try:
        text = (folder / CARD).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what, mend = f"no readable {CARD} in it, so this is not a bundle", "name a folder below a run's bundles"
        raise ExportError(what, where=folder, mend=mend) from error
    bundle = Bundle(folder, Card.from_json(text, where=folder / CARD))
    _check_files(bundle)
    _check_records(bundle)
    return bundle


def _check_files(bundle: Bundle) -> None:
    folder, listed = bundle.folder, bundle.card.files
    for artefact in bundle.card.artefacts:
        if artefact.file not in listed:
            what = "an artefact of the card that is not among its files"
            raise ExportError(what, where=folder / artefact.file, mend=AGAIN)
    for name, record in listed.items():
        file = folder / name
        if not file.is_file():
            raise ExportError("a file of the bundle is missing", where=file, mend=AGAIN)
        if _record(file) != record:
            raise ExportError("the file is not the one that the card describes", where=file, mend=AGAIN)
    for file in _importable(folder):
        if file.relative_to(folder).as_posix() not in listed:
            what = "Python would import the file, but the card does not list it"
            raise ExportError(what, where=file, mend="remove it")


def _importable(folder: Path) -> Iterator[Path]:
    """What a script of the bundle could import in the place of a package; the board's own environment is left alone."""
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in (".venv", "__pycache__")]
        yield from (Path(root) / name for name in names if name.endswith(IMPORTABLE))


def _check_records(bundle: Bundle) -> None:
    """Someone may have changed a file and the card with it, or the card alone."""
    card = bundle.card
    for ran in card.signed_off:
        for name, sha256 in ran.files.items():
            if name not in card.files or card.files[name].sha256 != sha256:
                raise ExportError(
                    f"the file is not the one that ran on {ran.where}", where=bundle.folder / name, mend=BOTH_AGAIN
                )
        if ran.card not in (None, card.digest):
            what = f"the card was changed after it was signed off on {ran.where}"
            raise ExportError(what, where=bundle.folder / CARD, mend=BOTH_AGAIN)


def sign_off(bundle: Bundle, checks: Mapping[str, CheckedOn], record: SignOff) -> Bundle:
    """Writes a record and its checks, one an artefact's file, into the card in place of earlier ones of that place."""

    def with_check(artefact: Artefact) -> Artefact:
        check = checks.get(artefact.file)
        if check is None:
            return artefact
        others = tuple(earlier for earlier in artefact.checks if earlier.where != check.where)
        return artefact.model_copy(update={"checks": (*others, check)})

    others = tuple(earlier for earlier in bundle.card.signed_off if earlier.where != record.where)
    card = bundle.card.model_copy(
        update={
            "artefacts": tuple(with_check(artefact) for artefact in bundle.card.artefacts),
            "signed_off": (*others, record),
        }
    )
    with atomic_write(bundle.folder / CARD) as aside:
        aside.write_text(card.to_json(), encoding="utf-8")
    return Bundle(bundle.folder, card)


def _array(file: Path, dimensions: int) -> np.ndarray:
    try:
        array = np.load(file, allow_pickle=False).astype(np.float32)
    except (ValueError, TypeError, EOFError, OSError, AttributeError) as error:  # an archive has no type
        raise ExportError("not an array of numbers", where=file, mend=AGAIN) from error
    if array.ndim != dimensions:
        raise ExportError(f"{array.ndim} dimensions, not {dimensions}", where=file, mend=AGAIN)
    return array


def _record(file: Path) -> FileRecord:
    with file.open("rb") as stream:
        return FileRecord(size_bytes=file.stat().st_size, sha256=hashlib.file_digest(stream, "sha256").hexdigest())
