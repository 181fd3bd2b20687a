"""Numeric fixtures from transformers and peft: logits, every gradient and 20 training steps of small odd models.

    python scripts/oracle/oracle.py test/fixtures [FAMILY[/CASE] ...]

Writes test/fixtures/FAMILY/CASE.bin (fixture.py says how) for the cases in families/*.py. Versions this was written with:
torch 2.15, transformers 5.23, peft 0.21; the ones used and the seed are stored in each file. Everything is computed in
float64 (exact.py says what that takes) and stored as float32, so what a test measures is the error of the runtime.
"""

import importlib
import pathlib
import sys

import torch

from passes import write_case

FAMILIES = ["gpt2", "qwen2", "qwen3", "llama", "gemma3", "storage"]


def main(folder, *wanted):
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    for name in FAMILIES:
        family = importlib.import_module(f"families.{name}")
        for case_name, case in family.CASES.items():
            label = f"{name}/{case_name}"
            if wanted and name not in wanted and label not in wanted:
                continue
            path = pathlib.Path(folder) / name / f"{case_name}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_case(case.get("of", family), case, path)
            print(f"{label}: {path.stat().st_size} bytes")


main(*sys.argv[1:])
