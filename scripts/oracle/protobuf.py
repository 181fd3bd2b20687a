"""Protobuf bytes of a message from a dict, without a protobuf package: field numbers come from proto/mft/v1/*.proto.

    encode("ModelConfig", {"family": "gpt2", "rope_scaling": {"factor": 4.0}, "sliding_layers": [True, False]})

Zeros, False and "" are left out, as proto3 does; enum values are given by name. Repeated fields are not packed, which
every reader accepts.
"""

import pathlib
import re
import struct

PROTO = pathlib.Path(__file__).parents[2] / "proto" / "mft" / "v1"


def _read():
    messages, enums = {}, {}
    for file in ("model.proto", "run.proto"):
        text = re.sub(r"//[^\n]*", "", (PROTO / file).read_text())
        for name, body in re.findall(r"message (\w+) \{(.*?)\n\}", text, re.S):
            fields = re.findall(r"(?:repeated |optional )?([\w.]+) (\w+) = (\d+)", body)
            messages[name] = {field: (kind, int(number)) for kind, field, number in fields}
        for body in re.findall(r"enum \w+ \{(.*?)\}", text, re.S):
            enums.update({value: int(number) for value, number in re.findall(r"(\w+) = (\d+)", body)})
    return messages, enums


MESSAGES, ENUMS = _read()


def _varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(kind, number, value):
    if kind in MESSAGES:
        data = encode(kind, value)
    elif kind == "string":
        data = value.encode()
    elif kind == "float":
        return _varint(number << 3 | 5) + struct.pack("<f", value)
    elif kind in ("uint32", "uint64", "bool"):
        return _varint(number << 3) + _varint(int(value))
    else:
        return _varint(number << 3) + _varint(ENUMS[value])
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def encode(message, values):
    out = b""
    for name, value in values.items():
        kind, number = MESSAGES[message][name]
        for one in value if isinstance(value, list) else [value] if value or isinstance(value, dict) else []:
            out += _field(kind, number, one)
    return out
