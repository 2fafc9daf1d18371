"""Folders that `runnel convert --to huggingface` writes, loaded and run by the libraries that they are written for.

    python tools/golden/exported.py RUNNEL [CASE...]        RUNNEL is the tool, such as .build/release/runnel

Sources are the golden cases, and a model of this library of every mixer that can be written. Each folder must load through
AutoModelForCausalLM without missing, unexpected or misshapen tensors, and give bytes through AutoTokenizer; its logits are
compared with those that the tool gives for the source and for the folder. Prints the relative differences (L2) and exits with
1 if one is above 2e-5.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TRITON_INTERPRET"] = "1"
os.environ["TORCHDYNAMO_DISABLE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from safetensors.numpy import load_file, save_file

import families
from recipe import parameter, token_ids

GOLDEN = Path(__file__).resolve().parents[2] / "Tests/ForeignTests/Golden"
# Fewer than the golden answers', since the interpreter is slow; more than a chunk.
BATCH, TOKENS, LIMIT = 1, 70, 2e-5
NATIVE = ["mamba", "mamba2", "retnet", "gla", "deltanet", "gated-deltanet", "hgrn2", "rwkv4", "rwkv6", "rwkv7"]


def tool(*arguments):
    result = subprocess.run([str(argument) for argument in arguments], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def golden(case, folder):
    """The folder that the original library would write."""
    document = json.loads((GOLDEN / f"{case}.json").read_text())
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(document["config"]))
    save_file({p["name"]: parameter(p["name"], p["shape"], p["scale"], p["offset"]) for p in document["parameters"]},
              folder / "model.safetensors")


def native(runnel, mixer, folder):
    """A model of this library, one step old, with noise on every parameter."""
    corpus = folder.parent / "corpus.tokens.zst"
    if not corpus.exists():
        text = folder.parent / "text.txt"
        text.write_text("".join(f"line {i} of a text that says little\n" for i in range(4000)))
        tool(runnel, "corpus", "build", corpus, text)
    tool(runnel, "train", "--corpus", corpus, "--mixer", mixer, "--out", folder, "--width", 64, "--layers", 3,
         "--steps", 1, "--batch", 2, "--segment", 64)
    weights = load_file(folder / "model.safetensors")
    save_file({name: value + parameter("noise " + name, value.shape, 0.1, 0.0) for name, value in weights.items()},
              folder / "model.safetensors")


def answers(runnel, folder, ids):
    inputs, outputs = folder.parent / "ids.safetensors", folder.parent / "logits.safetensors"
    save_file({"ids": ids}, inputs)
    tool(runnel, "score", folder, "--ids", inputs, "--logits", outputs)
    return load_file(outputs)["logits"]


def libraries(config):
    """Who runs a folder here. Some options of mamba2 are flash-linear-attention's alone, and with 1 < groups < heads its
    PyTorch path is not its CUDA path (README.md)."""
    family = config["model_type"]
    own = config.get("D_has_hdim", False) or config.get("norm_before_gate", False) or not config.get("rmsnorm", True)
    known = {"transformers": family in families.TRANSFORMERS and not own,
             "flash-linear-attention": (family in families.FLA or f"fla_{family}" in families.FLA)
             and not 1 < config.get("n_groups", 1) < config.get("num_heads", 0)}
    return [library for library, knows in known.items() if knows]


def prepare(runnel, case, place, reports):
    """The case's folder, what the tool makes of it, and the tool's logits for both."""
    source, folder = place / "source", place / "written"
    native(runnel, case, source) if case in NATIVE else golden(case, source)
    tool(runnel, "convert", source, folder, "--to", "huggingface")
    config = json.loads((folder / "config.json").read_text())
    ids = token_ids(BATCH, TOKENS, config["vocab_size"])
    ours = answers(runnel, source, ids)
    reports[case] = dict(family=config["model_type"], libraries=libraries(config), ours=ours,
                         differences={"read back": distance(answers(runnel, folder, ids), ours)})


def load(library, places):
    """In a process of its own, since flash-linear-attention takes mamba and mamba2 over: its logits for each folder."""
    if library == "flash-linear-attention":
        import interpreted

        interpreted.models()
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    for place in places:
        model, report = AutoModelForCausalLM.from_pretrained(place / "written", output_loading_info=True)
        wrong = {kind: list(names) for kind, names in report.items() if names}
        assert not wrong, f"{place.name}, {library}: {wrong}"
        assert type(model).__module__.startswith("fla." if library == "flash-linear-attention" else "transformers.")
        ids = torch.from_numpy(load_file(place / "ids.safetensors")["ids"])
        save_file({"logits": families.run(model.float().eval(), ids)}, place / f"{library}.safetensors")
        if (place / "written/tokenizer.json").exists():
            tokenizer, text = AutoTokenizer.from_pretrained(place / "written"), "line 1, na\u00efve\n\U0001f600"
            assert tokenizer(text)["input_ids"] == list(text.encode()) and tokenizer.decode(list(text.encode())) == text
        print(f"{place.name}: {library}", file=sys.stderr, flush=True)


def distance(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def compare(runnel, cases):
    """Whether all differences are small."""
    reports = {}
    with tempfile.TemporaryDirectory() as temporary:
        for case in cases:
            place = Path(temporary, case)
            place.mkdir()
            prepare(runnel, case, place, reports)
        for library in ["transformers", "flash-linear-attention"]:
            places = [Path(temporary, case) for case, report in reports.items() if library in report["libraries"]]
            subprocess.run([sys.executable, __file__, "--load", library, *places], check=True)
            for place in places:
                theirs = load_file(place / f"{library}.safetensors")["logits"]
                reports[place.name]["differences"][library] = distance(reports[place.name]["ours"], theirs)
    for case, report in reports.items():
        print(f"{case} as {report['family']}: "
              + ", ".join(f"{name} {value:.1e}" for name, value in report["differences"].items()))
    return max(max(report["differences"].values()) for report in reports.values()) <= LIMIT


if __name__ == "__main__":
    if sys.argv[1] == "--load":
        load(sys.argv[2], [Path(place) for place in sys.argv[3:]])
    else:
        everything = NATIVE + sorted(path.stem for path in GOLDEN.glob("*.json"))
        sys.exit(0 if compare(Path(sys.argv[1]).resolve(), sys.argv[2:] or everything) else f"above {LIMIT}")
