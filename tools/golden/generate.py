"""Writes Tests/ForeignTests/Golden/<case>.json: what the original implementations answer, for README.md's recipe.

    python tools/golden/generate.py [CASE...]
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TRITON_INTERPRET"] = "1"  # Triton kernels run on the CPU, one program after the other
os.environ["TORCHDYNAMO_DISABLE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import families
from cases import CASES, LAYERS, OWN_HEADS
from kinds import kind
from recipe import fingerprint, parameter, token_ids, words

BATCH, TOKENS, SAMPLES = 2, 257, 96
BORDERS = [0, 1, 2, 3, 4, 15, 16, 17, 31, 32, 62, 63, 64, 65, 99, 100, 127, 128, 129, 191, 192, 255, 256]
GOLDEN = Path(__file__).resolve().parents[2] / "Tests/ForeignTests/Golden"


def fill(model, family):
    """Gives every parameter its numbers; tied ones are named once, as they lie in the file."""
    state = model.state_dict()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        config = json.loads(Path(folder, "config.json").read_text())
        with safe_open(Path(folder, "model.safetensors"), "np") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}
    parameters, filled = [], set()
    for name in sorted(shapes):
        scale, offset = kind(family, name, shapes[name])
        values = parameter(name, shapes[name], scale, offset)
        state[name].copy_(torch.from_numpy(values))
        filled.add(state[name].data_ptr())
        parameters.append((dict(name=name, shape=shapes[name], scale=scale, offset=offset), values))
    missing = [name for name, tensor in state.items() if tensor.numel() and tensor.data_ptr() not in filled]
    assert not missing, f"not in the file: {missing}"
    return config, parameters


def answers(family, folder, ids):
    """The logits of the model that the original implementation reads from the folder, and how far those of a short
    input are from them: flash-linear-attention has other kernels for up to 64 tokens."""
    model = families.load(family, folder)
    logits = families.run(model, ids)
    short = families.run(model, ids[:, :60])
    difference = np.linalg.norm(logits[:, :60] - short) / np.linalg.norm(short)
    assert difference < 1e-5, f"the first 60 tokens alone differ by {difference}"
    return logits, difference


def samples(logits):
    rows, tokens, indices = (words(name, SAMPLES) for name in ("rows", "tokens", "indices"))
    for i in range(SAMPLES):
        if i < 2 * len(BORDERS):
            row, token = i % 2, BORDERS[i // 2]
        else:
            row, token = int(rows[i] % np.uint64(BATCH)), int(tokens[i] % np.uint64(TOKENS))
        index = int(indices[i] % np.uint64(logits.shape[2]))
        yield [row, token, index, float(f"{logits[row, token, index]:.9g}")]


def save(model, folder, extra):
    """The folder that the library writes, with tensors that it would not write."""
    model.save_pretrained(folder)
    if extra:
        path = Path(folder, "model.safetensors")
        save_file(load_file(path) | extra, path, metadata={"format": "pt"})


def write(case):
    family, settings = CASES[case]
    torch.manual_seed(0)
    model = families.build(family, settings)
    config, parameters = fill(model, family)
    own = {}
    if case in OWN_HEADS:
        name, shape = OWN_HEADS[case], [settings["vocab_size"], settings["hidden_size"]]
        scale, offset = kind(family, name, shape)
        own[name] = parameter(name, shape, scale, offset)
        parameters = sorted(parameters + [(dict(name=name, shape=shape, scale=scale, offset=offset), own[name])],
                            key=lambda p: p[0]["name"])
    ids = token_ids(BATCH, TOKENS, settings["vocab_size"])
    with tempfile.TemporaryDirectory() as folder:
        save(model, folder, own)
        logits, difference = answers(family, folder, torch.from_numpy(ids))
        # How far float32 itself leaves the answer open: the factors round to 1 or, for a quarter of the parameters,
        # to the float below it, which moves these to their neighbour towards zero.
        with torch.no_grad():
            state = model.state_dict()
            for entry, values in parameters:
                noise = parameter("noise " + entry["name"], entry["shape"], 2.0**-24, 1.0).astype(np.float64)
                moved = (values * noise).astype(np.float32)
                if entry["name"] in own:
                    own[entry["name"]] = moved
                else:
                    state[entry["name"]].copy_(torch.from_numpy(moved))
        save(model, folder, own)
        moved = families.run(families.load(family, folder), torch.from_numpy(ids)).astype(np.float64)
    assert logits.shape == (BATCH, TOKENS, settings["vocab_size"]) and np.isfinite(logits).all()
    norm = float(np.linalg.norm(logits.astype(np.float64)))
    document = dict(
        family=family,
        config=config,
        ids=dict(name="ids", batch=BATCH, tokens=TOKENS, vocabulary=settings["vocab_size"]),
        parameters=[entry for entry, _ in parameters],
        fingerprint=fingerprint(values for _, values in parameters),
        logits=dict(norm=norm, sensitivity=float(f"{np.linalg.norm(moved - logits) / norm:.2g}"),
                    samples=list(samples(logits))),
    )
    path = GOLDEN / ("Layers" if family in LAYERS else "") / f"{case}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(layout(document))
    spread = float(np.std(logits.astype(np.float64)))
    print(f"{case}: {sum(v.size for _, v in parameters)} numbers, {path.stat().st_size} bytes, "
          f"norm {norm:.5g}, spread {spread:.3g}, sensitivity {document['logits']['sensitivity']}, "
          f"short input {difference:.1g}", flush=True)


def layout(document):
    """JSON with one parameter and one sample to a line."""
    lines = []
    for key, value in document.items():
        if key == "parameters":
            rows = ",\n".join("    " + json.dumps(entry) for entry in value)
            lines.append(f'  "parameters": [\n{rows}\n  ]')
        elif key == "logits":
            rows = ",\n".join("      " + json.dumps(sample) for sample in value["samples"])
            lines.append(f'  "logits": {{\n    "norm": {value["norm"]!r},\n    "sensitivity": '
                         f'{value["sensitivity"]!r},\n    "samples": [\n{rows}\n    ]\n  }}')
        else:
            lines.append(f'  "{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    for case in sys.argv[1:] or CASES:
        write(case)
