#!/usr/bin/env python3
"""nanoGPT's CPU recipe for Shakespeare's characters, written anew in PyTorch: what a beginner without a GPU is told to do.

A transformer of 4 layers, 4 heads and width 128 on blocks of 64 characters, 12 blocks a step, 2,000 steps, no dropout: pre-norm layers
without biases, learnt positions, exact GELU, the head tied to the embedding; AdamW (0.9, 0.99) with decay 0.1 on matrices, the gradient's
norm clipped at 1, the rate rising to 1e-3 over 100 steps and falling by half a cosine to 1e-4 at the last.
"""

import argparse
import json
import math
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

LAYERS, HEADS, WIDTH, BLOCK, BATCH, STEPS = 4, 4, 128, 64, 12, 2000
WARMUP, PEAK, FLOOR = 100, 1e-3, 1e-4


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)
        self.mlp_norm = nn.LayerNorm(WIDTH, bias=False)
        self.up = nn.Linear(WIDTH, 4 * WIDTH, bias=False)
        self.down = nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x):
        b, t, _ = x.shape
        q, k, v = (
            part.view(b, t, HEADS, -1).transpose(1, 2) for part in self.qkv(self.norm(x)).split(WIDTH, dim=2)
        )
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, WIDTH))
        return x + self.down(F.gelu(self.up(self.mlp_norm(x))))


class Transformer(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, WIDTH)
        self.positions = nn.Embedding(BLOCK, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                residual = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(p, std=0.02 / math.sqrt(2 * LAYERS) if residual else 0.02)

    def forward(self, ids):
        x = self.tokens(ids) + self.positions.weight[: ids.shape[1]]
        for layer in self.layers:
            x = layer(x)
        return F.linear(self.norm(x), self.tokens.weight)


def rate(step):
    if step < WARMUP:
        return PEAK * (step + 1) / (WARMUP + 1)
    return FLOOR + (PEAK - FLOOR) * 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP)))


def loss(model, ids):
    """Mean nats over all of [B T + 1]."""
    logits = model(ids[:, :-1])
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", required=True, help="text to train on")
    parser.add_argument("--validation", required=True, help="text to be measured on")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=STEPS, help="end earlier, for a test of this file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)

    texts = [open(path, "rb").read() for path in (options.train, options.validation)]
    alphabet = sorted(set(texts[0] + texts[1]))
    number = {byte: i for i, byte in enumerate(alphabet)}
    data, held = (torch.tensor([number[byte] for byte in text]) for text in texts)
    model = Transformer(len(alphabet))
    matrices = [p for p in model.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [dict(params=matrices, weight_decay=0.1), dict(params=others, weight_decay=0.0)],
        lr=PEAK, betas=(0.9, 0.99), fused=True)

    begin = time.perf_counter()
    for step in range(options.steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        starts = torch.randint(len(data) - BLOCK, (BATCH,))
        mean = loss(model, torch.stack([data[i : i + BLOCK + 1] for i in starts]))
        optimizer.zero_grad(set_to_none=True)
        mean.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    seconds = time.perf_counter() - begin

    # All windows of a block, one behind the other.
    count = (len(held) - 1) // BLOCK
    windows = torch.stack([held[i * BLOCK : (i + 1) * BLOCK + 1] for i in range(count)])
    with torch.no_grad():
        nats = sum(loss(model, part).item() * len(part) for part in windows.split(256)) / count
    print(json.dumps(dict(
        seconds=seconds, windows=nats, window=BLOCK, tokens=options.steps * BATCH * BLOCK,
        parameters=sum(p.numel() for p in model.parameters()) - BLOCK * WIDTH)))


if __name__ == "__main__":
    main()
