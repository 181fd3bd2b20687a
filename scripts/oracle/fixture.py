"""The container of numeric fixtures: a list of named tensors in one file, readable without JSON.

All little-endian:
    8 bytes  magic "MFTFIX01"
    u32      number of entries
    entry:   u32 name length, name (UTF-8), u32 kind (1: f32, 2: i32, 3: text or bytes), u32 dimensions, u64 each dimension,
             the values, row-major (text: one dimension, its bytes)
The C++ reader is device-runtime/models/fixture.h.
"""

import struct

import numpy as np


class FixtureWriter:
    def __init__(self):
        self._entries = []

    def tensor(self, name, value):
        """value: torch tensor or array; floats become f32, integers i32."""
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
        if array.dtype.kind == "f":
            self._entries.append((name, 1, array.shape, np.ascontiguousarray(array, dtype="<f4").tobytes()))
        elif array.dtype.kind in "iu":
            self._entries.append((name, 2, array.shape, np.ascontiguousarray(array, dtype="<i4").tobytes()))
        else:
            raise TypeError(f"{name}: {array.dtype}")

    def text(self, name, value):
        """value: a string, or bytes as they are."""
        data = value if isinstance(value, bytes) else value.encode()
        self._entries.append((name, 3, (len(data),), data))

    def write(self, path):
        names = [entry[0] for entry in self._entries]
        assert len(names) == len(set(names)), "duplicate names"
        with open(path, "wb") as out:
            out.write(b"MFTFIX01" + struct.pack("<I", len(self._entries)))
            for name, kind, shape, data in self._entries:
                encoded = name.encode()
                out.write(struct.pack("<I", len(encoded)) + encoded)
                out.write(struct.pack("<II", kind, len(shape)))
                out.write(struct.pack(f"<{len(shape)}Q", *shape))
                out.write(data)
