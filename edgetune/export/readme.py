"""The card as a page to read, with the five lines that run the bundle on the board."""

from __future__ import annotations

from edgetune.export.card import Artefact, Card
from edgetune.export.formats import KINDS


def readme_of(card: Card) -> str:
    """Markdown. Every latency stands with its kind and conditions."""
    shape = card.preprocessing
    lines = [
        f"# {card.name}",
        "",
        f"Tells {len(card.labels)} classes of {shape.resolution}×{shape.resolution} pictures apart:",
        f"{', '.join(card.labels)}.",
        "",
        "## Run it on the board",
        "",
        *_five_lines(card),
        "",
        "## What it is",
        "",
        "| | |",
        "|---|---|",
        f"| top-1 on {card.data.test:,} test pictures | {card.test_top1:.2%} |",
        *(f"| latency | {latency} |" for latency in card.latencies),
        f"| multiply-accumulates | {card.macs:,} |",
        f"| parameters | {card.parameters:,} |",
        f"| peak memory of activations | {card.peak_memory_bytes:,} bytes, float32 |",
        *([f"| onnxruntime's arena, predicted | {card.arena_bytes:,} bytes |"] if card.arena_bytes else []),
        f"| input | float32 (1, {shape.channels}, {shape.resolution}, {shape.resolution}), raw pixels 0…255 |",
        f"| output | float32 (1, {len(card.labels)}), logits in the order of the classes above |",
        f"| trained on | {card.data.name}, {card.data.train:,} pictures; licence: {card.data.licence} |",
        f"| teacher | {card.teacher.name}, top-1 {card.teacher.test_top1:.2%}; licence: {card.teacher.licence} |",
        "",
        *(f"- {warning}" for warning in dict.fromkeys(w for latency in card.latencies for w in latency.warnings)),
        "",
        "## Artefacts",
        "",
        "| file | kind | top-1 on the test pictures | checked against the network | note |",
        "|---|---|---|---|---|",
        *(_row(artefact) for artefact in card.artefacts),
        "",
        *(f"- No {KINDS[left.format].title}: {left.reason}" for left in card.omitted),
        "",
        f"Made with {', '.join(f'{name} {version}' for name, version in sorted(card.versions.items()))}.",
        "`card.json` says all of this to programs, with the SHA-256 of each file.",
    ]
    return "\n".join(_without_repeated_blanks(lines)) + "\n"


def _five_lines(card: Card) -> list[str]:
    first, *_ = card.artefacts
    runtime, *further_runtimes = dict.fromkeys(KINDS[artefact.format].runtime for artefact in card.artefacts)
    packages = ["numpy", "pillow", *(_pinned(name, card) for name in runtime.packages)]
    others = [f"`{artefact.file}`" for artefact in card.artefacts[1:]]
    further = [_pinned(name, card) for runtime in further_runtimes for name in runtime.packages]
    return [
        "```sh",
        f"scp -r {card.name} pi@raspberrypi.local:",
        "ssh pi@raspberrypi.local",
        f"cd {card.name} && python3 -m venv .venv",
        f".venv/bin/pip install {' '.join(packages)}",
        f".venv/bin/python classify.py {first.file} picture.jpg",
        "```",
        *([f"{' and '.join(others)} run the same way."] if others else []),
        *([f"Their runtimes: `.venv/bin/pip install {' '.join(further)}`."] if further else []),
    ]


def _pinned(name: str, card: Card) -> str:
    """For pip: as was asked for on the board, any patch of it if none was named, or else as it was checked here."""
    asked = card.board_versions.get(name)
    if asked is not None:
        return f"{name}=={asked}" if asked.count(".") > 1 else f"{name}~={asked}.0"
    return f"{name}=={card.versions[name]}" if name in card.versions else name


def _row(artefact: Artefact) -> str:
    checks = "; ".join(
        f"{check.where}: differs by {check.agreement.relative_difference:.1e}, "
        f"same answer on {check.agreement.same_top1:.1%} of {check.agreement.pictures:,}"
        for check in artefact.checks
    )
    top1 = "" if artefact.test_top1 is None else f"{artefact.test_top1:.2%}"
    return f"| {artefact.file} | {KINDS[artefact.format].title} | {top1} | {checks} | {artefact.note} |"


def _without_repeated_blanks(lines: list[str]) -> list[str]:
    return [line for i, line in enumerate(lines) if line or i == 0 or lines[i - 1]]
