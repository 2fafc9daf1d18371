"""Every key of every golden configuration changed in turn, read by the library and by the tool.

    python tools/golden/keys.py RUNNEL [CASE...]        RUNNEL is the tool, such as .build/release/runnel

Where both read the folder their logits must agree to 1e-4, or the key is accepted and not honoured: `WRONG`, and the exit
status is 1. `lax` is what the library refuses and the tool reads, `strict` the other way round.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.update(CUDA_VISIBLE_DEVICES="", TRITON_INTERPRET="1", TORCHDYNAMO_DISABLE="1", OMP_NUM_THREADS="1")

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

import families
from exported import GOLDEN, distance
from recipe import parameter, token_ids

# What says nothing of the function; and what transformers 5.24 does not do as it says (FACTS.md).
PASSED = {"architectures", "auto_map", "dtype", "model_type", "torch_dtype", "transformers_version", "vocab_size",
          "rescale_prenorm_residual"}
ABSENT = object()


def variants(value):
    yield from (ABSENT, None)
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, 2 * value, 0)
    elif isinstance(value, float):
        yield from (3 * value, 0.0)
    elif isinstance(value, str):
        yield from {"relu", "silu"} - {value}
    elif isinstance(value, list):
        yield from (value[:1], value[::-1])
    elif value is None:
        yield from (2, True)


def theirs(family, folder, ids):
    """Logits, or why the library has none."""
    try:
        model, report = families.classes(family)[1].from_pretrained(folder, output_loading_info=True)
        wrong = [kind for kind, names in report.items() if names]
        return ", ".join(wrong) if wrong else families.run(model.float().eval(), torch.from_numpy(ids))
    except Exception as error:
        return f"{type(error).__name__}: {error}".replace("\n", " ")[:160]


def ours(runnel, folder, ids):
    inputs, outputs = folder.parent / "ids.safetensors", folder.parent / "logits.safetensors"
    save_file({"ids": ids}, inputs)
    result = subprocess.run([runnel, "score", folder, "--ids", inputs, "--logits", outputs], capture_output=True, text=True)
    return load_file(outputs)["logits"] if result.returncode == 0 else result.stderr.strip()


def compare(runnel, case):
    """The number of keys that are accepted and not honoured."""
    document = json.loads((GOLDEN / f"{case}.json").read_text())
    family, config, wrong = document["family"], document["config"], 0
    ids = token_ids(1, 70 if family in families.FLA else 40, document["ids"]["vocabulary"])
    weights = {p["name"]: parameter(p["name"], p["shape"], p["scale"], p["offset"]) for p in document["parameters"]}
    for key, value in config.items():
        if key in PASSED or key.endswith("_token_id"):
            continue
        for other in variants(value):
            changed = {k: v for k, v in config.items() if k != key} | ({} if other is ABSENT else {key: other})
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary, "model")
                folder.mkdir()
                (folder / "config.json").write_text(json.dumps(changed))
                save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
                own, other_logits = ours(runnel, folder, ids), theirs(family, folder, ids)
            what = f"{case}, {key}: {'absent' if other is ABSENT else json.dumps(other)}"
            if isinstance(own, str) or isinstance(other_logits, str):
                if not isinstance(own, str):
                    print(f"lax     {what}: {other_logits}", flush=True)
                elif not isinstance(other_logits, str):
                    print(f"strict  {what}: {own}", flush=True)
            elif not (difference := distance(own, other_logits)) <= 1e-4:
                print(f"WRONG   {what}: {difference:.2g}", flush=True)
                wrong += 1
    return wrong


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    runnel, cases = Path(sys.argv[1]).resolve(), sys.argv[2:] or sorted(path.stem for path in GOLDEN.glob("*.json"))
    sys.exit(1 if sum([compare(runnel, case) for case in cases]) else 0)
