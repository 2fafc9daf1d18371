"""Golden numbers from transformers, float32 on the CPU, for small models whose every parameter matters.

    python golden.py DIR

writes DIR/{mamba,mamba2,…}/: config.json and model.safetensors as save_pretrained leaves them, and golden.safetensors with
`input_ids` [2 65] int64 and `logits` [2 65 V] float32. The `-variant` folders turn the other options on: biases, groups,
time_step_limit, tied or untied embeddings.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import transformers
from safetensors.torch import save_file

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
V, SEED = 64, 20240531

MAMBA = dict(vocab_size=V, hidden_size=32, num_hidden_layers=2, state_size=8, conv_kernel=4, expand=2)
MAMBA2 = MAMBA | dict(state_size=16, head_dim=16, num_heads=4, n_groups=1, chunk_size=16)
MODELS = {
    "mamba": (transformers.MambaForCausalLM, transformers.MambaConfig(**MAMBA)),
    "mamba2": (transformers.Mamba2ForCausalLM, transformers.Mamba2Config(**MAMBA2)),
    "mamba-variant": (
        transformers.MambaForCausalLM,
        transformers.MambaConfig(
            **MAMBA | dict(use_bias=True, use_conv_bias=False, time_step_rank=5, conv_kernel=3, tie_word_embeddings=False)
        ),
    ),
    "mamba2-variant": (
        transformers.Mamba2ForCausalLM,
        transformers.Mamba2Config(
            **MAMBA2 | dict(n_groups=2, use_bias=True, time_step_limit=(0.05, 0.5), tie_word_embeddings=True)
        ),
    ),
}


@torch.no_grad()
def randomise(model):
    """No parameter keeps a value (zero, one, the integers' logarithms) that would hide a term left out or misplaced."""
    for name, p in model.named_parameters():
        last = name.removesuffix(".weight").split(".")[-1] if "norm" in name else name.split(".")[-1]
        if last == "A_log":
            p.uniform_(-2, 2)
        elif last == "dt_bias" or name.endswith("dt_proj.bias"):
            p.uniform_(-4, 1)
        elif "norm" in name or last == "D":
            p.uniform_(0.3, 1.7)
        elif last == "bias":
            p.normal_(std=0.3)
        elif "conv1d" in name:
            p.normal_(std=0.5)
        elif "embeddings" in name:
            p.normal_(std=0.7)
        else:
            p.normal_(std=p.shape[-1] ** -0.5)


@torch.no_grad()
def every_parameter_counts(model, ids, logits):
    """A row or element of each parameter that is set to zero must move the logits; returns the least that one does."""
    least = float("inf")
    for name, p in model.named_parameters():
        for i in range(0, len(p), max(1, len(p) // 4)):
            if "embeddings" in name and i not in ids:
                continue
            saved = p[i].clone()
            p[i] = 0
            moved = ((model(ids).logits - logits).norm() / logits.norm()).item()
            p[i] = saved
            assert moved > 1e-5, f"{name}[{i}] moves the logits by {moved:.1e} only"
            least = min(least, moved)
    return least


@torch.no_grad()
def token_by_token(model, ids):
    out = model(ids[:, :1], use_cache=True)
    logits = [out.logits]
    for t in range(1, ids.shape[1]):
        out = model(ids[:, t : t + 1], cache=out.cache, use_cache=True)
        logits.append(out.logits)
    return torch.cat(logits, 1)


def main(root):
    torch.set_num_threads(1)
    for name, (kind, config) in MODELS.items():
        torch.manual_seed(SEED)
        model = kind(config).eval()
        randomise(model)
        ids = torch.randint(V, (2, 65))
        with torch.no_grad():
            logits = model(ids, use_cache=False).logits.contiguous()
            exact = kind(config).double().eval()
            exact.load_state_dict({k: v.double() for k, v in model.state_dict().items()})

        folder = Path(root) / name
        model.save_pretrained(folder)
        save_file({"input_ids": ids, "logits": logits}, folder / "golden.safetensors")
        (folder / "generation_config.json").unlink(missing_ok=True)

        loaded = kind.from_pretrained(folder, dtype=torch.float32).eval()
        with torch.no_grad():
            again = (loaded(ids, use_cache=False).logits - logits).abs().max().item()
        relative = lambda other: ((other - logits).norm() / logits.norm()).item()
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        print(f"{name}: {sum(p.numel() for p in model.parameters())} parameters, seed {SEED}, loss {loss:.6f}")
        print("  input_ids[0, :8]    ", ids[0, :8].tolist())
        print("  logits[0, 0, :4]    ", [round(x, 6) for x in logits[0, 0, :4].tolist()])
        print("  logits[1, 64, -4:]  ", [round(x, 6) for x in logits[1, 64, -4:].tolist()])
        print(f"  reloaded {again:.1e}, stepped {relative(token_by_token(model, ids)):.1e}, ", end="")
        print(f"in double {relative(exact(ids, use_cache=False).logits):.1e}, ", end="")
        print(f"least effect of a parameter's row {every_parameter_counts(model, ids, logits):.1e}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
