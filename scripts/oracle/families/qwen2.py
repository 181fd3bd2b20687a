"""Qwen2 and Qwen2.5: Llama with biases on q, k and v. Small ones tie their embeddings."""

from transformers import Qwen2Config, Qwen2ForCausalLM

from families import llama_shaped
from families.llama_shaped import ATTENTION, MLP, is_norm  # noqa: F401

CASES = {
    # V vocabulary, C hidden, H heads, KV of keys and values, D head size, F MLP, L layers; B rows of T tokens
    "ratio7": dict(V=101, C=28, H=7, KV=1, D=64, F=45, L=1, tied=True, theta=1e6, B=2, T=11, seed=31, schedule="cosine",
                   lora={"qv": dict(r=4, lora_alpha=16, target_modules=["q_proj", "v_proj"]),
                         "attention": dict(r=3, lora_alpha=5, target_modules=ATTENTION, use_rslora=True)}),
    "ratio2": dict(V=67, C=24, H=4, KV=2, D=80, F=38, L=1, tied=False, theta=1e4, B=1, T=127, seed=32,
                   schedule="linear", lora={"all": dict(r=2, lora_alpha=4, target_modules=ATTENTION + MLP)}),
    # Only the last two of three layers slide; RoPE is the same in all.
    "sliding": dict(V=53, C=28, H=7, KV=1, D=4, F=33, L=3, tied=True, theta=1e4, window=5, full_layers=1, B=2, T=19,
                    seed=33, schedule="cosine",
                    lora={"patterns": dict(r=4, lora_alpha=8, target_modules=ATTENTION + MLP,
                                           rank_pattern={"k_proj": 2, r"layers\.1\.mlp\.up_proj": 5},
                                           alpha_pattern={"v_proj": 3, r"layers\.2\.mlp\.gate_proj": 1})}),
    "single": dict(V=37, C=12, H=2, KV=2, D=6, F=20, L=1, tied=True, theta=1e6, B=4, T=1, seed=34, schedule="constant",
                   lora={"mlp": dict(r=3, lora_alpha=6, target_modules=MLP)}),
}
NORM_MIDDLE = 1.0


def build(case):
    window = {}
    if "window" in case:
        window = dict(use_sliding_window=True, sliding_window=case["window"], max_window_layers=case["full_layers"])
    return Qwen2ForCausalLM(Qwen2Config(
        vocab_size=case["V"], hidden_size=case["C"], intermediate_size=case["F"], num_hidden_layers=case["L"],
        num_attention_heads=case["H"], num_key_value_heads=case["KV"], head_dim=case["D"], max_position_embeddings=160,
        tie_word_embeddings=case["tied"], rope_parameters={"rope_type": "default", "rope_theta": case["theta"]},
        attn_implementation="eager", **window))


def model_config(config):
    return llama_shaped.model_config("qwen2", config, qkv_bias=True)


places = llama_shaped.places({"input_layernorm": "attn_norm", "post_attention_layernorm": "mlp_norm"})
