"""Gemma 3 (text): norms before and after, q and k normalised, two bases of RoPE, sliding layers.

Soft caps: Gemma 3 honours final_logit_softcapping; transformers 5.23 reads its attn_logit_softcapping and does nothing
with it. The cap of the scores is therefore checked against Gemma 2 (case "capped2"), the same model without q and k norms
and with one base. pad_token_id is None: torch gives the row of the padding token no gradient from the lookup, which is a
convention about padded batches and not a property of the model.
"""

import torch
from transformers import Gemma2Config, Gemma2ForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig

from families import llama_shaped
from families.llama_shaped import ATTENTION, MLP, is_norm  # noqa: F401

S, F_ = "sliding_attention", "full_attention"
CASES = {
    "d256": dict(V=91, C=16, H=2, KV=1, D=256, F=34, layers=[S, F_], window=6, tied=True, query=256, B=2, T=19, seed=51,
                 schedule="cosine", lora={"all": dict(r=2, lora_alpha=1, target_modules=ATTENTION + MLP)}),
    # Scores are scaled by something else than the head size; the base of full layers is scaled; logits are capped.
    "ratio7": dict(V=85, C=28, H=7, KV=1, D=10, F=39, layers=[S, S, F_], window=4, tied=True, query=23, factor=8.0,
                   cap=2.5, B=2, T=23, seed=52, schedule="linear",
                   lora={"qv": dict(r=4, lora_alpha=16, target_modules=["q_proj", "v_proj"]),
                         "mlp": dict(r=3, lora_alpha=6, target_modules=MLP, use_rslora=True)}),
    "biased": dict(V=59, C=18, H=3, KV=3, D=80, F=26, layers=[F_, S], window=32, tied=False, query=80, bias=True, B=1,
                   T=127, seed=53, schedule="cosine",
                   lora={"attention": dict(r=2, lora_alpha=4, target_modules=ATTENTION,
                                           rank_pattern={"o_proj": 4}, alpha_pattern={"q_proj": 9})}),
    "single": dict(V=41, C=12, H=2, KV=1, D=64, F=22, layers=[S], window=3, tied=True, query=64, B=4, T=1, seed=54,
                   schedule="constant", lora={"all": dict(r=2, lora_alpha=4, target_modules=ATTENTION + MLP)}),
    "capped2": dict(V=63, C=20, H=4, KV=2, D=12, F=28, layers=[S, F_], window=7, tied=True, query=14, cap=3.0,
                    attention_cap=1.5, B=2, T=17, seed=55, schedule="cosine",
                    lora={"attention": dict(r=3, lora_alpha=6, target_modules=ATTENTION)}),
}
NORM_MIDDLE = 0.0  # stored weights are about 0: the norm multiplies by 1 + w


def build(case):
    common = dict(
        vocab_size=case["V"], hidden_size=case["C"], intermediate_size=case["F"], num_hidden_layers=len(case["layers"]),
        num_attention_heads=case["H"], num_key_value_heads=case["KV"], head_dim=case["D"], max_position_embeddings=160,
        layer_types=case["layers"], sliding_window=case["window"], query_pre_attn_scalar=case["query"],
        tie_word_embeddings=case["tied"], attention_bias=case.get("bias", False), pad_token_id=None,
        final_logit_softcapping=case.get("cap"), attn_logit_softcapping=case.get("attention_cap"),
        attn_implementation="eager")
    if "attention_cap" in case:
        return Gemma2ForCausalLM(Gemma2Config(**common, rope_parameters=dict(rope_type="default", rope_theta=1e4)))
    full = dict(rope_type="linear", factor=case["factor"]) if "factor" in case else dict(rope_type="default")
    return Gemma3ForCausalLM(Gemma3TextConfig(**common, rope_parameters={
        "full_attention": dict(full, rope_theta=1e6), "sliding_attention": dict(rope_type="default", rope_theta=1e4)}))


def model_config(config):
    rope = config.rope_parameters
    second = isinstance(config, Gemma2Config)
    bases = {} if second else dict(
        rope_theta=rope["full_attention"]["rope_theta"], rope_scaling=llama_shaped.scaling(rope["full_attention"]),
        rope_local_theta=rope["sliding_attention"]["rope_theta"], qk_norm=True)
    return llama_shaped.model_config(
        "gemma3", config, norm="NORM_RMS_PLUS_ONE", activation="ACTIVATION_GELU_TANH", post_norms=True,
        qkv_bias=config.attention_bias, attention_out_bias=config.attention_bias,
        embed_scale=torch.tensor(config.hidden_size**0.5, dtype=torch.float32).item(),
        attention_scale=config.query_pre_attn_scalar**-0.5, attention_softcap=config.attn_logit_softcapping,
        logit_softcap=config.final_logit_softcapping, **bases)


places = llama_shaped.places({
    "input_layernorm": "attn_norm", "post_attention_layernorm": "attn_post_norm", "pre_feedforward_layernorm": "mlp_norm",
    "post_feedforward_layernorm": "mlp_post_norm"})
