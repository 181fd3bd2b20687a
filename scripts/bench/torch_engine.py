"""Training steps of PyTorch (transformers, peft), for `mft bench engine --against torch`.

usage: torch_engine.py SPEC.json

Builds the model of the specification with random weights, tries the ways to set it up that a user has (attention, kind of
AdamW), keeps the fastest, and says so in one line of JSON. Then each line on stdin is a step, answered by a line with its
seconds; the end of stdin by a line with the peak of memory. Dropout is off, gradients are clipped to norm 1, as in ours.
"""

import argparse
import gc
import json
import os
import resource
import sys
import time

import torch
import transformers

CLIP = 1.0
WARM = 2  # steps after the first one, which allocates


def build(spec, attention):
    config = transformers.AutoConfig.for_model(**spec["config"])
    for field in ("attn_pdrop", "embd_pdrop", "resid_pdrop", "attention_dropout"):
        if hasattr(config, field):
            setattr(config, field, 0.0)
    if getattr(config, "activation_function", None) == "gelu_new":
        config.activation_function = "gelu_pytorch_tanh"  # the same function in one kernel
    config.use_cache = False
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}.get(spec["dtype"], torch.float32)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention, dtype=dtype)
    if spec["method"] == "lora":
        import peft

        lora = peft.LoraConfig(
            r=spec["rank"],
            lora_alpha=spec["alpha"],
            target_modules=spec["modules"],
            fan_in_fan_out=spec["config"]["model_type"] == "gpt2",
            task_type="CAUSAL_LM",
        )
        model = peft.get_peft_model(model, lora)
    model.train()
    return model


class Trainer:
    def __init__(self, spec, attention, adamw):
        self.model = build(spec, attention)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        options = {"fused": True} if adamw == "fused" else {"foreach": adamw == "foreach"}
        self.optimizer = torch.optim.AdamW(self.parameters, lr=1e-4, weight_decay=0.01, **options)
        self.shape = (spec["batch"], spec["sequence"])
        self.vocab = spec["config"]["vocab_size"]

    def step(self):
        tokens = torch.randint(0, self.vocab, self.shape)
        targets = torch.randint(0, self.vocab, self.shape)
        start = time.perf_counter()
        logits = self.model(input_ids=tokens).logits
        loss = torch.nn.functional.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))
        del logits
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return time.perf_counter() - start


def fastest(spec, tried):
    """The best trainer, warm; times of all ways into `tried`."""
    adamws = ["fused", "foreach"] if spec["method"] == "full" else ["fused"]
    best, best_name = None, ""

    def attempt(attention, adamw):
        nonlocal best, best_name
        name = f"{attention} attention, {adamw} AdamW"
        trainer = Trainer(spec, attention, adamw)
        seconds = min([trainer.step() for _ in range(1 + WARM)][1:])
        tried[name] = seconds
        if best is None or seconds < tried[best_name]:
            best, best_name = trainer, name
        del trainer
        gc.collect()

    for adamw in adamws:
        attempt("sdpa", adamw)
    attempt("eager", best_name.split(", ")[1].split(" ")[0])
    return best, best_name


def peak_rss_bytes():
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def say(out, **answer):
    print(json.dumps(answer), file=out, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("spec", help="JSON: config, modules, method, batch, sequence, threads, dtype, rank, alpha")
    with open(parser.parse_args().spec, encoding="utf8") as file:
        spec = json.load(file)
    # Libraries print to stdout what is no answer.
    out = os.fdopen(os.dup(1), "w", encoding="utf8")
    os.dup2(2, 1)
    torch.manual_seed(0)
    torch.set_num_threads(spec["threads"])
    tried = {}
    trainer, variant = fastest(spec, tried)
    say(out, version=torch.__version__, variant=variant, tried=tried)
    for _ in sys.stdin:
        say(out, seconds=trainer.step())
    say(out, peak_rss_bytes=peak_rss_bytes())


if __name__ == "__main__":
    main()
