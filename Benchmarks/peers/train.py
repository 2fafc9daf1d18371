"""Training throughput of a peer: forward, backward and one AdamW step on random tokens, on the CPU.

    python train.py --model retnet --threads 2 --seconds 20 --json

The models have the shapes of `runnel bench train`: the same widths, heads, states and feed-forward parts, the head tied to
the embedding.
"""

import argparse
import ctypes
import json
import os
import resource
import statistics
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def round_up(x, multiple):
    return -(-round(x) // multiple) * multiple


def build_mambapy(o):
    import torch.nn as nn
    from mambapy.mamba import Mamba, MambaConfig, RMSNorm  # mambapy.lm itself needs mamba_ssm, and so CUDA

    config = MambaConfig(d_model=o.width, n_layers=o.layers, d_state=o.state or 16, pscan=True)
    embedding = nn.Embedding(o.vocabulary, o.width)
    nn.init.normal_(embedding.weight, std=config.base_std)
    head = nn.Linear(o.width, o.vocabulary, bias=False)
    head.weight = embedding.weight
    return nn.Sequential(embedding, Mamba(config), RMSNorm(o.width, config.rms_norm_eps), head)


def build_mamba2(o):
    import transformers

    transformers.logging.set_verbosity_error()  # it warns that the CUDA kernels are missing, which is the point
    P = o.head_width
    config = transformers.Mamba2Config(
        vocab_size=o.vocabulary, hidden_size=o.width, num_hidden_layers=o.layers, expand=2, head_dim=P,
        num_heads=2 * o.width // P, state_size=o.state or 64, n_groups=1, chunk_size=o.chunk or 64,
        use_cache=False, tie_word_embeddings=True)  # fmt: skip
    model = transformers.Mamba2ForCausalLM(config)
    model.forward_logits = lambda tokens: model(tokens).logits
    return model


def build_own(o):
    import frame
    import matrix_memory
    import models
    import rwkv

    D = o.width
    H, Q = o.heads or max(1, D // 64), o.chunk or 64
    mlp = lambda ratio: frame.SwiGLU(D, o.feed_forward or round_up(D * ratio, 16))
    mixer = {
        "retnet": lambda: (models.RetNet(D, H, Q), mlp(4 / 3)),
        "linear-attention": lambda: (models.LinearAttention(D, H, Q), mlp(8 / 3)),
        "gla": lambda: (matrix_memory.GLA(D, o.heads or max(1, D // 128), Q), mlp(8 / 3)),
        "deltanet": lambda: (matrix_memory.DeltaNet(D, H, Q), mlp(8 / 3)),
        "gated-deltanet": lambda: (matrix_memory.GatedDeltaNet(D, o.heads or max(1, 3 * D // 256), Q), mlp(8 / 3)),
        "attention": lambda: (matrix_memory.Attention(D, H), mlp(8 / 3)),
        "mamba2-chunkwise": lambda: (models.Mamba2(D, o.head_width, o.state or 64, Q),),
        "s4d": lambda: (models.S4D(D, o.state or 64),),
        "lru": lambda: (models.LRU(D, o.state or D, o.chunk or 16),),
        "rwkv6": lambda: (rwkv.RWKV6(D, H, Q), rwkv.ChannelMix(D, round_up(3.5 * D, 16), has_gate=True)),
    }
    if o.model.startswith("rwkv"):
        import torch.nn as nn

        block = lambda i: frame.Block(D, *mixer[o.model](), norm=nn.LayerNorm)
        if o.model == "rwkv7":
            block = lambda i: rwkv.RWKV7Block(D, H, Q, i, o.layers, nn.LayerNorm)
        return frame.LanguageModel(o.vocabulary, D, map(block, range(o.layers)), nn.LayerNorm, normalise_embedding=True)
    return frame.LanguageModel(o.vocabulary, D, [frame.Block(D, *mixer[o.model]()) for _ in range(o.layers)])


OWN = """retnet linear-attention gla deltanet gated-deltanet attention mamba2-chunkwise s4d lru rwkv6 rwkv7""".split()
MODELS = {"mambapy": build_mambapy, "mamba2": build_mamba2} | dict.fromkeys(OWN, build_own)


def keep_freed_memory():
    """Lets glibc keep large freed buffers, as PyTorch's tuning guide does with jemalloc; else each step faults them in again."""
    M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, -1)


def peak_memory():
    """The most bytes that this process has held in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, choices=MODELS)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--segment", type=int, default=512)
    parser.add_argument("--vocabulary", type=int, default=256)
    parser.add_argument("--heads", type=int, help="default: as wide as in runnel, mostly 64")
    parser.add_argument("--head-width", type=int, default=64, help="mamba2 (default 64)")
    parser.add_argument("--state", type=int, help="mambapy 16, mamba2 64, s4d 64, lru the width")
    parser.add_argument("--chunk", type=int, help="tokens a chunk (default: the fastest that was measured)")
    parser.add_argument("--feed-forward", type=int, help="inner width of the SwiGLU (default: as in runnel)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--warmup", type=int, default=2, help="steps before the clock")
    parser.add_argument("--steps", type=int, default=3, help="the fewest that are timed, however long they take")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32", help="bf16: torch.autocast")
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
    loss_of = F.cross_entropy
    if o.compile:
        loss_of = torch.compile(loss_of)
        if blocks := getattr(model, "blocks", None):
            for block in blocks:  # all alike, so that they are compiled once: in minutes less, and no slower
                block.compile()
        else:
            logits_of = torch.compile(logits_of)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1, betas=(0.9, 0.95), fused=True)

    loaded = peak_memory()  # Python, its packages and the weights

    def step():
        tokens = torch.randint(o.vocabulary, (o.batch, o.segment + 1))
        with torch.autocast("cpu", torch.bfloat16, enabled=o.precision == "bf16"):
            logits = logits_of(tokens[:, :-1])
            loss = loss_of(logits.flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    for _ in range(o.warmup):
        loss = step()
    times = []
    started = time.perf_counter()
    while len(times) < o.steps or time.perf_counter() - started < o.seconds:
        before = time.perf_counter()
        loss = step()
        times.append(time.perf_counter() - before)
    if not loss < 20:
        sys.exit(f"{o.model}: the loss is {loss} after {len(times) + o.warmup} steps; this is not a number to compare with")

    median = statistics.median(times)
    result = {
        "model": o.model,
        "tokens_per_second": round(o.batch * o.segment / median, 1),
        "threads": o.threads,
        "parameters": sum(p.numel() for p in model.parameters()),
        "step_seconds": {"median": round(median, 4), "fastest": round(min(times), 4), "steps": len(times)},
        "loss": round(loss, 4),
        "shape": {name: getattr(o, name) for name in ("width", "layers", "batch", "segment", "vocabulary")},
        "precision": o.precision,
        "peak_memory_bytes": peak_memory(),
        "memory_before_training_bytes": loaded,
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
