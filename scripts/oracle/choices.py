"""What transformers makes of multiple-choice questions, choice by choice: the oracle of `mft eval --task`.

python choices.py MODEL_FOLDER QUESTIONS.jsonl [--max-length N] [--dtype float64] > scores.jsonl

QUESTIONS: task records as docs/evaluation.md has them ({"prefix"} lines, {"context", "choices", "answer", "group"?}).
Tokens by the rules of lm-evaluation-harness 0.4 (HFLM): white space at the end of a context goes to the continuation; the
continuation is what the tokens of both have beyond the number of those of the context; too long, it is cut from the
left. Every choice is computed from its first token on, without a key-value cache. One JSON object a question: index, group,
log_likelihoods, characters, answer, predicted, predicted_norm.
"""

import argparse
import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def read_questions(path):
    prefix = ""
    with open(path, encoding="utf-8") as lines:
        for line in filter(str.strip, lines):
            record = json.loads(line)
            if "prefix" in record:
                prefix = record["prefix"]
            else:
                yield prefix + record["context"], record


def encode_pair(tokenizer, context, continuation):
    """Token ids of both; the tokenizer's own prefix (BOS) stands first."""
    prefix = tokenizer("").input_ids
    encode = lambda text: prefix + tokenizer(text, add_special_tokens=False).input_ids  # noqa: E731
    spaces = len(context) - len(context.rstrip())
    if spaces > 0:
        context, continuation = context[:-spaces], context[-spaces:] + continuation
    before = encode(context)
    after = encode(context + continuation)[len(before) :]
    if not before:
        start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        before = [start]
    assert after
    return before, after


class Scorer:
    def __init__(self, model, max_length):
        self.model, self.max_length = model, max_length
        self.inputs, self.logits = None, None

    @torch.no_grad()
    def log_likelihood(self, before, after):
        tokens = (before + after)[-(self.max_length + 1) :]
        assert len(after) < len(tokens)
        inputs = (tokens[:-1], len(after))
        if inputs != self.inputs:  # choices of one token each have the same inputs
            logits = self.model(torch.tensor([tokens[:-1]]), logits_to_keep=len(after)).logits[0]
            self.inputs, self.logits = inputs, torch.log_softmax(logits.double(), dim=-1)
        return float(self.logits.gather(1, torch.tensor(after)[:, None]).sum())


def highest(values):
    return max(range(len(values)), key=lambda i: values[i])  # ties go to the first


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("questions")
    parser.add_argument("--max-length", type=int, help="default: as many tokens as the model has positions")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--limit", type=int, help="the first questions only")
    arguments = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32, attn_implementation="eager")
    model = model.to(getattr(torch, arguments.dtype)).eval()
    scorer = Scorer(model, arguments.max_length or model.config.max_position_embeddings)
    for index, (context, record) in enumerate(read_questions(arguments.questions)):
        if index == arguments.limit:
            break
        choices = record["choices"]
        scores = [scorer.log_likelihood(*encode_pair(tokenizer, context, " " + choice)) for choice in choices]
        characters = [len(choice) for choice in choices]
        scored = {
            "index": index,
            "group": record.get("group", ""),
            "log_likelihoods": scores,
            "characters": characters,
            "answer": record["answer"],
            "predicted": highest(scores),
            "predicted_norm": highest([score / count for score, count in zip(scores, characters)]),
        }
        print(json.dumps(scored))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
