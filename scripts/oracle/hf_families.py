"""Small Qwen2, Qwen3, Gemma 3 and Llama folders as transformers and peft write them: the fixtures of import and export.

    python scripts/oracle/hf_families.py test/fixtures

Versions this was written with: torch 2.15, transformers 5.23, peft 0.21; the ones used are stored in versions.json.

    hf-FAMILY/
      single-f32/       one model.safetensors, float32, and config.json as transformers 5 writes it
      sharded-bf16/     the same weights in bfloat16, several files behind model.safetensors.index.json
      single-f16/       the same weights in float16
      biased-f32/       (llama) another model, with biases everywhere, a head size of its own and tied embeddings
      old-config.json   what single-f32/config.json was under transformers 4, with the extra fields that published models
                        have; old-config-*.json are more spellings, each of the folder it names
      peft/             a LoRA adapter on all linear modules of block 1 and on q and v of block 0, A and B random, two
                        ranks and alphas (gemma3: rank-stabilised)
      merged-f32/       single-f32 with that adapter merged by peft
      expected.json     tokens, and for each folder (and "peft") the logits that transformers computes for them in float64
                        from the stored weights
      versions.json

GPT-2's are hf_gpt2.py's.
"""

import json
import pathlib
import shutil
import sys

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import (AutoModelForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM,
                          Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM)

from hf_expected import logits, write_expected

# Odd sizes: nothing is a multiple of another by accident, and heads times head size is not always the hidden size.
QWEN2 = dict(vocab_size=67, hidden_size=28, intermediate_size=36, num_hidden_layers=2, num_attention_heads=7,
             num_key_value_heads=1, max_position_embeddings=40, rms_norm_eps=1e-6, tie_word_embeddings=True,
             bos_token_id=3, eos_token_id=66)
QWEN3 = dict(vocab_size=63, hidden_size=20, intermediate_size=28, num_hidden_layers=2, num_attention_heads=6,
             num_key_value_heads=2, head_dim=8, max_position_embeddings=40, rms_norm_eps=1e-6, tie_word_embeddings=True,
             bos_token_id=3, eos_token_id=62)
GEMMA3 = dict(vocab_size=59, hidden_size=20, intermediate_size=28, num_hidden_layers=3, num_attention_heads=4,
              num_key_value_heads=2, head_dim=6, max_position_embeddings=48, rms_norm_eps=1e-6, sliding_window=5,
              query_pre_attn_scalar=16, bos_token_id=2, eos_token_id=[1, 58])
LLAMA = dict(vocab_size=61, hidden_size=24, intermediate_size=28, num_hidden_layers=2, num_attention_heads=6,
             num_key_value_heads=3, max_position_embeddings=64, rms_norm_eps=1e-5, bos_token_id=5, eos_token_id=60)
BIASED = dict(LLAMA, num_key_value_heads=2, head_dim=6, tie_word_embeddings=True, attention_bias=True, mlp_bias=True)

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
MLP = ["gate_proj", "up_proj", "down_proj"]

FAMILIES = {
    "qwen2": dict(
        seed=21, model=Qwen2ForCausalLM,
        config=lambda: Qwen2Config(**QWEN2, rope_parameters={"rope_type": "default", "rope_theta": 1e6}),
        # Qwen2.5-0.5B's fields
        old={"old-config.json": ("single-f32", dict(
            QWEN2, architectures=["Qwen2ForCausalLM"], attention_dropout=0.0, hidden_act="silu", initializer_range=0.02,
            max_window_layers=2, model_type="qwen2", rope_theta=1000000.0, sliding_window=40, torch_dtype="float32",
            transformers_version="4.40.1", use_cache=True, use_mrope=False, use_sliding_window=False))},
    ),
    "qwen3": dict(
        seed=24, model=Qwen3ForCausalLM,
        config=lambda: Qwen3Config(**QWEN3, rope_parameters={"rope_type": "default", "rope_theta": 1e6}),
        # Qwen3-0.6B's fields
        old={"old-config.json": ("single-f32", dict(
            QWEN3, architectures=["Qwen3ForCausalLM"], attention_bias=False, attention_dropout=0.0, hidden_act="silu",
            initializer_range=0.02, max_window_layers=2, model_type="qwen3", rope_scaling=None, rope_theta=1000000,
            sliding_window=None, torch_dtype="float32", transformers_version="4.51.0", use_cache=True,
            use_sliding_window=False))},
    ),
    "gemma3": dict(
        seed=22, model=Gemma3ForCausalLM, rslora=True,
        config=lambda: Gemma3TextConfig(
            **GEMMA3, layer_types=["sliding_attention", "full_attention", "sliding_attention"],
            rope_parameters={
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
            }),
        old={
            # gemma-3-1b's fields (transformers 4.50)
            "old-config.json": ("single-f32", dict(
                GEMMA3, architectures=["Gemma3ForCausalLM"], attention_bias=False, attention_dropout=0.0,
                attn_logit_softcapping=None, cache_implementation="hybrid", final_logit_softcapping=None,
                hidden_activation="gelu_pytorch_tanh", initializer_range=0.02, model_type="gemma3_text", pad_token_id=0,
                rope_local_base_freq=10000, rope_scaling={"factor": 8.0, "rope_type": "linear"}, rope_theta=1000000,
                sliding_window_pattern=2, torch_dtype="float32", transformers_version="4.50.0.dev0", use_cache=True)),
            # gemma-3-270m's fields (transformers 4.55)
            "old-config-layer-types.json": ("single-f32", dict(
                GEMMA3, _sliding_window_pattern=2, architectures=["Gemma3ForCausalLM"], attention_bias=False,
                attention_dropout=0.0, attn_logit_softcapping=None, final_logit_softcapping=None,
                hidden_activation="gelu_pytorch_tanh", initializer_range=0.02,
                layer_types=["sliding_attention", "full_attention", "sliding_attention"], model_type="gemma3_text",
                pad_token_id=0, rope_local_base_freq=10000.0, rope_scaling={"factor": 8.0, "rope_type": "linear"},
                rope_theta=1000000.0, torch_dtype="float32", transformers_version="4.55.0.dev0",
                use_bidirectional_attention=False, use_cache=True)),
        },
    ),
    "llama": dict(
        seed=23, model=LlamaForCausalLM,
        config=lambda: LlamaConfig(**LLAMA, tie_word_embeddings=False, rope_parameters={
            "rope_type": "llama3", "rope_theta": 5e5, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 16}),
        old={
            # Llama-3.2's fields
            "old-config.json": ("single-f32", dict(
                LLAMA, architectures=["LlamaForCausalLM"], attention_bias=False, attention_dropout=0.0, head_dim=4,
                hidden_act="silu", initializer_range=0.02, mlp_bias=False, model_type="llama", pretraining_tp=1,
                rope_scaling={"factor": 4.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
                              "original_max_position_embeddings": 16, "rope_type": "llama3"},
                rope_theta=500000.0, tie_word_embeddings=False, torch_dtype="float32",
                transformers_version="4.45.0.dev0", use_cache=True)),
            # SmolLM2's fields
            "old-config-biased.json": ("biased-f32", dict(
                BIASED, architectures=["LlamaForCausalLM"], attention_dropout=0.0, hidden_act="silu",
                initializer_range=0.041666666666666664, is_llama_config=True, model_type="llama", pretraining_tp=1,
                rope_interleaved=False, rope_scaling=None, rope_theta=100000, torch_dtype="float32",
                transformers_version="4.42.3", use_cache=True)),
        },
    ),
}


def base_model(family, config):
    torch.manual_seed(family["seed"])
    model = family["model"](config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Norms and biases too: zeros and ones would hide a mix-up. Gemma's norms are centred on 0.
            middle = 1 if "norm" in name and family["model"] is not Gemma3ForCausalLM else 0
            parameter.copy_(torch.randn_like(parameter) * 0.1 + middle)
    return model


def adapter_of(family, base):
    torch.manual_seed(family["seed"] + 100)
    targets = [f"layers.1.self_attn.{m}" for m in ATTENTION] + [f"layers.1.mlp.{m}" for m in MLP]
    targets += ["layers.0.self_attn.q_proj", "layers.0.self_attn.v_proj"]
    config = LoraConfig(task_type="CAUSAL_LM", r=3, lora_alpha=6, target_modules=targets, init_lora_weights=False,
                        rank_pattern={"layers.0.self_attn.v_proj": 2}, alpha_pattern={"layers.0.self_attn.v_proj": 5},
                        use_rslora=family.get("rslora", False))
    adapted = get_peft_model(base, config)
    adapted.peft_config["default"].base_model_name_or_path = "single-f32"
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn_like(parameter) * 0.2)
    return adapted


def write_family(name, family, out):
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    config = family["config"]
    base_model(family, config()).save_pretrained(out / "single-f32")
    base_model(family, config()).to(torch.float16).save_pretrained(out / "single-f16")
    base_model(family, config()).to(torch.bfloat16).save_pretrained(out / "sharded-bf16", max_shard_size="8KB")
    if name == "llama":
        biased = LlamaConfig(**BIASED, rope_parameters={"rope_type": "default", "rope_theta": 1e5})
        base_model(family, biased).save_pretrained(out / "biased-f32")
    adapted = adapter_of(family, base_model(family, config()))
    adapted.save_pretrained(out / "peft")
    (out / "peft" / "README.md").unlink(missing_ok=True)
    written = json.loads((out / "peft" / "adapter_config.json").read_text())
    written["target_modules"].sort()  # a set in peft: its order changes from run to run
    (out / "peft" / "adapter_config.json").write_text(json.dumps(written, indent=2, sort_keys=True))
    adapted.merge_and_unload().save_pretrained(out / "merged-f32")

    expected = write_expected(out, config().vocab_size, family["seed"])
    for file, (folder, fields) in family["old"].items():
        (out / file).write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n")
        check_old(out / file, out / folder, expected["logits"][folder], expected["tokens"])
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__,
                "seed": family["seed"]}
    (out / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")


def check_old(file, folder, expected, tokens):
    """transformers 5 must read the old spelling as the same model."""
    with_old = folder.parent / "with-old-config"
    shutil.copytree(folder, with_old)
    shutil.copy(file, with_old / "config.json")
    model = AutoModelForCausalLM.from_pretrained(with_old, dtype=torch.float32)
    assert logits(model, tokens) == expected, file
    shutil.rmtree(with_old)


def main(out):
    transformers.utils.logging.disable_progress_bar()
    for name, family in FAMILIES.items():
        write_family(name, family, pathlib.Path(out) / f"hf-{name}")


main(sys.argv[1])
