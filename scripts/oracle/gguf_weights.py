"""Whether a Hugging Face folder has the values that llama.cpp's own package, `gguf`, reads out of a GGUF file.

    python scripts/oracle/gguf_weights.py FILE.gguf HF_FOLDER

Every tensor of the file, dequantised by gguf.quants, against the folder's of the same meaning (gguf's own map of names), bit
for bit; norms, to which llama.cpp's converter adds 1, within a unit of the last place. Prints {"tensors", "values", "types",
"largest_difference"}; exit code 1 with words when they differ.
"""

import json
import os
import pathlib
import sys

os.environ.setdefault("TQDM_DISABLE", "1")

import gguf
import numpy as np
from safetensors import safe_open
from transformers import AutoConfig

from gguf_models import stored

ARCHITECTURES = {"gpt2": gguf.MODEL_ARCH.GPT2, "llama": gguf.MODEL_ARCH.LLAMA, "qwen2": gguf.MODEL_ARCH.QWEN2,
                 "qwen3": gguf.MODEL_ARCH.QWEN3, "gemma3_text": gguf.MODEL_ARCH.GEMMA3}


def main(file, folder):
    config = AutoConfig.from_pretrained(folder)
    family = config.model_type.replace("gemma3_text", "gemma3")
    names = gguf.get_tensor_name_map(ARCHITECTURES[config.model_type], config.num_hidden_layers)
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    types, values, largest = {}, 0, 0.0
    for path in sorted(pathlib.Path(folder).glob("*.safetensors")):
        with safe_open(path, "np") as weights:
            for name in weights.keys():
                tensor = tensors.pop(names.get_name(name, try_suffixes=(".weight", ".bias")), None)
                if tensor is None:
                    sys.exit(f"{name} is not in {file}")
                ours = stored(family, config, name, weights.get_tensor(name))
                theirs = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(ours.shape)
                difference = float(np.abs(ours - theirs).max())
                bar = float(np.spacing(np.abs(theirs).max())) if name.endswith("norm.weight") else 0.0
                if not difference <= bar:
                    sys.exit(f"{name} ({tensor.tensor_type.name}): differs by up to {difference}")
                types[tensor.tensor_type.name] = types.get(tensor.tensor_type.name, 0) + 1
                values += ours.size
                largest = max(largest, difference)
    if tensors:
        sys.exit(f"not in {folder}: {', '.join(sorted(tensors))}")
    print(json.dumps({"tensors": sum(types.values()), "values": values, "types": types, "largest_difference": largest}))


if __name__ == "__main__":
    main(*sys.argv[1:])
