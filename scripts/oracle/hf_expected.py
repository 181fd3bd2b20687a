"""expected.json of the small Hugging Face folders: what transformers and peft compute from them."""

import json

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


def logits(model, tokens):
    """Of the stored weights, in float64; what transformers itself rounds to float32 on the way (norms, RoPE's angles,
    the softmax) stays rounded: about 1e-6."""
    with torch.no_grad():
        values = model.double().eval()(torch.tensor(tokens)).logits
    return [[[float(f"{v:.6f}") for v in row] for row in rows] for rows in values.tolist()]


def write_expected(out, vocabulary, seed):
    """For every folder with a config.json in out, and for the adapter in out/peft on single-f32."""
    # 13 tokens: more than twice the window of the small Gemma.
    tokens = torch.randint(vocabulary, (1, 13), generator=torch.Generator().manual_seed(seed)).tolist()
    folders = sorted(path.parent.name for path in out.glob("*/config.json"))
    load = lambda folder: AutoModelForCausalLM.from_pretrained(out / folder, dtype=torch.float32)  # noqa: E731
    expected = {folder: logits(load(folder), tokens) for folder in folders}
    expected["peft"] = logits(PeftModel.from_pretrained(load("single-f32"), out / "peft"), tokens)
    everything = {"tokens": tokens, "logits": expected}
    (out / "expected.json").write_text(json.dumps(everything) + "\n")
    return everything
