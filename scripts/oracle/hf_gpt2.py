"""Small GPT-2 folders as transformers and peft write them: the fixtures of import and export.

    python scripts/oracle/hf_gpt2.py test/fixtures/hf-gpt2

Versions this was written with: torch 2.15, transformers 5.23, peft 0.21; the ones used are stored in versions.json.

    single-f32/    one model.safetensors, float32
    sharded-bf16/  the same weights in bfloat16, several files behind model.safetensors.index.json
    single-f16/    the same weights in float16
    peft/          a LoRA adapter on all linear modules of block 1 and c_attn of block 0, A and B random, two ranks
    merged-f32/    single-f32 with that adapter merged by peft
    expected.json  as of the other families: hf_families.py
"""

import json
import pathlib
import shutil
import sys

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import GPT2Config, GPT2LMHeadModel

from hf_expected import write_expected

SEED = 20
# Odd sizes: nothing is a multiple of another by accident.
CONFIG = dict(vocab_size=61, n_positions=19, n_embd=20, n_layer=2, n_head=5, n_inner=52, bos_token_id=3, eos_token_id=60)


def base_model():
    torch.manual_seed(SEED)
    model = GPT2LMHeadModel(GPT2Config(**CONFIG))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Biases and norms too: zeros and ones would hide a mix-up.
            parameter.copy_(torch.randn_like(parameter) * 0.1 + (1 if "ln_" in name and name.endswith("weight") else 0))
    return model


def main(out):
    out = pathlib.Path(out)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    model = base_model()
    model.save_pretrained(out / "single-f32")
    base_model().to(torch.float16).save_pretrained(out / "single-f16")
    base_model().to(torch.bfloat16).save_pretrained(out / "sharded-bf16", max_shard_size="8KB")

    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=3,
        lora_alpha=6,
        fan_in_fan_out=True,
        target_modules=["h.1.attn.c_attn", "h.1.attn.c_proj", "h.1.mlp.c_fc", "h.1.mlp.c_proj", "h.0.attn.c_attn"],
        rank_pattern={"h.0.attn.c_attn": 2},
        alpha_pattern={"h.0.attn.c_attn": 5},
        init_lora_weights=False,
        base_model_name_or_path="single-f32",
    )
    torch.manual_seed(SEED + 1)
    adapted = get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn_like(parameter) * 0.2)
    adapted.save_pretrained(out / "peft")
    (out / "peft" / "README.md").unlink(missing_ok=True)
    written = json.loads((out / "peft" / "adapter_config.json").read_text())
    written["target_modules"].sort()  # a set in peft: its order changes from run to run
    (out / "peft" / "adapter_config.json").write_text(json.dumps(written, indent=2, sort_keys=True))
    adapted.merge_and_unload().save_pretrained(out / "merged-f32")
    write_expected(out, CONFIG["vocab_size"], SEED)
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__, "seed": SEED}
    (out / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")


main(sys.argv[1])
