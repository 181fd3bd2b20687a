"""Makes a transformers model compute in float64 throughout.

`model.double()` is not enough: transformers computes norms, the angles of RoPE and the softmax of attention in float32
whatever the weights are, an error of the size that the tests look for. make_exact() replaces these three by the same
formulas without the rounding, and checks on the spot that what it replaced agrees up to float32's rounding: transformers
remains the authority. Gemma's embedding scale stays the float32 that transformers keeps: ModelConfig holds the same one.
"""

import math
import types

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

ATTENTION = "exact"  # attn_implementation


def _attention(module, query, key, value, attention_mask, dropout=0.0, scaling=None, softcap=None, **_):
    """Q K V [batch, heads, length, head size]; the eager attention of transformers with its softmax in float64."""
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scores = query @ key.transpose(2, 3) * (module.head_dim**-0.5 if scaling is None else scaling)
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = torch.softmax(scores, -1)
    return (weights @ value).transpose(1, 2).contiguous(), weights


AttentionInterface.register(ATTENTION, _attention)
AttentionMaskInterface.register(ATTENTION, eager_mask)


def _rms(x, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)


def _rms_norm(self, x):
    return self.weight * _rms(x, self.variance_epsilon)


def _rms_norm_plus_one(self, x):
    return _rms(x, self.eps) * (1.0 + self.weight)


def frequencies(config, rope):
    """RoPE's inverse frequencies in float64: transformers' modeling_rope_utils.py for the kinds that mft knows."""
    dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    plain = rope["rope_theta"] ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    if rope["rope_type"] == "default":
        return plain
    if rope["rope_type"] == "linear":
        return plain / rope["factor"]
    assert rope["rope_type"] == "llama3", rope
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    turns = rope["original_max_position_embeddings"] * plain / (2 * math.pi)
    smooth = ((turns - low) / (high - low)).clamp(0, 1)
    return (1 - smooth) * plain / rope["factor"] + smooth * plain


def _rotary(config):
    def forward(self, x, position_ids, layer_type=None):
        prefix = "" if layer_type is None else f"{layer_type}_"
        inverse = frequencies(config, config.rope_parameters if layer_type is None else config.rope_parameters[layer_type])
        torch.testing.assert_close(inverse, getattr(self, prefix + "inv_freq").double(), rtol=1e-5, atol=0)
        assert getattr(self, prefix + "attention_scaling") == 1.0
        angles = position_ids[..., None].double() * inverse
        angles = torch.cat((angles, angles), -1)
        return angles.cos(), angles.sin()

    return forward


def make_exact(model, tokens):
    """Returns the model in float64. tokens [batch, length]: what the replacement is checked on."""
    model = model.double().eval()
    with torch.no_grad():
        rounded = model(input_ids=tokens, use_cache=False).logits
    for module in model.modules():
        kind = type(module).__name__
        if kind.endswith("RMSNorm"):
            forward = _rms_norm_plus_one if kind.startswith("Gemma") else _rms_norm
        elif kind.endswith("RotaryEmbedding"):
            forward = _rotary(model.config)
        else:
            continue
        module.forward = types.MethodType(forward, module)
    model.set_attn_implementation(ATTENTION)
    with torch.no_grad():
        exact = model(input_ids=tokens, use_cache=False).logits
    torch.testing.assert_close(exact, rounded, rtol=1e-4, atol=1e-4)
    return model
