"""Loads what mft exported with peft and transformers, and prints how far their logits agree.

    python scripts/oracle/check_export.py --base HF_FOLDER [--adapter PEFT_FOLDER] [--merged HF_FOLDER] [--full HF_FOLDER]

--adapter with --merged: base + adapter under peft against the merged folder. --full: a folder that should equal the base
(an import that was exported again). Exit code 1 when something disagrees by more than the tolerance, or when the adapter
changes nothing. Needs torch, transformers and peft from PyPI; no test of mft depends on it.
"""

import argparse
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

TOLERANCE = 1e-4


def load(path):
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()


def logits(model, seed=1):
    config = model.config
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(config.vocab_size, (2, min(config.max_position_embeddings, 64)), generator=generator)
    with torch.no_grad():
        return model(tokens).logits


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True)
    parser.add_argument("--adapter")
    parser.add_argument("--merged")
    parser.add_argument("--full")
    options = parser.parse_args()
    failed = False

    def report(what, difference, wanted):
        nonlocal failed
        good = wanted(difference)
        failed = failed or not good
        print(f"{'ok  ' if good else 'FAIL'} {what}: largest difference of logits {difference:.3e}")

    base = logits(load(options.base))
    if options.full:
        report("full folder = base", (logits(load(options.full)) - base).abs().max().item(), lambda d: d == 0)
    if options.adapter:
        adapted = PeftModel.from_pretrained(load(options.base), options.adapter).eval()
        with_adapter = logits(adapted)
        report("adapter changes the base", (with_adapter - base).abs().max().item(), lambda d: d > TOLERANCE)
        if options.merged:
            merged = logits(load(options.merged))
            report("merged = base + adapter", (merged - with_adapter).abs().max().item(), lambda d: d < TOLERANCE)
    sys.exit(1 if failed else 0)


main()
