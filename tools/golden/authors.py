"""Writes Tests/ForeignTests/Golden/Authors/<case>.json: what PyPI's `rwkv` answers for random models under the names of the
authors' `.pth` files, in the form of README.md: bonuses of one number for each head, tuned initial states.

    python tools/golden/authors.py [CASE...]
"""

import os
import pathlib
import sys
import tempfile

os.environ.update(RWKV_JIT_ON="0", RWKV_CUDA_ON="0", RWKV_V7_ON="0", CUDA_VISIBLE_DEVICES="")

import numpy as np
import torch

import generate
from recipe import fingerprint, parameter, token_ids

OUT = generate.GOLDEN / "Authors"
BATCH, TOKENS = generate.BATCH, generate.TOKENS
KINDS = [("time_decay_w", 0.3, 0.0), ("time_decay", 3.0, -2.0), ("time_faaaa", 0.7, 0.2), ("time_first", 0.7, -1.0),
         ("time_state", 0.5, 0.0), ("time_maa_w", 0.3, 0.0), ("time_m", 0.5, 0.5), ("ln", 0.3, 1.0)]


def shapes(version, V, D, H, F, layers, tuned, bonus):
    K, R, G = D // H, 4, 6
    yield "emb.weight", [V, D]
    for i in range(layers):
        block, att, ffn = f"blocks.{i}.", f"blocks.{i}.att.", f"blocks.{i}.ffn."
        for norm in ["ln0", "ln1", "ln2"] if i == 0 else ["ln1", "ln2"]:
            yield from [(f"{block}{norm}.weight", [D]), (f"{block}{norm}.bias", [D])]
        if version == 6:
            for name in "xwkvrg":
                yield f"{att}time_maa_{name}", [1, 1, D]
            yield from [(att + "time_maa_w1", [D, 5 * R]), (att + "time_maa_w2", [5, R, D]),
                        (att + "time_decay", [1, 1, D]), (att + "time_decay_w1", [D, G]),
                        (att + "time_decay_w2", [G, D])]
            yield from [(f"{ffn}time_maa_{name}", [1, 1, D]) for name in "kr"]
        else:
            yield from [(f"{att}time_mix_{name}", [1, 1, D]) for name in "kvrg"]
            yield from [(f"{ffn}time_mix_{name}", [1, 1, D]) for name in "kr"]
            yield att + "time_decay", [H] if version == 5.1 else [H, K]
        name, is_per_head = bonus
        yield att + name, [H] if is_per_head else [H, K]
        if tuned:
            yield att + "time_state", [H, K, K]
        yield from [(f"{att}{name}.weight", [D, D]) for name in ["receptance", "key", "value", "gate", "output"]]
        yield from [(att + "ln_x.weight", [D]), (att + "ln_x.bias", [D])]
        yield from [(ffn + "key.weight", [F, D]), (ffn + "receptance.weight", [D, D]), (ffn + "value.weight", [D, F])]
    yield from [("ln_out.weight", [D]), ("ln_out.bias", [D]), ("head.weight", [V, D])]


def kind(name, shape):
    own = name.split(".", 2)[-1] if name.startswith("blocks.") else name
    own = own.split(".", 1)[-1] if own.startswith(("att.", "ffn.")) else own
    if own.endswith(".bias"):
        return 0.2, 0.0
    for start, scale, offset in KINDS:
        if own.startswith(start):
            return scale, offset
    return (1.0, 0.0) if name == "emb.weight" else (round((3.0 / shape[-1]) ** 0.5, 4), 0.0)


# version, vocabulary, width, heads, hidden, layers, tuned, (the bonus' name, one for each head)
CASES = {
    "rwkv5-bonus-per-head": (5.1, 37, 32, 2, 48, 2, False, ("time_faaaa", True)),
    "rwkv5-logarithm-per-head": (5.1, 37, 32, 4, 48, 2, False, ("time_first", True)),
    "rwkv5-decay-per-channel": (5.2, 37, 32, 4, 40, 2, False, ("time_faaaa", True)),
    "rwkv5-tuned": (5.2, 37, 36, 3, 48, 3, True, ("time_faaaa", False)),
    "rwkv6-tuned": (6, 37, 32, 2, 48, 3, True, ("time_faaaa", False)),
    "rwkv6-plain": (6, 50, 40, 2, 60, 2, False, ("time_faaaa", False)),
}


def write(case):
    from rwkv.model import RWKV

    parameters = []
    for name, shape in sorted(shapes(*CASES[case])):
        scale, offset = kind(name, shape)
        parameters.append((dict(name=name, shape=shape, scale=scale, offset=offset),
                           parameter(name, shape, scale, offset)))
    V = CASES[case][1]
    ids = token_ids(BATCH, TOKENS, V)

    def answers(values):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "model"
            torch.save({entry["name"]: torch.from_numpy(value.copy()) for entry, value in values}, f"{path}.pth")
            model = RWKV(model=str(path), strategy="cpu fp32", verbose=False)
            return np.stack([model.forward(row.tolist(), None, full_output=True)[0].float().numpy() for row in ids])

    logits = answers(parameters)
    moved = answers([(entry, (value * parameter("noise " + entry["name"], entry["shape"], 2.0**-24, 1.0)
                              .astype(np.float64)).astype(np.float32)) for entry, value in parameters])
    assert logits.shape == (BATCH, TOKENS, V) and np.isfinite(logits).all()
    norm = float(np.linalg.norm(logits.astype(np.float64)))
    sensitivity = float(f"{np.linalg.norm(moved.astype(np.float64) - logits) / norm:.2g}")
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{case}.json").write_text(generate.layout(dict(
        family="authors", config=dict(model_type="rwkv"),
        ids=dict(name="ids", batch=BATCH, tokens=TOKENS, vocabulary=V),
        parameters=[entry for entry, _ in parameters], fingerprint=fingerprint(v for _, v in parameters),
        logits=dict(norm=norm, sensitivity=sensitivity, samples=list(generate.samples(logits))))))
    print(f"{case}: norm {norm:.5g}, sensitivity {sensitivity}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    for case in sys.argv[1:] or CASES:
        write(case)
