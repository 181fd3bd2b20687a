"""Models whose matrices are what GGUF's blocks hold: LoRA on them, and the blocks themselves (entries blocks/TENSOR)."""

from families import gemma3, qwen2
from families.llama_shaped import ATTENTION, MLP

LORA = {"all": dict(r=2, lora_alpha=2, target_modules=ATTENTION + MLP)}
CASES = {
    "q8_0": dict(of=qwen2, blocks="q8_0", V=89, C=64, H=4, KV=2, D=24, F=96, L=1, tied=False, theta=1e5, B=2, T=9, seed=61,
                 schedule="cosine", lora=LORA),
    "q4_0": dict(of=gemma3, blocks="q4_0", V=75, C=32, H=2, KV=1, D=48, F=64, layers=["sliding_attention", "full_attention"],
                 window=4, tied=True, query=48, B=2, T=9, seed=62, schedule="linear", lora=LORA),
}
