"""Loads what mft exported with peft and transformers, and prints how far their logits agree, and with the runtime's own.

    python scripts/oracle/check_export.py --base HF_FOLDER [--adapter PEFT_FOLDER] [--merged HF_FOLDER] [--full HF_FOLDER]
        [--tool LOGITS_TOOL --pack PACK_FOLDER [--result RESULT_FOLDER]]
    python scripts/oracle/check_export.py --all FOLDER --tool LOGITS_TOOL

--adapter with --merged: base + adapter under peft against the merged folder. --full: a folder that should equal the base
(an import that was exported again) or, with --result, what full fine-tuning made. --tool: device-runtime's logits_tool,
which gives the runtime's logits of the base and of the result. --all: the folders that export-families.ts made, of every
family; GGUF files in them are checked as check_gguf.py does, and what belongs to a model beside its weights must be carried
along. Exit code 1 when something disagrees by more than the tolerance, or when the training changed nothing. Needs torch,
transformers, peft and gguf from PyPI; no test of mft depends on it.
"""

import argparse
import pathlib
import subprocess
import sys

import numpy as np
import torch
import transformers
from peft import PeftModel
from transformers import AutoModelForCausalLM

import check_gguf

TOLERANCE = 1e-4
CARRIED = ["generation_config.json", "chat_template.jinja", "tokenizer.json", "tokenizer_config.json"]


def load(path):
    return AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()


def tokens_for(config, seed=1):
    generator = torch.Generator().manual_seed(seed)
    length = min(config.max_position_embeddings, 40)
    return torch.randint(config.vocab_size, (1, length), generator=generator)


def logits(model, tokens):
    with torch.no_grad():
        return model(tokens).logits


class Check:
    def __init__(self):
        self.failed = False

    def report(self, what, difference, good):
        self.failed = self.failed or not good
        print(f"{'ok  ' if good else 'FAIL'} {what}: largest difference {difference:.3e}")

    def holds(self, what, good, seen):
        self.failed = self.failed or not good
        print(f"ok   {what}" if good else f"FAIL {what}: {seen}")

    def same(self, what, a, b, tolerance=TOLERANCE):
        difference = (a - b).abs().max().item()
        self.report(what, difference, difference <= tolerance)

    def different(self, what, a, b):
        difference = (a - b).abs().max().item()
        self.report(what, difference, difference > 100 * TOLERANCE)


def runtime(options, tokens, result=None):
    """The runtime's own logits [1, length, V]."""
    command = [options.tool, options.pack, *(["--result", result] if result else []), *map(str, tokens[0].tolist())]
    out = subprocess.run(command, check=True, capture_output=True).stdout
    return torch.from_numpy(np.frombuffer(out, "<f4").reshape(1, tokens.shape[1], -1).copy())


def check(options, verdict):
    base_model = load(options.base)
    tokens = tokens_for(base_model.config)
    base = logits(base_model, tokens)
    trained = None
    if options.tool:
        verdict.same("runtime = transformers, base", runtime(options, tokens), base)
    if options.full:
        trained = logits(load(options.full), tokens)
        if options.result:
            verdict.different("full fine-tuning changes the base", trained, base)
        else:
            verdict.same("full folder = base", trained, base, 0)
    if options.adapter:
        trained = logits(PeftModel.from_pretrained(load(options.base), options.adapter).eval(), tokens)
        verdict.different("adapter changes the base", trained, base)
        if options.merged:
            verdict.same("merged = base + adapter", logits(load(options.merged), tokens), trained)
    if options.tool and options.result:
        verdict.same("runtime = transformers, trained", runtime(options, tokens, options.result), trained)


def check_files(run, verdict):
    """What an export has beside its weights, and the GGUF files of the run."""
    for export in ("merged", "full"):
        if (run / export).exists():
            lost = [name for name in CARRIED if (run / "base" / name).exists()
                    and (not (run / export / name).exists() or (run / "base" / name).read_bytes() != (run / export / name).read_bytes())]
            verdict.holds(f"{export} has what base has beside weights", not lost, lost)
    for path in sorted(run.glob("*.*.gguf")):
        folder = run / path.name.split(".")[0]
        print(f"  {path.name}")
        both = None
        # Of a type that keeps every value; blocks of int8 leave as Q8_0.
        if ".f32." in path.name or path.name == "base.q8_0.gguf" and run.name.endswith("-int8"):
            model = load(folder)
            tokens = tokens_for(model.config)
            both = (tokens, logits(model, tokens))
        check_gguf.check_model(path, folder, verdict, both)
    if (run / "adapter.gguf").exists():
        print("  adapter.gguf")
        check_gguf.check_adapter(run / "adapter.gguf", run / "base.f32.gguf", run / "merged.f32.gguf", verdict)


def check_all(folder, tool, verdict):
    runs = sorted(path.parent for path in pathlib.Path(folder).glob("*/base"))
    assert runs, f"no */base in {folder}"
    for run in runs:
        print(run.name)
        at = {name: str(run / name) if (run / name).exists() else None
              for name in ("base", "peft", "merged", "full", "pack", "result")}
        assert at["full"] or (at["peft"] and at["merged"]), run
        check(argparse.Namespace(base=at["base"], adapter=at["peft"], merged=at["merged"], full=at["full"], tool=tool,
                                 pack=at["pack"], result=at["result"]), verdict)
        check_files(run, verdict)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("base", "adapter", "merged", "full", "tool", "pack", "result", "all"):
        parser.add_argument(f"--{name}")
    options = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    verdict = Check()
    if options.all:
        check_all(options.all, options.tool, verdict)
    elif options.base:
        check(options, verdict)
    else:
        parser.error("--base or --all is needed")
    sys.exit(1 if verdict.failed else 0)


if __name__ == "__main__":
    main()
