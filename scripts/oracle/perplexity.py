"""Perplexity of a text by transformers, with windows that overlap: the oracle of `mft eval --data TEXT --stride N`.

python perplexity.py MODEL_FOLDER TEXT [--length T] [--stride S] [--dtype float64]

The recipe of transformers' documentation ("Perplexity of fixed-length models") with max_length = T + 1, every token's loss
counted alike. Prints {"tokens", "loss", "perplexity"}.
"""

import argparse
import json
import math

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


@torch.no_grad()
def perplexity(model, tokens, max_length, stride):
    total, count, previous_end = 0.0, 0, 0
    for begin in range(0, len(tokens), stride):
        end = min(begin + max_length, len(tokens))
        window = torch.tensor([tokens[begin:end]])
        targets = window.clone()
        targets[:, : -(end - previous_end)] = -100
        logits = model(window[:, :-1]).logits.double()
        shifted = targets[:, 1:]
        total += float(torch.nn.functional.cross_entropy(logits[0], shifted[0], ignore_index=-100, reduction="sum"))
        count += int((shifted != -100).sum())
        previous_end = end
        if end == len(tokens):
            break
    return total / count, count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("text")
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--stride", type=int)
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    arguments = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32, attn_implementation="eager")
    model = model.to(getattr(torch, arguments.dtype)).eval()
    with open(arguments.text, encoding="utf-8", newline="") as file:
        tokens = tokenizer(file.read()).input_ids
    loss, count = perplexity(model, tokens, arguments.length + 1, arguments.stride or arguments.length)
    print(json.dumps({"tokens": count, "loss": loss, "perplexity": math.exp(loss)}))


if __name__ == "__main__":
    main()
