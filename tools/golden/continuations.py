"""Greedy continuations of small RWKV models by PyPI's `rwkv`, for Tests/ForeignTests/Golden/Continuations.

    python tools/golden/continuations.py FOLDER_OF_MODELS [--pth OUT]

Every folder below holds config.json (with `ln_x_eps`) and model.safetensors with the authors' names. With --pth the weights
are also written as .pth files, as the authors publish them.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile

os.environ.update(RWKV_JIT_ON="0", RWKV_CUDA_ON="0")

import torch  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

PROMPT = b"The night was dark, and the "
LENGTH = 48


def continuation(weights, config):
    os.environ["RWKV_V7_ON"] = "1" if config["rwkv_version"].startswith("7") else "0"
    sys.modules.pop("rwkv.model", None)
    from rwkv.model import RWKV

    # The package has one epsilon for the norm behind the heads; some of these models were trained with another.
    plain = torch.nn.functional.group_norm
    if config.get("ln_x_eps"):
        torch.nn.functional.group_norm = lambda *a, eps=0, **k: plain(*a, eps=config["ln_x_eps"], **k)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model"
        torch.save(weights, f"{path}.pth")
        model = RWKV(model=str(path), strategy="cpu fp32", verbose=False) if "verbose" in RWKV.__init__.__code__.co_varnames \
            else RWKV(model=str(path), strategy="cpu fp32")
    logits, state = model.forward(list(PROMPT), None)
    ids, margin = [], float("inf")
    for _ in range(LENGTH):
        best = torch.topk(logits.float(), 2)
        margin = min(margin, float(best.values[0] - best.values[1]))
        ids.append(int(best.indices[0]))
        logits, state = model.forward([ids[-1]], state)
    torch.nn.functional.group_norm = plain
    return ids, margin


parser = argparse.ArgumentParser()
parser.add_argument("models", type=pathlib.Path)
parser.add_argument("--pth", type=pathlib.Path)
options = parser.parse_args()
answers = {}
for folder in sorted(options.models.iterdir()):
    if not (folder / "config.json").exists():
        continue
    config = json.loads((folder / "config.json").read_text())
    weights = {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}
    if options.pth:
        options.pth.mkdir(exist_ok=True)
        torch.save(weights, options.pth / f"{folder.name}.pth")
    ids, margin = continuation(weights, config)
    answers[folder.name] = {"prompt": PROMPT.decode(), "ids": ids, "least_margin": round(margin, 6)}
    print(folder.name, margin, bytes(ids), file=sys.stderr)
out = pathlib.Path(__file__).parents[2] / "Tests/ForeignTests/Golden/Continuations"
out.mkdir(exist_ok=True)
for name, answer in answers.items():
    (out / f"{name}.json").write_text(json.dumps(answer) + "\n")
