"""Training throughput of a peer: forward, backward and one AdamW step on random tokens, float32, on the CPU.

    python train.py --model retnet --threads 2 --seconds 20 --json
"""

import argparse
import ctypes
import json
import os
import statistics
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def round_up(x, multiple):
    return -(-int(x) // multiple) * multiple


def build_mambapy(o):
    import torch.nn as nn
    from mambapy.mamba import Mamba, MambaConfig, RMSNorm  # mambapy.lm itself needs mamba_ssm, and so CUDA

    config = MambaConfig(d_model=o.width, n_layers=o.layers, d_state=o.state or 16, pscan=True)
    embedding = nn.Embedding(o.vocabulary, o.width)
    nn.init.normal_(embedding.weight, std=config.base_std)
    head = nn.Linear(o.width, o.vocabulary, bias=False)
    return nn.Sequential(embedding, Mamba(config), RMSNorm(o.width, config.rms_norm_eps), head)


def build_mamba2(o):
    import transformers

    transformers.logging.set_verbosity_error()  # it warns that the CUDA kernels are missing, which is the point
    P = o.head_width
    config = transformers.Mamba2Config(
        vocab_size=o.vocabulary, hidden_size=o.width, num_hidden_layers=o.layers, expand=2, head_dim=P,
        num_heads=2 * o.width // P, state_size=o.state or 128, n_groups=1, chunk_size=o.chunk or 64,
        use_cache=False)  # fmt: skip
    model = transformers.Mamba2ForCausalLM(config)
    model.forward_logits = lambda tokens: model(tokens).logits
    return model


def build_own(o):
    import models

    mlp = lambda ratio: models.SwiGLU(o.width, o.feed_forward or round_up(o.width * ratio * 2 / 3, 256))
    block = {
        "retnet": lambda: (models.RetNet(o.width, o.heads, o.chunk or 64), mlp(2)),
        "linear-attention": lambda: (models.LinearAttention(o.width, o.heads, o.chunk or 64), mlp(4)),
        "mamba2-chunkwise": lambda: (models.Mamba2(o.width, o.head_width, o.state or 128, o.chunk or 64),),
        "s4d": lambda: (models.S4D(o.width, o.state or 64),),
        "lru": lambda: (models.LRU(o.width, o.state or o.width, o.chunk or 16),),
    }[o.model]
    blocks = [models.Block(o.width, *block()) for _ in range(o.layers)]
    return models.LanguageModel(o.vocabulary, o.width, blocks)


MODELS = {"mambapy": build_mambapy, "mamba2": build_mamba2} | dict.fromkeys(
    ["mamba2-chunkwise", "retnet", "linear-attention", "s4d", "lru"], build_own
)


def keep_freed_memory():
    """Lets glibc keep large freed buffers, as PyTorch's tuning guide does with jemalloc; else each step faults them in again."""
    M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, -1)


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, choices=MODELS)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--segment", type=int, default=512)
    parser.add_argument("--vocabulary", type=int, default=256)
    parser.add_argument("--heads", type=int, default=4, help="retnet and linear-attention (default 4)")
    parser.add_argument("--head-width", type=int, default=64, help="mamba2 (default 64)")
    parser.add_argument("--state", type=int, help="mambapy 16, mamba2 128, s4d 64, lru the width")
    parser.add_argument("--chunk", type=int, help="tokens a chunk (default: the fastest that was measured)")
    parser.add_argument("--feed-forward", type=int, help="inner width of the SwiGLU (default: as in fla)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--allocator", choices=["keep", "system"], default="keep", help="keep: large freed buffers stay")
    parser.add_argument("--compile", action="store_true", help="through torch.compile (needs a C++ compiler)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    return parser.parse_args()


def main():
    o = options()
    if o.allocator == "keep" and sys.platform == "linux":
        keep_freed_memory()
    os.environ["OMP_NUM_THREADS"] = str(o.threads)  # before torch is loaded
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    model = MODELS[o.model](o).train()
    logits_of = getattr(model, "forward_logits", model)
    if o.compile:
        logits_of = torch.compile(logits_of)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1, betas=(0.9, 0.95), fused=True)

    def step():
        tokens = torch.randint(o.vocabulary, (o.batch, o.segment + 1))
        logits = logits_of(tokens[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    for _ in range(2):
        loss = step()
    times = []
    started = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - started < o.seconds:
        before = time.perf_counter()
        loss = step()
        times.append(time.perf_counter() - before)
    if not loss < 20:
        sys.exit(f"{o.model}: the loss is {loss} after {len(times) + 2} steps; this is not a number to compare with")

    median = statistics.median(times)
    result = {
        "model": o.model,
        "tokens_per_second": round(o.batch * o.segment / median, 1),
        "threads": o.threads,
        "parameters": sum(p.numel() for p in model.parameters()),
        "step_seconds": {"median": round(median, 4), "fastest": round(min(times), 4), "steps": len(times)},
        "loss": round(loss, 4),
        "shape": {name: getattr(o, name) for name in ("width", "layers", "batch", "segment", "vocabulary")},
        "allocator": o.allocator,
        "compiled": o.compile,
        "torch": torch.__version__,
        "load_average": round(os.getloadavg()[0], 2),
    }
    if o.json:
        print(json.dumps(result))
    else:
        print("{model}: {tokens_per_second:,.0f} tokens/s, {threads} threads, {parameters:,} parameters".format(**result))


if __name__ == "__main__":
    main()
