"""An ONNX file without its weights, so that a network of any size is read in milliseconds.

Parsing a file copies its weights, and no kernel depends on them. Of protobuf's wire format
(https://protobuf.dev/programming-guides/encoding) only tags and lengths are read; what holds no weights is copied as it
stands, and the parser judges it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

LARGE_BYTES = 2**14
"""A tensor up to here may be shapes, axes and limits: it is copied whole."""
WINDOW_BYTES = 2**13
LONGEST_HEADER = 20  # bytes of two varints: a tag and a length
GRAPH, INITIALIZER = 7, 5
"""Fields of ModelProto and GraphProto, as onnx.proto numbers them."""
BULK = frozenset((4, 5, 7, 9, 10, 11))
"""Fields of TensorProto: float, int32, int64, raw, double and uint64 data."""
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class Field(NamedTuple):
    """A field's number, and where its tag, its content and the next field begin."""

    number: int
    wire_type: int
    start: int
    content: int
    stop: int


def without_weights(path: Path) -> bytes:
    """The serialised model; tensors of more than :data:`LARGE_BYTES` lack their data.

    Raises
    ------
    ValueError
        Not protobuf, or cut off.
    """
    with path.open("rb") as file:
        source = _Source(file)
        return b"".join(_model(source))


def _model(source: _Source) -> Iterator[bytes]:
    for field in source.fields(0, source.size):
        if field.number == GRAPH and field.wire_type == BYTES:
            yield _message(field.number, b"".join(_graph(source, field)))
        else:
            yield source.read(field.start, field.stop)


def _graph(source: _Source, graph: Field) -> Iterator[bytes]:
    for field in source.fields(graph.content, graph.stop):
        is_large = field.stop - field.content > LARGE_BYTES
        if field.number == INITIALIZER and field.wire_type == BYTES and is_large:
            kept = (f for f in source.fields(field.content, field.stop) if f.number not in BULK)
            yield _message(field.number, b"".join(source.read(f.start, f.stop) for f in kept))
        else:
            yield source.read(field.start, field.stop)


def _message(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """
    >>> _varint(300)
    b'\\xac\\x02'
    """
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*parts, value))


class _Source:
    """Reads a file piece by piece; memory maps would end the process if it shrank meanwhile."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.size = file.fileno(), os.fstat(file.fileno()).st_size
        self.base, self.window = 0, b""

    def read(self, start: int, stop: int) -> bytes:
        if start < self.base or stop > self.base + len(self.window):
            self.base, self.window = start, os.pread(self.file, max(stop - start, WINDOW_BYTES), start)
        piece = self.window[start - self.base : stop - self.base]
        if len(piece) < stop - start:
            raise ValueError("cut off")
        return piece

    def fields(self, start: int, stop: int) -> Iterator[Field]:
        """The fields of the message between two positions."""
        while start < stop:
            header = self.read(start, min(start + LONGEST_HEADER, stop))
            tag, content = _number(header, 0)
            wire_type, length = tag & 7, 0
            if wire_type == VARINT:
                _, content = _number(header, content)
            elif wire_type == BYTES:
                length, content = _number(header, content)
            elif wire_type in (FIXED64, FIXED32):
                length = 8 if wire_type == FIXED64 else 4
            else:
                raise ValueError(f"wire type {wire_type}")
            content += start
            if content + length > stop:
                raise ValueError("cut off")
            yield Field(tag >> 3, wire_type, start, content, content + length)
            start = content + length


def _number(header: bytes, position: int) -> tuple[int, int]:
    """A varint and the position after it."""
    value = shift = 0
    while True:
        if position >= len(header) or shift > 63:
            raise ValueError("cut off")
        byte = header[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7
