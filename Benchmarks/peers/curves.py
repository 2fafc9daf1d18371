"""Loss curves of Runnel beside PyTorch's: the same architecture, weights, batches, optimiser and schedule, in f32 on the CPU.

    python curves.py --runnel ../../.build/release/runnel --text input.txt --folder /tmp/curves

For each mixer `runnel train` makes a model of random weights and trains it with every optimiser, each segment from a fresh state;
the peer's model takes the same weights and text, and torch.optim's optimiser with the settings of the run's `run.json`. Where the
losses of a step differ by more than the tolerance, both are compared with the peer's curve in float64: if PyTorch's own f32 curve
departs from that as well, it is rounding that grows, and no difference of the computation.

Runnel's tensors are the parameters that the optimiser moves, as Muon's step depends on where a matrix ends; the peer's are made of
them in each step, since it has some of them side by side in one. torch.optim.Muon iterates in bf16 whatever the weights are;
`muon` does so in their precision, as Runnel does, and `muon-bf16` is torch's as it is. Exit status 1 where a curve other than of
`muon-bf16` departs and PyTorch's f32 curve does not.
"""

import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

os.environ["OMP_NUM_THREADS"] = "1"

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file

import train

OPTIMIZERS = ["adamw", "sgd", "muon", "muon-bf16"]

# ---------------------------------------------------------------- The peer's parameters, of Runnel's by name


def beside(p, *names):
    return torch.cat([p[name + ".weight"] for name in names])


def projections(names):
    """Several projections in one, and the output's."""
    return lambda p: {"project.weight": beside(p, *(name + "_proj" for name in names)), "out.weight": p["o_proj.weight"]}


def gla(p):
    made = {"project.weight": beside(p, "q_proj", "k_proj", "v_proj", "g_proj", "gk_proj.0"), "out.weight": p["o_proj.weight"]}
    return made | {"norm.weight": p["g_norm.weight"]} | {"decay." + name: p["gk_proj.1." + name] for name in ("weight", "bias")}


def deltanet(p, names="qkvb"):
    convolution = beside(p, "q_conv1d", "k_conv1d", "v_conv1d")[:, None]
    return projections(names)(p) | {"conv.weight": convolution, "norm.weight": p["o_norm.weight"]}


def gated_deltanet(p):
    return deltanet(p, "qkvgba") | {name: p[name] for name in ("A_log", "dt_bias")}


def mamba2(p):
    names = {"project.weight": "in_proj.weight", "out.weight": "out_proj.weight"}
    same = ("conv1d.bias", "A_log", "dt_bias", "D", "norm.weight")
    names |= {name.replace("conv1d", "conv"): name for name in same}
    return {name: p[own] for name, own in names.items()} | {"conv.weight": p["conv1d.weight"][:, None]}


def pairs(real, imaginary, axis):
    return torch.stack([real, imaginary], axis + 1).flatten(axis, axis + 1)


def gated_unit(p, *same):
    return {name: p[name] for name in same} | {"out." + name: p["output_linear." + name] for name in ("weight", "bias")}


def s4d(p):
    C = torch.stack(p["C"].chunk(2, dim=1), -1)
    return {"C": C} | gated_unit(p, "log_dt", "log_A_real", "A_imag", "D")


def lru(p):
    made = {"B.weight": pairs(*p["B"].chunk(2), 0), "C.weight": pairs(p["C_re"], -p["C_im"], 1)}
    return made | gated_unit(p, "nu_log", "theta_log", "gamma_log", "D")


def rwkv(p, matrices, shares, bonus, low_rank, names):
    """`low_rank` gives the peer's names of Runnel's prefixes, whose parts are "0" (the bias), "1" and "2"."""
    made = {name + ".weight": p[name + ".weight"] for name in matrices} | {"out.weight": p["output.weight"]}
    made |= {"norm." + name: p["ln_x." + name] for name in ("weight", "bias")}
    made |= {"shares": torch.stack([p[name] for name in shares])[:, None, None], "bonus": p[bonus][:, None]}
    return made | {name: p[own] for name, own in (names | low_rank).items() if own in p}


def rwkv6(p):
    names = {"common": "time_maa_x", "inner": "time_maa_w1", "outer": "time_maa_w2"}
    low_rank = {"decay": "time_decay", "decay_inner": "time_decay_w1", "decay_outer": "time_decay_w2"}
    shares = ["time_maa_" + letter for letter in "wkvrg"]
    return rwkv(p, ["receptance", "key", "value", "gate"], shares, "time_faaaa", low_rank, names)


def rwkv7(p):
    parts = {"bias": "0", "inner": "1", "outer": "2"}
    prefixes = {"decay": "w", "rate": "a", "mix": "v", "gate": "g"}
    low_rank = {f"{name}.{part}": own + digit for name, own in prefixes.items() for part, digit in parts.items()}
    names = {"removal_scale": "k_k", "rate_share": "k_a"}
    return rwkv(p, ["receptance", "key", "value"], ["x_" + letter for letter in "rwkvag"], "r_k", low_rank, names)


def swiglu(p):
    return {"up.weight": beside(p, "gate", "up"), "down.weight": p["down.weight"]}


def channel_mix(p):
    shares = [p[name] for name in ("time_maa_k", "time_maa_r", "x_k") if name in p]
    return {"share": torch.stack(shares)} | {name: x for name, x in p.items() if name.endswith(".weight")}


# ---------------------------------------------------------------- The models


def tanh_gelu(mixer):
    mixer.gelu = nn.GELU("tanh")


def rms_heads(mixer):
    mixer.norm = nn.RMSNorm(mixer.V, eps=1e-5, elementwise_affine=False)


def heads_of(width):
    return max(1, width // 64)


# By Runnel's name: the peer's, its parameters, what makes Runnel's the peer's architecture, and the other way round.
MIXERS = {
    "retnet": ("retnet", projections("qkvg"), ["--set", "is_interleaved=false"], rms_heads),
    "linear-attention": ("linear-attention", projections("qkv"), ["--set", "rotates=false"], None),
    "attention": ("attention", projections("qkv"), [], None),
    "gla": ("gla", gla, [], None),
    "deltanet": ("deltanet", deltanet, [], None),
    "gated-deltanet": ("gated-deltanet", gated_deltanet, [], None),
    "mamba2": ("mamba2-chunkwise", mamba2, [], None),
    "s4d": ("s4d", s4d, [], tanh_gelu),
    "lru": ("lru", lru, [], tanh_gelu),
    "rwkv6": ("rwkv6", rwkv6, [], None),
    "rwkv7": ("rwkv7", rwkv7, ["--set", "key_norm_epsilon=1e-12"], None),
}
HEADLESS = ["mamba2", "s4d", "lru"]


def within(prefix, p):
    return {name.removeprefix(prefix): x for name, x in p.items() if name.startswith(prefix)}


def peer_parameters(p, layers, mixer_of):
    made = {name: x for name, x in p.items() if name.startswith(("embedding", "norm."))}
    for i in range(layers):
        ours, peers = f"layers.{i}.", f"blocks.{i}."
        made |= {peers + "mixer_norm." + name: x for name, x in within(ours + "norm.", p).items()}
        made |= {peers + "mlp_norm." + name: x for name, x in within(ours + "mlp_norm.", p).items()}
        made |= {peers + "mixer." + name: x for name, x in mixer_of(within(ours + "mixer.", p)).items()}
        if mlp := within(ours + "mlp.", p):
            made |= {peers + "mlp." + name: x for name, x in (swiglu if "up.weight" in mlp else channel_mix)(mlp).items()}
    return made


# ---------------------------------------------------------------- The optimisers, as docs/training.md has them


def decays(name, p):
    """Weight decay is on the matrices of products, RWKV's of low rank excepted."""
    last = name.split(".")[-1]
    return p.ndim == 2 and "conv1d" not in name and (last == "weight" or last in ("B", "C_re", "C_im"))


def factor(name):
    """RWKV's decays move twice as fast."""
    return 2 if name.endswith((".time_decay", ".w0")) else 1


def is_muons(name, p):
    return decays(name, p) and min(p.shape) > 1 and not name.startswith(("embedding", "head"))


def optimizers(leaves, s):
    """torch's, with the groups that weight decay, factors on the rate and Muon make."""
    groups = {}
    for name, p in leaves.items():
        groups.setdefault((s["optimizer"] == "muon" and is_muons(name, p), decays(name, p), factor(name)), []).append(p)
    lists = {True: [], False: []}
    for (muon, decay, rate), parameters in groups.items():
        group = {"params": parameters, "lr": s["learning_rate"] * rate, "weight_decay": s["weight_decay"] if decay else 0}
        lists[muon].append(group)
    if s["optimizer"] == "sgd":
        return [torch.optim.SGD(lists[False], momentum=s.get("momentum", 0.9))]
    made = [torch.optim.AdamW(lists[False], betas=(s["beta1"], s["beta2"]), eps=s["epsilon"])]
    if lists[True]:
        made.append(torch.optim.Muon(lists[True], momentum=0.95, nesterov=True, adjust_lr_fn="match_rms_adamw"))
    return made


def schedule(s):
    """The share of the peak rate in a step, counted from zero."""
    assert s["schedule"] == "cosine" and s["accumulate"] == 1
    warmup, final, steps = s["warmup"], s["final_rate"], s["budget"]["steps"]

    def share(step):
        progress = step / steps
        if progress < warmup:
            return max(progress / warmup, 1e-3)
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * (progress - warmup) / max(1e-9, 1 - warmup)))

    return share


# ---------------------------------------------------------------- The curves


def peer_curve(o, mixer, weights, settings, tokens, dtype=torch.float32, muon_in_bf16=False):
    torch.set_default_dtype(dtype)  # also of the constants
    peer, mixer_of, _, change = MIXERS[mixer]
    shape = dict(model=peer, width=o.width, layers=o.layers, vocabulary=weights["embedding.weight"].shape[0])
    own_heads = None if mixer in HEADLESS else heads_of(o.width)
    options = dict(heads=own_heads, state=None, chunk=None, feed_forward=None, head_width=64)
    model = train.build_own(SimpleNamespace(**shape, **options))
    if change:
        for block in model.blocks:
            change(block.mixer)
    leaves = {name: nn.Parameter(x.to(dtype, copy=True)) for name, x in weights.items()}
    made = peer_parameters(leaves, o.layers, mixer_of)
    expected = {name: tuple(p.shape) for name, p in model.named_parameters()}
    found = {name: tuple(p.shape) for name, p in made.items()}
    if found != expected:
        differing = sorted(dict(found.items() ^ expected.items()))
        sys.exit(f"{mixer}: the peer's parameters are not Runnel's: {', '.join(differing)}")

    moving = optimizers(leaves, settings)
    rates = [torch.optim.lr_scheduler.LambdaLR(optimizer, schedule(settings)) for optimizer in moving]
    stretch = (len(tokens) - 1) // o.batch
    losses = []
    bfloat16 = torch.Tensor.bfloat16
    if not muon_in_bf16:
        torch.Tensor.bfloat16 = lambda self: self  # torch.optim.Muon has no option for it
    try:
        for step in range(o.steps):
            places = torch.arange(o.batch)[:, None] * stretch + step * o.segment + torch.arange(o.segment)
            logits = torch.func.functional_call(model, peer_parameters(leaves, o.layers, mixer_of), tokens[places])
            loss = F.cross_entropy(logits.flatten(0, 1), tokens[places + 1].flatten())
            for optimizer in moving:
                optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(leaves.values(), settings["clip"])
            for part in moving + rates:
                part.step()
            losses.append(loss.item())
    finally:
        torch.Tensor.bfloat16 = bfloat16
    return losses


def runnel(o, *arguments):
    done = subprocess.run([o.runnel, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"runnel {' '.join(map(str, arguments))}\n{done.stderr}")
    return done.stdout


def train_runnel(o, folder, *arguments):
    """The run's settings and its losses, one a step."""
    if not folder.exists():
        runnel(
            o, "train", "--corpus", o.folder / "text.tokens.zst", "--batch", o.batch, "--segment", o.segment,
            "--no-carry-state", "--no-reset-documents", "--log-every", 1, "--validation-tokens", 64, "--threads", 1,
            "--out", folder, *arguments)  # fmt: skip
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return json.loads((folder / "run.json").read_text())["settings"], [line["loss"] for line in lines if "loss" in line]


def largest(a, b):
    """The largest difference of two curves, and its step, counted from one."""
    return max((abs(x - y), step) for step, (x, y) in enumerate(zip(a, b, strict=True), 1))


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runnel", required=True, help="the tool, of a release build")
    parser.add_argument("--text", required=True, help="what is trained on, a file of text")
    parser.add_argument("--folder", required=True, type=Path, help="receives corpus and runs; runs that are there are not made again")
    parser.add_argument("--mixers", nargs="+", default=list(MIXERS), choices=MIXERS)
    parser.add_argument("--optimizers", nargs="+", default=OPTIMIZERS, choices=OPTIMIZERS)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--segment", type=int, default=128)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--learning-rate", type=float, default=5e-4, help="of AdamW and Muon (default 5e-4); SGD takes 25 times it")
    parser.add_argument("--tolerance", type=float, default=1e-3, help="the largest difference in nats (default 1e-3)")
    return parser.parse_args()


def main():
    o = options()
    if sys.platform == "linux":
        train.keep_freed_memory()
    torch.set_num_threads(1)
    o.folder.mkdir(parents=True, exist_ok=True)
    corpus = o.folder / "text.tokens.zst"
    if not corpus.exists():
        runnel(o, "corpus", "build", corpus, o.text, "--format", "text")
    tokens = torch.tensor([int(x) for x in runnel(o, "corpus", "cat", corpus, "--split", "train", "--ids").split()])
    if o.steps * o.segment > (len(tokens) - 1) // o.batch:
        sys.exit(f"{o.text} has {len(tokens):,} tokens to train on, and the steps read {o.steps * o.segment * o.batch:,} once")

    print(f"{o.layers} layers of width {o.width}, {o.batch} × {o.segment} tokens, {o.steps} steps; torch {torch.__version__}\n")
    print("| mixer | optimiser | first loss | last loss | PyTorch's | largest difference | at step | PyTorch f32 from f64 | Runnel from f64 |")
    print("|---|---|---|---|---|---|---|---|---|")
    departed = 0
    for mixer in o.mixers:
        start, double = o.folder / f"{mixer}-start", {}
        heads = [] if mixer in HEADLESS else ["--heads", heads_of(o.width)]
        # One step that moves nothing.
        train_runnel(
            o, start, "--mixer", mixer, "--width", o.width, "--layers", o.layers, *heads, *MIXERS[mixer][2], "--steps", 1,
            "--rate", "*=0")  # fmt: skip
        weights = load_file(start / "model.safetensors")
        for name in o.optimizers:
            rule = name.removesuffix("-bf16")
            settings, ours = train_runnel(
                o, o.folder / f"{mixer}-{rule}", "--from", start, "--optimizer", rule, "--steps", o.steps,
                "--learning-rate", o.learning_rate * (25 if rule == "sgd" else 1))  # fmt: skip
            peers = peer_curve(o, mixer, weights, settings, tokens, muon_in_bf16=name != rule)
            difference, step = largest(ours, peers)
            roundings = ["", ""]
            if difference > o.tolerance:
                if rule not in double:
                    double[rule] = peer_curve(o, mixer, weights, settings, tokens, dtype=torch.float64)
                theirs, own = (largest(curve, double[rule])[0] for curve in (peers, ours))
                departed += theirs <= o.tolerance and name == rule
                roundings = [f"{theirs:.1e}", f"{own:.1e}"]
            columns = [mixer, name, f"{ours[0]:.4f}", f"{ours[-1]:.4f}", f"{peers[-1]:.4f}", f"{difference:.1e}", step, *roundings]
            print("| " + " | ".join(map(str, columns)) + " |", flush=True)
    if departed:
        sys.exit(f"{departed} curves depart by more than {o.tolerance}, and not by rounding")


if __name__ == "__main__":
    main()
