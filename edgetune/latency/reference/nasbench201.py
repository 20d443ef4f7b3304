"""Cells of NAS-Bench-201 (Dong 2020, arXiv:2001.00326), 32 pixels, as TensorFlow Lite executes them.

An edge "none" multiplies its source by zero. The converter removes what only feeds such a product, with one exception
that the published latencies show: a convolution whose only reader is a single "none" swallows the factor (its weights
become zero) and is still executed.
"""

from __future__ import annotations

import re

from edgetune.errors import ConfigError
from edgetune.latency.builder import INPUT, GraphBuilder
from edgetune.latency.graph import Graph

OPERATORS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))  # source and target node, in the order of the string
CONVS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
WIDTHS, CELLS, CLASSES = (16, 32, 64), 5, 10


def nasbench201(cell: str) -> Graph:
    """The network of a cell such as `|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|`.

    Raises
    ------
    ConfigError
        Not a cell.
    """
    operators = parse_cell(cell)
    executed = executed_edges(operators)
    b = GraphBuilder(cell, (3, 32, 32))
    x = b.conv(INPUT, WIDTHS[0], kernel=3, name="stem")
    for stage, width in enumerate(WIDTHS, 1):
        if stage > 1:
            b.prefix = f"reduction{stage - 1}."
            x = _reduction(b, x, width)
        for number in range(1, CELLS + 1):
            b.prefix = f"stage{stage}.cell{number}."
            x = _cell(b, x, operators, executed)
    b.prefix = ""
    b.linear(b.global_pool(b.rectify(x, name="relu")), CLASSES, name="classifier")
    return b.graph()


def parse_cell(cell: str) -> tuple[str, ...]:
    """The operators of the six edges."""
    found = re.fullmatch(r"\|(\w+)~0\|\+\|(\w+)~0\|(\w+)~1\|\+\|(\w+)~0\|(\w+)~1\|(\w+)~2\|", cell)
    if found is None or any(operator not in OPERATORS for operator in found.groups()):
        raise ConfigError(
            "not a cell of NAS-Bench-201", where=cell, mend="write it as |op~0|+|op~0|op~1|+|op~0|op~1|op~2|"
        )
    return found.groups()


def executed_edges(operators: tuple[str, ...]) -> frozenset[int]:
    """The edges whose operator runs."""
    zero: set[int] = set()  # nodes whose value is a product with zero
    for node in (1, 2, 3):
        edges = [(i, s) for i, (s, t) in enumerate(EDGES) if t == node]
        if all(operators[i] == "none" or (operators[i] == "skip_connect" and s in zero) for i, s in edges):
            zero.add(node)
    inputs = {
        node: [
            i
            for i, (s, t) in enumerate(EDGES)
            if t == node and operators[i] != "none" and not (operators[i] == "skip_connect" and s in zero)
        ]
        for node in (1, 2, 3)
    }
    executed: set[int] = set()
    reached = {0}

    def visit(node: int) -> None:
        if node not in reached:
            reached.add(node)
            executed.update(inputs[node])
            for edge in inputs[node]:
                visit(EDGES[edge][0])

    visit(3)
    for node in (2, 1):
        readers = [i for i, (s, _) in enumerate(EDGES) if s == node]
        nones = [i for i in readers if operators[i] == "none"]
        alone = len(inputs[node]) == 1 and operators[inputs[node][0]] in CONVS
        if alone and len(nones) == len(readers) == 1 and EDGES[nones[0]][1] in reached:
            visit(node)
    return frozenset(executed)


def _cell(b: GraphBuilder, x: int, operators: tuple[str, ...], executed: frozenset[int]) -> int:
    nodes, rectified = {0: x}, {}
    for target in (1, 2, 3):
        terms = []
        for edge in sorted(executed):
            source, reader = EDGES[edge]
            if reader != target:
                continue
            value = nodes[source]
            if (kernel := CONVS.get(operators[edge])) is not None:
                if source not in rectified:
                    rectified[source] = b.rectify(value, name=f"node{source}.relu")
                value = b.conv(
                    rectified[source], b.shape(x)[0], kernel=kernel, name=f"edge{source}{target}.conv{kernel}"
                )
            elif operators[edge] == "avg_pool_3x3":
                value = b.pool(value, 3, stride=1, name=f"edge{source}{target}.pool")
            terms.append(value)
        nodes[target] = _sum(b, terms, x, f"node{target}.add")
    return nodes[3]


def _sum(b: GraphBuilder, terms: list[int], zero: int, name: str) -> int:
    """A node without terms is a constant of zeros; whatever has its shape stands for it."""
    total = terms[0] if terms else zero
    for term in terms[1:]:
        total = b.add(total, term, name=name)
    return total


def _reduction(b: GraphBuilder, x: int, width: int) -> int:
    """A residual block that halves the size; its shortcut is an average pool and a 1×1 convolution."""
    y = b.rectify(x, name="relu1")
    y = b.conv(y, width, kernel=3, stride=2, activation="relu", name="conv1")
    y = b.conv(y, width, kernel=3, name="conv2")
    shortcut = b.conv(b.pool(x, 2, stride=2, name="shortcut.pool"), width, name="shortcut.conv")
    return b.add(shortcut, y)
