"""What transformers' logits processors leave of fixed logits: repetition penalty, temperature, top-k, top-p.

    python scripts/oracle/sampling.py test/fixtures/sampling/processors.bin

Written with transformers 5.23, torch 2.15; the processors run in float64. train/sampler_test.cc reads it. A case is
case.N/logits [V], case.N/context (the ids so far), case.N/settings (temperature, top_k, top_p, repetition_penalty; 0: off)
and case.N/probabilities [V]. Ties at the border of top-p are left out: torch's sort does not say which of equals it keeps.
"""

import pathlib
import sys

import numpy as np
import torch
from transformers.generation.logits_process import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from fixture import FixtureWriter


def processors(temperature, top_k, top_p, penalty):
    """As GenerationMixin puts them together: what is off is left out."""
    chain = LogitsProcessorList()
    if penalty not in (0.0, 1.0):
        chain.append(RepetitionPenaltyLogitsProcessor(penalty))
    if temperature != 1.0:
        chain.append(TemperatureLogitsWarper(temperature))
    if top_k:
        chain.append(TopKLogitsWarper(int(top_k)))
    if 0.0 < top_p < 1.0:
        chain.append(TopPLogitsWarper(float(top_p)))
    return chain


def cases():
    random = np.random.default_rng(7)
    plain = random.normal(0, 2.5, 50)
    grid = np.repeat([3.0, 2.0, 1.0, 0.0, -1.0], 6)  # ties everywhere
    extremes = np.array([1e30, -1e30, 3e38, -3e38, 0.0, 88.0, 5.0, 1e-30])
    infinite = np.array([1.0, -np.inf, 2.0, -np.inf, 0.5])
    peaked = np.concatenate([[40.0], random.normal(0, 1, 30)])
    wide = random.normal(0, 4, 3000)
    seen = [3, 3, 0, 17, 49]
    yield plain, [0], (1.0, 0, 0.0, 0.0)
    yield plain, [0], (0.7, 0, 0.0, 0.0)
    yield plain, [0], (2.0, 0, 0.0, 1.0)
    yield plain, [0], (1.0, 5, 0.0, 0.0)
    yield plain, [0], (1.0, 1, 0.0, 0.0)
    yield plain, [0], (1.0, 50, 0.0, 0.0)
    yield plain, [0], (1.0, 500, 0.0, 0.0)
    yield plain, [0], (1.0, 0, 0.9, 0.0)
    yield plain, [0], (1.3, 0, 0.5, 0.0)
    yield plain, [0], (1.0, 0, 0.01, 0.0)
    yield plain, [0], (1.0, 0, 0.9999, 0.0)
    yield plain, seen, (1.0, 0, 0.0, 1.3)
    yield plain, seen, (1.0, 0, 0.0, 0.8)
    yield plain, seen, (0.8, 12, 0.9, 1.2)
    yield plain, list(range(50)), (0.8, 12, 0.9, 1.2)
    yield grid, [0], (1.0, 1, 0.0, 0.0)  # six share the first place: all of them stay
    yield grid, [0], (1.0, 7, 0.0, 0.0)
    yield grid, [0, 1, 8], (1.0, 5, 0.0, 1.5)
    yield grid, [0], (0.5, 7, 0.0, 0.0)
    yield extremes, [0], (1.0, 0, 0.0, 0.0)
    yield extremes, [2], (1.0, 3, 0.0, 2.0)
    yield extremes, [1, 3], (1.0, 0, 0.9, 0.5)
    yield infinite, [0], (1.0, 0, 0.0, 0.0)
    yield infinite, [1, 2], (0.9, 2, 0.95, 1.1)
    yield peaked, [0], (0.01, 0, 0.99, 0.0)
    yield peaked, [0], (100.0, 0, 0.99, 0.0)
    yield wide, list(range(0, 3000, 7)), (0.9, 0, 0.95, 1.1)
    yield wide, list(range(0, 3000, 7)), (0.9, 200, 0.95, 1.1)
    yield wide, [2999], (1.5, 0, 0.3, 0.0)


def main(path):
    out = FixtureWriter()
    count = 0
    for logits, context, settings in cases():
        logits = logits.astype(np.float32)
        settings = np.asarray(settings, dtype=np.float32)
        scores = torch.tensor(logits.astype(np.float64))[None]
        chain = processors(*[float(value) for value in settings])
        probabilities = chain(torch.tensor([context]), scores).softmax(-1)[0]
        out.tensor(f"case.{count}/logits", logits)
        out.tensor(f"case.{count}/context", np.asarray(context))
        out.tensor(f"case.{count}/settings", settings)
        out.tensor(f"case.{count}/probabilities", probabilities)
        count += 1
    out.tensor("cases", np.asarray([count]))
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    out.write(path)
    print(f"{count} cases, {path.stat().st_size} bytes")


main(*sys.argv[1:])
