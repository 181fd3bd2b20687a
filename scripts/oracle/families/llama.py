"""Llama-shaped models: SmolLM2, Llama 3. Biases where a configuration asks for them."""

from transformers import LlamaConfig, LlamaForCausalLM

from families import llama_shaped
from families.llama_shaped import ATTENTION, MLP, is_norm  # noqa: F401

LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32)
CASES = {
    "smol": dict(V=99, C=24, H=3, KV=1, D=64, F=41, L=2, tied=True, rope=dict(rope_type="default", rope_theta=1e5), B=2,
                 T=13, seed=41, schedule="cosine",
                 lora={"qv": dict(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"])}),
    # Some wavelengths are short, some long, some between; positions go four times beyond the original 32.
    "scaled": dict(V=71, C=20, H=2, KV=1, D=128, F=36, L=2, tied=False, rope=dict(LLAMA3, rope_theta=5e5), B=1, T=127,
                   seed=42, schedule="linear",
                   lora={"all": dict(r=3, lora_alpha=2, target_modules="all-linear", use_rslora=True)}),
    "biased": dict(V=61, C=20, H=2, KV=2, D=80, F=30, L=1, tied=False, bias=True,
                   rope=dict(rope_type="linear", factor=4.0, rope_theta=1e4), B=3, T=9, seed=43, schedule="cosine",
                   lora={"out_down": dict(r=2, lora_alpha=5, target_modules=["o_proj", "down_proj"])}),
    "single": dict(V=43, C=14, H=2, KV=1, D=64, F=18, L=1, tied=True, rope=dict(rope_type="default", rope_theta=1e4), B=4,
                   T=1, seed=44, schedule="constant",
                   lora={"all": dict(r=2, lora_alpha=4, target_modules=ATTENTION + MLP)}),
    "ratio7": dict(V=53, C=14, H=7, KV=1, D=64, F=22, L=2, tied=True, rope=dict(rope_type="default", rope_theta=1e5), B=2,
                   T=21, seed=45, schedule="linear",
                   lora={"qkvo": dict(r=4, lora_alpha=8, target_modules=ATTENTION)}),
}
NORM_MIDDLE = 1.0


def build(case):
    bias = case.get("bias", False)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=case["V"], hidden_size=case["C"], intermediate_size=case["F"], num_hidden_layers=case["L"],
        num_attention_heads=case["H"], num_key_value_heads=case["KV"], head_dim=case["D"], max_position_embeddings=160,
        rms_norm_eps=1e-5, tie_word_embeddings=case["tied"], rope_parameters=dict(case["rope"]), attention_bias=bias,
        mlp_bias=bias, attn_implementation="eager"))


def model_config(config):
    return llama_shaped.model_config("llama", config, qkv_bias=config.attention_bias,
                                     attention_out_bias=config.attention_bias, mlp_bias=config.mlp_bias)


places = llama_shaped.places({"input_layernorm": "attn_norm", "post_attention_layernorm": "mlp_norm"})
