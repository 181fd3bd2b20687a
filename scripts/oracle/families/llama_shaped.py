"""What Llama, Qwen2 and Gemma have in common: tensor names, and the fields of the configuration."""

from names import Place

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
MLP = ["gate_proj", "up_proj", "down_proj"]


def is_norm(name):
    return "norm" in name


def model_config(family, config, **fields):
    """fields: what differs from plain Llama."""
    rope = config.rope_parameters
    layers = getattr(config, "layer_types", None) or []
    slides = [kind == "sliding_attention" for kind in layers]
    common = dict(
        family=family, vocab_size=config.vocab_size, hidden_size=config.hidden_size,
        num_layers=config.num_hidden_layers, num_heads=config.num_attention_heads,
        num_kv_heads=config.num_key_value_heads,
        head_dim=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        intermediate_size=config.intermediate_size, max_positions=config.max_position_embeddings, norm="NORM_RMS",
        norm_eps=config.rms_norm_eps, activation="ACTIVATION_SILU", gated_mlp=True, position="POSITION_ROPE",
        tied_embeddings=config.tie_word_embeddings, rope_theta=rope.get("rope_theta"),
        rope_scaling=scaling(rope) if "rope_type" in rope else {},
        sliding_window=config.sliding_window if any(slides) else 0, sliding_layers=slides if any(slides) else [])
    common.update(fields)
    return {name: value for name, value in common.items() if value not in (None, {})}


def scaling(rope):
    """RopeScaling of one entry of rope_parameters; {} for none."""
    if rope["rope_type"] == "default":
        return {}
    kinds = {"linear": "ROPE_SCALING_LINEAR", "llama3": "ROPE_SCALING_LLAMA3"}
    return dict(kind=kinds[rope["rope_type"]], factor=rope["factor"], low_freq_factor=rope.get("low_freq_factor", 0),
                high_freq_factor=rope.get("high_freq_factor", 0),
                original_max_positions=rope.get("original_max_position_embeddings", 0))


def places(norms):
    """norms: name of a norm of a layer in Hugging Face -> canonical."""

    def of(config):
        head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        q, kv, inner = config.num_attention_heads * head, config.num_key_value_heads * head, config.intermediate_size
        fused = {  # canonical tensor, first row, end, all rows
            "self_attn.q_proj": ("attn.qkv", 0, q, q + 2 * kv),
            "self_attn.k_proj": ("attn.qkv", q, q + kv, q + 2 * kv),
            "self_attn.v_proj": ("attn.qkv", q + kv, q + 2 * kv, q + 2 * kv),
            "mlp.gate_proj": ("mlp.up", 0, inner, 2 * inner),
            "mlp.up_proj": ("mlp.up", inner, 2 * inner, 2 * inner),
        }
        whole = {"self_attn.o_proj": "attn.out", "mlp.down_proj": "mlp.down", "self_attn.q_norm": "attn.q_norm",
                 "self_attn.k_norm": "attn.k_norm", **norms}

        def place(name):
            fixed = {"model.embed_tokens.weight": "embed.tokens", "model.norm.weight": "final_norm.weight",
                     "lm_head.weight": "lm_head.weight"}
            if name in fixed:
                return Place(fixed[name])
            layer, rest = name.removeprefix("model.layers.").split(".", 1)
            module, kind = rest.rsplit(".", 1)
            if module in fused:
                tensor, begin, end, rows = fused[module]
                return Place(f"blocks.{layer}.{tensor}.{kind}", begin, end, rows)
            return Place(f"blocks.{layer}.{whole[module]}.{kind}")

        return place

    return of
