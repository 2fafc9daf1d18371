#!/usr/bin/env python3
"""Weights after steps of torch's optimisers, as a table for the tests of the updates.

Usage: optimizers.py > Tests/TensorsTests/OptimizerGolden.swift

Everything is computed in float64 from inputs rounded to float32: torch's Muon orthogonalises in bfloat16, which is left out
here. Lion is not in torch; its update is written as in algorithm 2 of its paper. The inputs are those of OptimizerTests.swift.
"""
import numpy as np
import torch

STEPS, RATE, DECAY = 4, 0.05, 0.1


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, algorithm 2."""

    def __init__(self, parameters, lr, betas, weight_decay):
        super().__init__(parameters, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            lr, (b1, b2), decay = group["lr"], group["betas"], group["weight_decay"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                update = torch.sign(b1 * m + (1 - b1) * p.grad)
                p -= lr * (update + decay * p)
                m.mul_(b2).add_(p.grad, alpha=1 - b2)


CASES = {
    "adamw": lambda p: torch.optim.AdamW(p, lr=RATE, betas=(0.9, 0.98), eps=1e-8, weight_decay=DECAY),
    "adam": lambda p: torch.optim.Adam(p, lr=RATE, betas=(0.9, 0.98), eps=1e-8, weight_decay=DECAY),
    "sgd": lambda p: torch.optim.SGD(p, lr=RATE, weight_decay=DECAY),
    "momentum": lambda p: torch.optim.SGD(p, lr=RATE, momentum=0.9, weight_decay=DECAY),
    "nesterov": lambda p: torch.optim.SGD(p, lr=RATE, momentum=0.9, nesterov=True, weight_decay=DECAY),
    "lion": lambda p: Lion(p, lr=RATE, betas=(0.9, 0.98), weight_decay=DECAY),
    "muon": lambda p: torch.optim.Muon(
        p, lr=RATE, momentum=0.95, weight_decay=DECAY, ns_coefficients=(3.4445, -4.7750, 2.0315),
        adjust_lr_fn="match_rms_adamw"),
}


def rounded(values):
    return torch.from_numpy(np.asarray(values).astype(np.float32).astype(np.float64))


def weights(make, rows, columns):
    i = np.arange(rows * columns, dtype=np.float64).reshape(rows, columns)
    w = torch.nn.Parameter(rounded(0.5 * np.sin(1.7 * i + 0.3)))
    optimizer = make([w])
    for t in range(1, STEPS + 1):
        w.grad = rounded((0.2 + 0.1 * t) * np.cos(2.3 * i + 5.1 * t))
        optimizer.step()
    return w.detach().numpy().ravel()


torch.Tensor.bfloat16 = lambda self: self
print("/// Made by tools/golden/optimizers.py.\n")
print(f"/// Weights behind {STEPS} steps of torch {torch.__version__.split('+')[0]} in Double, by optimiser and shape.")
print("let optimizerGolden: [String: [Double]] = [")
for name, make in CASES.items():
    for rows, columns in [(3, 5), (5, 3)]:
        values = [f"{x:.9f}" for x in weights(make, rows, columns)]
        print(f'  "{name} {rows} {columns}": [')
        for start in range(0, len(values), 8):
            print("    " + ", ".join(values[start:start + 8]) + ",")
        print("  ],")
print("]")
