"""GPT-2. Its linear weights are Conv1D [in, out], ours [out, in]; c_attn's outputs are all q heads, then k, then v, as in
our fused qkv."""

from transformers import GPT2Config, GPT2LMHeadModel

from names import Place

ATTN, PROJ, UP, DOWN = "attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"
LORA = {"r": 3, "lora_alpha": 6.0, "fan_in_fan_out": True}
SETS = {
    # peft matches the ends of module paths
    "attn": dict(LORA, target_modules=[ATTN]),
    "attn_proj": dict(LORA, target_modules=[ATTN, PROJ]),
    "all": dict(LORA, target_modules=[ATTN, PROJ, UP, DOWN]),
}
CASES = {
    # vocabulary, hidden, heads, layers, positions; B rows of T tokens
    "heads3": dict(V=97, C=24, H=3, L=2, P=16, B=2, T=13, seed=11, schedule="cosine"),
    "heads5": dict(V=131, C=40, H=5, L=1, P=19, B=3, T=19, seed=12, schedule="linear"),
    "heads4": dict(V=50, C=48, H=4, L=3, P=32, B=2, T=9, seed=13, schedule="cosine"),
    "single": dict(V=97, C=24, H=1, L=1, P=4, B=4, T=1, seed=14, schedule="constant"),
}
for _case in CASES.values():
    _case["lora"] = SETS
CASES["long"] = dict(V=61, C=64, H=1, L=1, P=130, B=1, T=127, seed=15, schedule="cosine", lora={"all": SETS["all"]})


def build(case):
    return GPT2LMHeadModel(GPT2Config(
        vocab_size=case["V"], n_positions=case["P"], n_embd=case["C"], n_layer=case["L"], n_head=case["H"],
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0, attn_implementation="eager"))


def is_norm(name):
    return "ln_" in name


NORM_MIDDLE = 1.0


def model_config(config):
    return dict(
        family="gpt2", vocab_size=config.vocab_size, hidden_size=config.n_embd, num_layers=config.n_layer,
        num_heads=config.n_head, num_kv_heads=config.n_head, head_dim=config.n_embd // config.n_head,
        intermediate_size=4 * config.n_embd, max_positions=config.n_positions, norm="NORM_LAYER",
        norm_eps=config.layer_norm_epsilon, activation="ACTIVATION_GELU_TANH", position="POSITION_LEARNED", qkv_bias=True,
        attention_out_bias=True, mlp_bias=True, tied_embeddings=True)


MODULES = {ATTN: "attn.qkv", PROJ: "attn.out", UP: "mlp.up", DOWN: "mlp.down", "ln_1": "attn_norm", "ln_2": "mlp_norm"}


def places(config):
    def place(name):
        name = name.removeprefix("transformer.")
        fixed = {"wte.weight": "embed.tokens", "wpe.weight": "embed.positions", "ln_f.weight": "final_norm.weight",
                 "ln_f.bias": "final_norm.bias"}
        if name in fixed:
            return Place(fixed[name])
        _, layer, rest = name.split(".", 2)
        module, kind = rest.rsplit(".", 1)
        conv = module.startswith(("attn", "mlp")) and kind == "weight"
        return Place(f"blocks.{layer}.{MODULES[module]}.{kind}", transposed=conv)

    return place
