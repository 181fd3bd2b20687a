"""A GGUF file with a tensor of every storage type that mft reads, and beside each what it stands for, as f32.

    python scripts/oracle/gguf_types.py test/fixtures/gguf/types.gguf

Written and dequantised by the `gguf` package (llama.cpp's own, 0.19). Quantised tensors hold random bytes with finite
scales, so every bit pattern of a block occurs; types that the package can quantise are made from values as well.
"""

import importlib.metadata
import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T

ROWS, COLUMNS, SEED = 3, 512, 20
# Byte offsets of the f16 fields of a block: they must be finite.
HALVES = {T.Q8_0: [0], T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q4_K: [0, 2], T.Q5_K: [0, 2],
          T.Q6_K: [208]}
MADE_FROM_VALUES = [T.F16, T.BF16, T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1]


def random_blocks(random, kind):
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (ROWS, COLUMNS // elements, size), dtype=np.uint8)
    for at in HALVES[kind]:
        halves = (0.05 * random.standard_normal(blocks.shape[:2])).astype(np.float16)
        blocks[..., at:at + 2] = halves[..., None].view(np.uint8)
    return blocks.reshape(ROWS, -1)


def main(path):
    random = np.random.default_rng(SEED)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_description(f"gguf {importlib.metadata.version('gguf')}, seed {SEED}")
    writer.add_array("test.numbers", [1, 2, 3])
    writer.add_array("test.words", ["ein", "zwei", "дrei"])
    values = random.standard_normal((ROWS, COLUMNS)).astype(np.float32)
    writer.add_tensor("F32", values)
    for kind in MADE_FROM_VALUES:
        data = gguf.quants.quantize(values, kind)
        writer.add_tensor(f"{kind.name}.values", data, raw_dtype=kind)
        writer.add_tensor(f"{kind.name}.values.f32", gguf.quants.dequantize(data, kind).astype(np.float32))
    for kind in HALVES:
        data = random_blocks(random, kind)
        writer.add_tensor(f"{kind.name}.bits", data, raw_dtype=kind)
        writer.add_tensor(f"{kind.name}.bits.f32", gguf.quants.dequantize(data, kind).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main(sys.argv[1])
