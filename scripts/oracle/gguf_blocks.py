"""GGUF's Q8_0 and Q4_0, by their definition in ggml (ggml-quants.c: quantize_row_*_ref, dequantize_row_*).

Rows of matrices in blocks of 32 values, each a scale d (f16) and the integers q: Q8_0 has 32 int8, value = d q; Q4_0 has 16
bytes, byte i holding value i in its low and value i + 16 in its high nibble, value = d (nibble - 8).
"""

import numpy as np


def _blocks(values):
    assert values.shape[1] % 32 == 0, values.shape
    return np.asarray(values, np.float32).reshape(-1, 32)


def _inverse(d):
    return np.divide(np.float32(1), d, out=np.zeros_like(d), where=d != 0)


def q8_0(values):
    """[rows, columns] -> (bytes, what they stand for)."""
    x = _blocks(values)
    d = np.abs(x).max(1, keepdims=True) / np.float32(127)
    scaled = x * _inverse(d)
    q = np.copysign(np.floor(np.abs(scaled) + np.float32(0.5)), scaled).astype(np.int8)  # roundf
    d = d.astype(np.float16)
    packed = np.concatenate([d.view(np.uint8), q.view(np.uint8)], 1)
    return packed.tobytes(), (d.astype(np.float32) * q).reshape(values.shape)


def q4_0(values):
    x = _blocks(values)
    extreme = np.take_along_axis(x, np.abs(x).argmax(1)[:, None], 1)
    d = extreme / np.float32(-8)
    q = np.minimum(15, (x * _inverse(d) + np.float32(8.5)).astype(np.int8)).astype(np.uint8)
    d = d.astype(np.float16)
    packed = np.concatenate([d.view(np.uint8), q[:, :16] | q[:, 16:] << 4], 1)
    return packed.tobytes(), (d.astype(np.float32) * (q.astype(np.float32) - 8)).reshape(values.shape)


KINDS = {"q8_0": q8_0, "q4_0": q4_0}
