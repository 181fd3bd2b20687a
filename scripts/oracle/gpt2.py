"""Numeric fixtures of GPT-2 from transformers and peft: logits, gradients and 20 training steps of small odd models.

    python scripts/oracle/gpt2.py test/fixtures/gpt2

Versions this was written with: torch 2.15, transformers 5.23, peft 0.21; the ones used are stored in each fixture.
Everything is computed in float64 and stored as float32, so that what a test measures is the error of the runtime.

Layout: Hugging Face's GPT-2 keeps linear weights as Conv1D [in, out]; our packs keep every linear weight as
[out, in], so c_attn, c_proj and c_fc are transposed here, and their gradients with them. c_attn's outputs are all q
heads, then k, then v, as in our fused qkv. LoRA's A [r, in] and B [out, r] are the same in peft and here.
"""

import pathlib
import sys

import numpy as np
import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import GPT2Config, GPT2LMHeadModel

from fixture import FixtureWriter

CASES = {
    # name: vocabulary, hidden, heads, layers, positions, rows, length, seed
    "heads3": dict(V=97, C=24, H=3, L=2, P=16, B=2, T=13, seed=11, schedule="cosine"),
    "heads5": dict(V=131, C=40, H=5, L=1, P=19, B=3, T=19, seed=12, schedule="linear"),
    "heads4": dict(V=50, C=48, H=4, L=3, P=32, B=2, T=9, seed=13, schedule="cosine"),
    "single": dict(V=97, C=24, H=1, L=1, P=4, B=4, T=1, seed=14, schedule="constant"),
}
LORA_SETS = {
    # The modules an adapter goes on; peft matches the ends of module paths.
    "attn": ["attn.c_attn"],
    "attn_proj": ["attn.c_attn", "attn.c_proj"],
    "all": ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"],
}
LORA_R, LORA_ALPHA = 3, 6.0
STEPS, ACCUMULATION, WARMUP = 20, 2, 4
LEARNING_RATE = {"full": 3e-3, "lora": 1e-2}
BETAS, EPS, WEIGHT_DECAY, MIN_LR_RATIO = (0.9, 0.999), 1e-8, 0.1, 0.1
MAX_GRAD_NORM = {"full": 0.7, "lora": 0.1}

MODULES = {"attn.c_attn": "attn.qkv", "attn.c_proj": "attn.out", "mlp.c_fc": "mlp.up", "mlp.c_proj": "mlp.down",
           "ln_1": "attn_norm", "ln_2": "mlp_norm"}


def canonical(name):
    """Hugging Face parameter name -> (canonical name, transposed?), or None for LoRA's."""
    name = name.removeprefix("base_model.model.").removeprefix("transformer.").replace(".base_layer", "")
    fixed = {"wte.weight": "embed.tokens", "wpe.weight": "embed.positions", "ln_f.weight": "final_norm.weight",
             "ln_f.bias": "final_norm.bias"}
    if name in fixed:
        return fixed[name], False
    _, layer, rest = name.split(".", 2)
    module, kind = rest.rsplit(".", 1)
    return f"blocks.{layer}.{MODULES[module]}.{kind}", module.startswith(("attn", "mlp")) and kind == "weight"


def canonical_lora(name):
    """base_model.model.transformer.h.0.attn.c_attn.lora_A.default.weight -> blocks.0.attn.qkv.weight.lora_A"""
    path, _, side = name.removesuffix(".default.weight").rpartition(".")
    return canonical(path + ".weight")[0] + "." + side


def build(case):
    torch.manual_seed(case["seed"])
    config = GPT2Config(vocab_size=case["V"], n_positions=case["P"], n_embd=case["C"], n_layer=case["L"],
                        n_head=case["H"], resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0,
                        eos_token_id=0, attn_implementation="eager")
    model = GPT2LMHeadModel(config).double()
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = torch.randn(value.shape, dtype=torch.float64)
            if name.endswith("ln_1.weight") or name.endswith("ln_2.weight") or name.endswith("ln_f.weight"):
                value.copy_(1 + 0.1 * noise)
            else:
                value.copy_(0.15 * noise)
            value.copy_(value.float().double())  # exactly what the fixture stores
    return model.eval()


def add_lora(model, modules, seed):
    torch.manual_seed(seed)
    model = get_peft_model(model, LoraConfig(r=LORA_R, lora_alpha=LORA_ALPHA, lora_dropout=0.0, bias="none",
                                             target_modules=modules, fan_in_fan_out=True)).double()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_" in name:  # a random B: at B = 0 every gradient of A is 0 and a broken path passes
                value.copy_((0.2 * torch.randn(value.shape, dtype=torch.float64)).float().double())
    return model.eval()


def batches(case, count, seed):
    """count micro-batches; some targets are not labels (-100), at least one is."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        tokens = random.integers(0, case["V"], (case["B"], case["T"]))
        targets = random.integers(0, case["V"], (case["B"], case["T"]))
        targets[random.random(targets.shape) < 0.2] = -100
        targets[0, -1] = random.integers(0, case["V"])
        yield torch.from_numpy(tokens), torch.from_numpy(targets)


def loss_sum(model, tokens, targets):
    logits = model(input_ids=tokens).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100,
                                             reduction="sum"), logits


def labels_of(targets):
    return int((targets != -100).sum())


def trainable(model):
    return [(n, p) for n, p in model.named_parameters() if p.requires_grad]


def store_gradients(writer, prefix, model):
    for name, value in trainable(model):
        if "lora_" in name:
            writer.tensor(f"{prefix}/grad/{canonical_lora(name)}", value.grad)
        else:
            ours, transposed = canonical(name)
            writer.tensor(f"{prefix}/grad/{ours}", value.grad.T if transposed else value.grad)


def one_pass(writer, prefix, model, case):
    tokens, targets = next(batches(case, 1, case["seed"] + 100))
    model.zero_grad()
    total, logits = loss_sum(model, tokens, targets)
    (total / labels_of(targets)).backward()
    writer.tensor(f"{prefix}/logits", logits)
    writer.tensor(f"{prefix}/loss", (total / labels_of(targets)).reshape(1))
    store_gradients(writer, prefix, model)


def schedule_of(case, optimizer):
    if case["schedule"] == "cosine":
        return transformers.get_cosine_with_min_lr_schedule_with_warmup(optimizer, WARMUP, STEPS,
                                                                        min_lr_rate=MIN_LR_RATIO)
    if case["schedule"] == "linear":
        return transformers.get_linear_schedule_with_warmup(optimizer, WARMUP, STEPS)
    return transformers.get_constant_schedule_with_warmup(optimizer, WARMUP)


def train(writer, prefix, model, case, method):
    parameters = [p for _, p in trainable(model)]
    optimizer = torch.optim.AdamW(
        [{"params": [p for p in parameters if p.dim() >= 2], "weight_decay": WEIGHT_DECAY},
         {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0}],
        lr=LEARNING_RATE[method], betas=BETAS, eps=EPS)
    scheduler = schedule_of(case, optimizer)
    data = list(batches(case, STEPS * ACCUMULATION, case["seed"] + 200))
    losses, norms, rates = [], [], []
    for step in range(STEPS):
        micro = data[step * ACCUMULATION:(step + 1) * ACCUMULATION]
        labels = sum(labels_of(targets) for _, targets in micro)
        optimizer.zero_grad()
        loss = 0.0
        for tokens, targets in micro:
            total, _ = loss_sum(model, tokens, targets)
            (total / labels).backward()
            loss += total.item() / labels
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, MAX_GRAD_NORM[method]).item())
        rates.append(scheduler.get_last_lr()[0])
        losses.append(loss)
        optimizer.step()
        scheduler.step()
    assert max(norms) > MAX_GRAD_NORM[method], "clipping must be active"
    writer.tensor(f"{prefix}/train/losses", np.array(losses))
    writer.tensor(f"{prefix}/train/norms", np.array(norms))
    writer.tensor(f"{prefix}/train/rates", np.array(rates))
    print(f"  {prefix}: loss {losses[0]:.4f} -> {losses[-1]:.4f}, norm {min(norms):.3f}..{max(norms):.3f}")


def write_case(name, case, folder):
    writer = FixtureWriter()
    writer.text("versions", f"torch {torch.__version__}\ntransformers {transformers.__version__}\n"
                            f"peft {peft.__version__}\nnumpy {np.__version__}\nseed {case['seed']}\n")
    writer.text("schedule", case["schedule"])
    writer.tensor("config", np.array([case[k] for k in ("V", "C", "H", "L", "P", "B", "T")]))
    writer.tensor("lora", np.array([LORA_R, LORA_ALPHA]))
    for method in ("full", "lora"):
        writer.tensor(f"{method}/train/settings", np.array([
            LEARNING_RATE[method], *BETAS, EPS, WEIGHT_DECAY, MAX_GRAD_NORM[method], WARMUP,
            MIN_LR_RATIO if case["schedule"] == "cosine" else 0.0, ACCUMULATION, STEPS]))
    tokens, targets = next(batches(case, 1, case["seed"] + 100))
    writer.tensor("tokens", tokens)
    writer.tensor("targets", targets)
    data = list(batches(case, STEPS * ACCUMULATION, case["seed"] + 200))
    writer.tensor("train/tokens", torch.stack([t for t, _ in data]))
    writer.tensor("train/targets", torch.stack([t for _, t in data]))

    model = build(case)
    for hf_name, value in model.named_parameters():
        ours, transposed = canonical(hf_name)
        writer.tensor(f"weight/{ours}", value.T if transposed else value)
    one_pass(writer, "full", model, case)
    train(writer, "full", model, case, "full")

    for index, (lora, modules) in enumerate(LORA_SETS.items()):
        adapted = add_lora(build(case), modules, case["seed"] + 300 + index)
        for hf_name, value in trainable(adapted):
            writer.tensor(f"lora_{lora}/value/{canonical_lora(hf_name)}", value)
        one_pass(writer, f"lora_{lora}", adapted, case)
        train(writer, f"lora_{lora}", adapted, case, "lora")
    writer.write(folder / f"{name}.bin")


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, case in CASES.items():
        print(name)
        write_case(name, case, folder)


if __name__ == "__main__":
    main()
