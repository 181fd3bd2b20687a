"""Tiny models of every family, each as a Hugging Face folder and as a GGUF file of the same f32 values.

    python scripts/oracle/gguf_models.py test/fixtures/gguf

The GGUF files follow llama.cpp's convert_hf_to_gguf.py: its names (by the `gguf` package's own map), Llama's rows of q and
k permuted, Gemma's norms with 1 added, GPT-2's Conv1D transposed. As a check of that, transformers reads each file and
must compute the same logits as the model it was made of. mixed.gguf is a Qwen2 whose matrices have types of all kinds, blocks
of any content among them, as quantisers that know the model's data make them.
"""

import importlib.metadata
import pathlib
import sys

import gguf
import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM

LLAMA3 = dict(rope_type="llama3", factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=8192)
COMMON = dict(vocab_size=61, hidden_size=16, intermediate_size=20, num_attention_heads=4, num_key_value_heads=2,
              num_hidden_layers=2, max_position_embeddings=64, bos_token_id=3, eos_token_id=60)
MODELS = {
    "gpt2": (gguf.MODEL_ARCH.GPT2, transformers.GPT2Config(
        vocab_size=61, n_embd=16, n_head=4, n_layer=2, n_positions=24, n_inner=20, bos_token_id=3, eos_token_id=60)),
    "llama": (gguf.MODEL_ARCH.LLAMA, transformers.LlamaConfig(
        **COMMON, rms_norm_eps=1e-5, tie_word_embeddings=False, attention_bias=False,
        rope_parameters=dict(rope_theta=500000.0, **LLAMA3))),
    "qwen2": (gguf.MODEL_ARCH.QWEN2, transformers.Qwen2Config(
        **COMMON, rms_norm_eps=1e-6, tie_word_embeddings=True, rope_parameters=dict(rope_theta=1e6, rope_type="default"))),
    "gemma3": (gguf.MODEL_ARCH.GEMMA3, transformers.Gemma3TextConfig(
        **COMMON | dict(num_hidden_layers=7, hidden_size=12), head_dim=8, query_pre_attn_scalar=8, sliding_window=5,
        tie_word_embeddings=True)),
}


def permute(weight, heads):
    """LlamaModel.permute: the two halves of a head's rows become alternate rows."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def stored(family, config, name, value):
    """The values of a Hugging Face tensor as GGUF has them."""
    if family == "llama" and ".q_proj." in name:
        return permute(value, config.num_attention_heads)
    if family == "llama" and ".k_proj." in name:
        return permute(value, config.num_key_value_heads)
    if family == "gemma3" and name.endswith("norm.weight"):
        return value + np.float32(1)
    if family == "gpt2" and name.endswith(".weight") and (".attn.c_" in name or ".mlp.c_" in name):
        return value.T
    return value


def llama3_factors(config):
    """LlamaModel.generate_extra_tensors."""
    scaling = config.rope_parameters
    dim, base = config.hidden_size // config.num_attention_heads, scaling["rope_theta"]
    low = scaling["original_max_position_embeddings"] / scaling["low_freq_factor"]
    high = scaling["original_max_position_embeddings"] / scaling["high_freq_factor"]
    for frequency in 1 / base ** (np.arange(0, dim, 2, dtype=np.float64) / dim):
        length = 2 * np.pi / frequency
        if length < high:
            yield 1.0
        elif length > low:
            yield scaling["factor"]
        else:
            smooth = (scaling["original_max_position_embeddings"] / length - scaling["low_freq_factor"]) / (
                scaling["high_freq_factor"] - scaling["low_freq_factor"])
            yield 1 / ((1 - smooth) / scaling["factor"] + smooth)


def metadata(writer, family, config):
    writer.add_description(f"gguf {importlib.metadata.version('gguf')}, transformers {transformers.__version__}")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.n_inner if family == "gpt2" else config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_bos_token_id(config.bos_token_id)
    writer.add_eos_token_id(config.eos_token_id)
    if family == "gpt2":
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
        return
    writer.add_vocab_size(config.vocab_size)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if family == "gemma3":
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
        writer.add_sliding_window(config.sliding_window)
        writer.add_rope_freq_base(config.rope_parameters["full_attention"]["rope_theta"])
        return
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if family == "llama":
        writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)


def write(family, arch, config, folder):
    torch.manual_seed(30)
    model = AutoModelForCausalLM.from_config(config).float().eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(0.2 * torch.randn(value.shape) + (1 if "ln_" in name or "norm" in name and family != "gemma3" else 0))
            if "norm" in name:
                value.copy_((value * 4096).round() / 4096)  # 1 + w is exact, so that both forms hold the same bits
    model.save_pretrained(folder / f"{family}-hf")
    path = folder / f"{family}.gguf"
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
    metadata(writer, family, config)
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    for name, value in model.named_parameters():  # a tied head is no parameter of its own
        data = np.ascontiguousarray(stored(family, config, name, value.detach().numpy()))
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight", ".bias")), data)
    if family == "llama":
        writer.add_tensor("rope_freqs.weight", np.array(list(llama3_factors(config)), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    check(model, config, folder, path)


def random_blocks(random, rows, columns, kind):
    """Q8_0 or Q4_0: any integers, and scales that need not be those that the values alone would give."""
    blocks = random.integers(0, 256, (rows, columns // 32, gguf.GGML_QUANT_SIZES[kind][1]), dtype=np.uint8)
    blocks[..., :2] = (0.01 * random.standard_normal(blocks.shape[:2])).astype(np.float16)[..., None].view(np.uint8)
    return blocks.reshape(rows, -1)


def write_mixed(path):
    config = transformers.Qwen2Config(**COMMON | dict(hidden_size=32, intermediate_size=64), rms_norm_eps=1e-6, tie_word_embeddings=True,
                                      rope_parameters=dict(rope_theta=1e6, rope_type="default"))
    random = np.random.default_rng(31)
    kinds = gguf.GGMLQuantizationType
    writer = gguf.GGUFWriter(path, "qwen2")
    metadata(writer, "qwen2", config)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, config.num_hidden_layers)
    for name, value in AutoModelForCausalLM.from_config(config).named_parameters():
        own = names.get_name(name, try_suffixes=(".weight", ".bias"))
        wanted = {"token_embd.weight": kinds.Q8_0, "blk.0.attn_output.weight": kinds.Q4_0, "blk.1.attn_output.weight": kinds.Q5_0,
                  "blk.0.ffn_down.weight": kinds.Q4_1, "blk.1.ffn_down.weight": kinds.BF16}
        kind = wanted.get(own, kinds.F16 if ".attn_" in own else kinds.Q4_0) if value.ndim == 2 else kinds.F32
        values = random.standard_normal(value.shape).astype(np.float32)
        blocks = kind in (kinds.Q8_0, kinds.Q4_0)
        writer.add_tensor(own, random_blocks(random, *value.shape, kind) if blocks else gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def check(model, config, folder, path):
    tokens = torch.arange(3, 19).reshape(2, 8)
    own = config.to_dict()  # transformers reads only a part of the configuration from GGUF
    loaded = AutoModelForCausalLM.from_pretrained(folder, gguf_file=path.name, config=type(config)(**own), dtype=torch.float32).eval()
    difference = (loaded(tokens).logits - model(tokens).logits).abs().max().item()
    print(f"{path.name}: {difference:.1e}")
    if difference != 0:
        raise SystemExit(f"transformers reads {path} as another model")


if __name__ == "__main__":
    target = pathlib.Path(sys.argv[1])
    for family, (arch, config) in MODELS.items():
        write(family, arch, config, target)
    write_mixed(target / "mixed.gguf")
