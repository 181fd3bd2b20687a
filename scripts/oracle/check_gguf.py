"""Reads the GGUF files that mft exported with llama.cpp's own package, `gguf`, and with transformers.

    python scripts/oracle/check_gguf.py FILE.gguf HF_FOLDER [--logits]
    python scripts/oracle/check_gguf.py ADAPTER.gguf BASE.gguf MERGED.gguf

First form: HF_FOLDER holds the same weights in f32. The file's tensors are those that gguf.TensorNameMap names, each of the
type that llama.cpp's converter gives it, its bytes those of gguf.quants.quantize; the tokenizer is what gguf.SpecialVocab and
transformers see in the folder; with --logits transformers reads the file and computes the folder's logits. Second form: base
(F32) with the adapter added is merged (F32), and shapes are as llama.cpp wants them. check_export.py --all calls both.
"""

import functools
import os
import pathlib
import sys

os.environ.setdefault("TQDM_DISABLE", "1")

import gguf
import numpy as np
import torch
import transformers
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from gguf_models import llama3_factors, stored

FILE_TYPES = {"ALL_F32": "F32", "MOSTLY_F16": "F16", "MOSTLY_BF16": "BF16", "MOSTLY_Q8_0": "Q8_0"}
ARCHITECTURES = {"gpt2": gguf.MODEL_ARCH.GPT2, "llama": gguf.MODEL_ARCH.LLAMA, "qwen2": gguf.MODEL_ARCH.QWEN2,
                 "qwen3": gguf.MODEL_ARCH.QWEN3, "gemma3_text": gguf.MODEL_ARCH.GEMMA3}


def fields(reader):
    return {key: field.contents() for key, field in reader.fields.items()}


def weights(folder):
    """Tensors by name, of one file or several."""
    values = {}
    for path in sorted(pathlib.Path(folder).glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            values |= {name: file.get_tensor(name).float().numpy() for name in file.keys()}
    return values


def expected_type(name, value, wanted):
    """ModelBase.prepare_tensors of convert_hf_to_gguf.py."""
    if value.ndim == 1 or name.endswith("_norm.weight") or name.startswith("position_embd") or not name.endswith(".weight"):
        return "F32"
    return "F16" if wanted == "Q8_0" and value.shape[-1] % 32 else wanted


def check_tensors(reader, meta, folder, config, verdict):
    family = config.model_type.replace("gemma3_text", "gemma3")
    names = gguf.get_tensor_name_map(ARCHITECTURES[config.model_type], config.num_hidden_layers)
    wanted = FILE_TYPES[gguf.LlamaFileType(meta["general.file_type"]).name]
    expected = {}
    for name, value in weights(folder).items():
        expected[names.get_name(name, try_suffixes=(".weight", ".bias"))] = np.ascontiguousarray(stored(family, config, name, value))
    if (getattr(config, "rope_parameters", None) or {}).get("rope_type") == "llama3":
        expected["rope_freqs.weight"] = np.array(list(llama3_factors(config)), dtype=np.float32)
    found = {tensor.name: tensor for tensor in reader.tensors}
    verdict.holds("names are gguf.TensorNameMap's", found.keys() == expected.keys(), sorted(found.keys() ^ expected.keys()))
    wrong, requantised = [], 0
    for name in found.keys() & expected.keys():
        tensor, value = found[name], expected[name]
        kind = expected_type(name, value, wanted)
        if tensor.tensor_type.name != kind or list(tensor.shape) != list(reversed(value.shape)):
            wrong.append((name, tensor.tensor_type.name, list(tensor.shape)))
            continue
        bytes_ = gguf.quants.quantize(value, tensor.tensor_type)
        if np.array_equal(tensor.data.view(np.uint8), bytes_.view(np.uint8)):
            continue
        # Blocks that a pack had already are kept: they stand for the very values, which quantised again might be others.
        if kind == "Q8_0" and np.array_equal(gguf.quants.dequantize(tensor.data, tensor.tensor_type), value):
            requantised += 1
        else:
            wrong.append((name, "bytes"))
    verdict.holds(f"{len(found)} tensors are gguf.quants' {wanted}, {requantised} of them exact blocks", not wrong, wrong)


@functools.cache
def tokenizer_of(folder):
    """Ids by token, and those of added tokens."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return tokenizer.get_vocab(), set(tokenizer.get_added_vocab().values())


def check_tokenizer(meta, folder, config, verdict):
    vocabulary = gguf.SpecialVocab(folder, load_merges=True, n_vocab=config.vocab_size)
    problems = []
    if meta.get("tokenizer.ggml.merges", []) != (vocabulary.merges if meta["tokenizer.ggml.model"] == "gpt2" else []):
        problems.append("merges")
    for kind, key in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")):
        wanted = vocabulary.special_token_ids.get(kind)
        if wanted is not None and meta.get(f"tokenizer.ggml.{key}_token_id") != wanted:
            problems.append(f"{kind} {meta.get(f'tokenizer.ggml.{key}_token_id')} != {wanted}")
    for kind, wanted in vocabulary.add_special_token.items():
        if kind in ("bos", "eos") and meta[f"tokenizer.ggml.add_{kind}_token"] != wanted:
            problems.append(f"add_{kind}")
    if meta.get("tokenizer.chat_template") != vocabulary.chat_template:
        problems.append("chat template")
    tokens, types = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"]
    vocab, added = tokenizer_of(folder)
    for token, index in vocab.items():
        if index >= config.vocab_size:
            continue
        if types[index] == 4 and meta["tokenizer.ggml.model"] == "llama":
            token = token.replace("\u2581", " ")  # as people write them
        if tokens[index] != token or (types[index] in (3, 4)) != (index in added):
            problems.append((index, token, tokens[index], types[index]))
    if len(tokens) != config.vocab_size or len(types) != len(tokens):
        problems.append(f"{len(tokens)} tokens, {len(types)} types")
    verdict.holds(f"tokenizer of {len(tokens)} tokens is the folder's", not problems, problems[:5])


def check_model(path, folder, verdict, logits=None):
    """`logits`: those of the folder for `tokens`, as (tokens, logits); computed again from the file."""
    reader = gguf.GGUFReader(path)
    meta, config = fields(reader), AutoConfig.from_pretrained(folder)
    check_tensors(reader, meta, folder, config, verdict)
    check_tokenizer(meta, folder, config, verdict)
    if logits is not None:
        tokens, wanted = logits
        path = pathlib.Path(path)
        model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, config=config, dtype=torch.float32)
        with torch.no_grad():
            verdict.same(f"transformers reads {path.name}", model.eval()(tokens).logits, wanted)


def check_adapter(path, base, merged, verdict):
    """llama.cpp, src/llama-adapter.cpp: w.ne = [in, out], a.ne = [in, r], b.ne = [r, out], y += alpha / r b a x."""
    reader = gguf.GGUFReader(path)
    meta = fields(reader)
    kind = (meta["general.type"], meta["adapter.type"])
    verdict.holds("is a LoRA adapter", kind == ("adapter", "lora"), kind)
    own = {tensor.name: tensor for tensor in reader.tensors}
    before = {tensor.name: tensor for tensor in gguf.GGUFReader(base).tensors}
    worst, adapted, problems = 0.0, 0, []
    for after in gguf.GGUFReader(merged).tensors:
        value = before[after.name].data
        a, b = (own.pop(f"{after.name}.lora_{half}", None) for half in "ab")
        if a is not None and b is not None:
            if a.shape[0] != before[after.name].shape[0] or b.shape[1] != before[after.name].shape[1] or a.shape[1] != b.shape[0]:
                problems.append(after.name)
                continue
            adapted += 1
            value = value + np.float64(meta["adapter.lora.alpha"]) / a.shape[1] * (b.data.astype(np.float64) @ a.data)
        worst = max(worst, np.abs(after.data - value).max())
    verdict.holds(f"{adapted} adapted weights have llama.cpp's shapes", not problems and not own, problems + list(own))
    verdict.report("base + adapter = merged (weights)", worst, worst < 1e-6)


def main():
    from check_export import Check, logits, tokens_for
    verdict = Check()
    transformers.utils.logging.disable_progress_bar()
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    if len(words) == 3:
        check_adapter(*words, verdict)
    elif len(words) == 2:
        both = None
        if "--logits" in sys.argv:
            model = AutoModelForCausalLM.from_pretrained(words[1], dtype=torch.float32).eval()
            tokens = tokens_for(model.config)
            both = (tokens, logits(model, tokens))
        check_model(*words, verdict, both)
    else:
        sys.exit(__doc__)
    sys.exit(1 if verdict.failed else 0)


if __name__ == "__main__":
    main()
