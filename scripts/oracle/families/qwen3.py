"""Qwen3: Llama with q and k normalised in each head, by the same plain RMSNorm."""

from transformers import Qwen3Config, Qwen3ForCausalLM

from families import llama_shaped
from families.llama_shaped import ATTENTION, MLP, is_norm  # noqa: F401

CASES = {
    "ratio2": dict(V=77, C=20, H=4, KV=2, D=24, F=30, L=2, tied=True, theta=1e6, B=2, T=15, seed=71, schedule="cosine",
                   lora={"all": dict(r=2, lora_alpha=2, target_modules=ATTENTION + MLP)}),
    "ratio7": dict(V=45, C=14, H=7, KV=1, D=16, F=22, L=1, tied=False, theta=1e4, bias=True, B=1, T=41, seed=72,
                   schedule="linear", lora={"qv": dict(r=3, lora_alpha=6, target_modules=["q_proj", "v_proj"])}),
    "sliding": dict(V=51, C=16, H=2, KV=2, D=18, F=26, L=2, tied=True, theta=1e5, window=5, full_layers=1, B=2, T=13,
                    seed=73, schedule="cosine",
                    lora={"attention": dict(r=2, lora_alpha=4, target_modules=ATTENTION, use_rslora=True)}),
    "single": dict(V=37, C=12, H=2, KV=1, D=64, F=20, L=1, tied=True, theta=1e6, B=4, T=1, seed=74, schedule="constant",
                   lora={"all": dict(r=2, lora_alpha=4, target_modules=ATTENTION + MLP)}),
}
NORM_MIDDLE = 1.0


def build(case):
    window = {}
    if "window" in case:
        window = dict(use_sliding_window=True, sliding_window=case["window"], max_window_layers=case["full_layers"])
    return Qwen3ForCausalLM(Qwen3Config(
        vocab_size=case["V"], hidden_size=case["C"], intermediate_size=case["F"], num_hidden_layers=case["L"],
        num_attention_heads=case["H"], num_key_value_heads=case["KV"], head_dim=case["D"], max_position_embeddings=160,
        tie_word_embeddings=case["tied"], attention_bias=case.get("bias", False),
        rope_parameters={"rope_type": "default", "rope_theta": case["theta"]}, attn_implementation="eager", **window))


def model_config(config):
    return llama_shaped.model_config("qwen3", config, qkv_bias=config.attention_bias,
                                     attention_out_bias=config.attention_bias, qk_norm=True)


places = llama_shaped.places({"input_layernorm": "attn_norm", "post_attention_layernorm": "mlp_norm"})
