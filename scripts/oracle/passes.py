"""What is computed for every case of every family: one pass, and twenty steps of AdamW, full and with each LoRA set.

The case is a family's (families/*.py): B rows of T tokens, a vocabulary V, a seed, a schedule and LoRA sets.
"""

import numpy as np
import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model

from exact import make_exact
from fixture import FixtureWriter
from gguf_blocks import KINDS
from names import assemble, base_name
from protobuf import encode

STEPS, ACCUMULATION, WARMUP = 20, 2, 4
LEARNING_RATE = {"full": 3e-3, "lora": 1e-2}
BETAS, EPS, WEIGHT_DECAY, MIN_LR_RATIO = (0.9, 0.999), 1e-8, 0.1, 0.1
MAX_GRAD_NORM = {"full": 0.7, "lora": 0.1}


def build(family, case):
    torch.manual_seed(case["seed"])
    model = family.build(case).double()
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = torch.randn(value.shape, dtype=torch.float64)
            norm = family.is_norm(name) and name.endswith("weight")
            value.copy_(family.NORM_MIDDLE + 0.1 * noise if norm else 0.15 * noise)
            if "blocks" in case and value.dim() == 2:
                value.copy_(torch.from_numpy(KINDS[case["blocks"]](value.numpy())[1]))
            value.copy_(value.float().double())  # exactly what the fixture stores
    return make_exact(model, next(batches(case, 1, case["seed"]))[0])


def add_lora(model, settings, seed):
    torch.manual_seed(seed)
    model = get_peft_model(model, LoraConfig(lora_dropout=0.0, bias="none", task_type="CAUSAL_LM", **settings)).double()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_" in name:  # a random B: at B = 0 every gradient of A is 0 and a broken path passes
                value.copy_((0.2 * torch.randn(value.shape, dtype=torch.float64)).float().double())
    return model.eval()


def lora_targets(model, place_of):
    """LoraTarget of each module that peft adapted, with the rank and the scale that peft came to."""
    targets = []
    for name, module in model.named_modules():
        if not hasattr(module, "lora_A"):
            continue
        module_name = base_name(name)
        place = place_of(module_name + ".weight")
        rank, alpha = module.r["default"], module.lora_alpha["default"]
        plain, stabilised = alpha / rank, alpha / rank**0.5
        scale = module.scaling["default"]
        assert abs(scale - plain) < 1e-12 or abs(scale - stabilised) < 1e-12
        end = place.end or module.base_layer.weight.shape[1 if place.transposed else 0]
        targets.append(dict(tensor=place.tensor, row_begin=place.begin, row_end=end, r=rank, alpha=float(alpha),
                            module=module_name, rslora=abs(scale - plain) > 1e-12))
    return targets


def batches(case, count, seed):
    """count micro-batches; some targets are not labels (-100), at least one is."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        tokens = random.integers(0, case["V"], (case["B"], case["T"]))
        targets = random.integers(0, case["V"], (case["B"], case["T"]))
        targets[random.random(targets.shape) < 0.2] = -100
        targets[0, -1] = random.integers(0, case["V"])
        yield torch.from_numpy(tokens), torch.from_numpy(targets)


def training_data(case):
    return list(batches(case, STEPS * ACCUMULATION, case["seed"] + 200))


def loss_sum(model, tokens, targets):
    logits = model(input_ids=tokens, use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100,
                                             reduction="sum"), logits


def labels_of(targets):
    return int((targets != -100).sum())


def trainable(model):
    return [(n, p) for n, p in model.named_parameters() if p.requires_grad]


def store(writer, prefix, place_of, tensors):
    """Under their canonical names: (Hugging Face name, value) pairs, of the model or of its adapters."""
    tensors = list(tensors)
    if "lora_" not in tensors[0][0]:
        for name, value in assemble(place_of, tensors).items():
            writer.tensor(f"{prefix}/{name}", value)
        return
    for name, value in tensors:
        module, _, side = name.removesuffix(".default.weight").rpartition(".")
        writer.tensor(f"{prefix}/{place_of(base_name(module) + '.weight').adapter()}.{side}", value)


def one_pass(writer, prefix, model, case, place_of):
    tokens, targets = next(batches(case, 1, case["seed"] + 100))
    model.zero_grad()
    total, logits = loss_sum(model, tokens, targets)
    (total / labels_of(targets)).backward()
    writer.tensor(f"{prefix}/logits", logits)
    writer.tensor(f"{prefix}/loss", (total / labels_of(targets)).reshape(1))
    store(writer, f"{prefix}/grad", place_of, ((n, p.grad) for n, p in trainable(model)))


def schedule_of(case, optimizer):
    if case["schedule"] == "cosine":
        return transformers.get_cosine_with_min_lr_schedule_with_warmup(optimizer, WARMUP, STEPS,
                                                                        min_lr_rate=MIN_LR_RATIO)
    if case["schedule"] == "linear":
        return transformers.get_linear_schedule_with_warmup(optimizer, WARMUP, STEPS)
    return transformers.get_constant_schedule_with_warmup(optimizer, WARMUP)


def train(writer, prefix, build_model, case, method):
    """The curve of a fresh model, on one condition: that a rounding of its weights to float32 would not have changed it.
    A chaotic one would test nothing."""
    losses, norms, rates = curve(build_model(), case, method)
    disturbed = build_model()
    torch.manual_seed(case["seed"])
    with torch.no_grad():
        for value in disturbed.parameters():
            value.mul_(1 + 2**-24 * torch.randn_like(value))
    change = np.abs(np.array(losses) - np.array(curve(disturbed, case, method)[0])).max()
    assert change < 1e-5, f"{prefix}: a rounding changes the curve by {change:.1e}"
    writer.tensor(f"{prefix}/train/losses", np.array(losses))
    writer.tensor(f"{prefix}/train/norms", np.array(norms))
    writer.tensor(f"{prefix}/train/rates", np.array(rates))
    print(f"  {prefix}: loss {losses[0]:.4f} -> {losses[-1]:.4f}, norm {min(norms):.3f}..{max(norms):.3f}")


def curve(model, case, method):
    parameters = [p for _, p in trainable(model)]
    optimizer = torch.optim.AdamW(
        [{"params": [p for p in parameters if p.dim() >= 2], "weight_decay": WEIGHT_DECAY},
         {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0}],
        lr=LEARNING_RATE[method], betas=BETAS, eps=EPS)
    scheduler = schedule_of(case, optimizer)
    data = training_data(case)
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
    return losses, norms, rates


def write_data(writer, case):
    writer.tensor("batch", np.array([case["B"], case["T"]]))
    tokens, targets = next(batches(case, 1, case["seed"] + 100))
    writer.tensor("tokens", tokens)
    writer.tensor("targets", targets)
    data = training_data(case)
    writer.tensor("train/tokens", torch.stack([t for t, _ in data]))
    writer.tensor("train/targets", torch.stack([t for _, t in data]))
    writer.text("schedule", case["schedule"])
    for method in ("full", "lora"):
        writer.tensor(f"{method}/train/settings", np.array([
            LEARNING_RATE[method], *BETAS, EPS, WEIGHT_DECAY, MAX_GRAD_NORM[method], WARMUP,
            MIN_LR_RATIO if case["schedule"] == "cosine" else 0.0, ACCUMULATION, STEPS]))


def write_blocks(writer, case, tensors):
    for name, value in tensors.items():
        if value.dim() == 2:
            blocks, values = KINDS[case["blocks"]](value.numpy())
            assert (values == value.numpy()).all(), name  # blocks of block values are themselves
            writer.text(f"blocks/{name}", blocks)


def write_case(family, case, path):
    writer = FixtureWriter()
    writer.text("versions", f"torch {torch.__version__}\ntransformers {transformers.__version__}\n"
                            f"peft {peft.__version__}\nnumpy {np.__version__}\nseed {case['seed']}\n")
    model = build(family, case)
    writer.text("config", encode("ModelConfig", family.model_config(model.config)))
    write_data(writer, case)

    place_of = family.places(model.config)
    store(writer, "weight", place_of, model.named_parameters())
    if "blocks" in case:
        write_blocks(writer, case, assemble(place_of, model.named_parameters()))
    else:
        one_pass(writer, "full", model, case, place_of)
        train(writer, "full", lambda: build(family, case), case, "full")
    for index, (name, settings) in enumerate(case["lora"].items()):
        adapt = lambda: add_lora(build(family, case), settings, case["seed"] + 300 + index)  # noqa: B023, E731
        adapted = adapt()
        writer.text(f"lora_{name}/targets", encode("LoraConfig", {"targets": lora_targets(adapted, place_of)}))
        store(writer, f"lora_{name}/value", place_of, trainable(adapted))
        one_pass(writer, f"lora_{name}", adapted, case, place_of)
        train(writer, f"lora_{name}", adapt, case, "lora")
    writer.write(path)
