"""What stands around a mixer: the language model, its blocks, and the parts that several mixers share."""

import torch
import torch.nn as nn
import torch.nn.functional as F


def single(x):
    """In float32 where autocast gives bf16."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class SwiGLU(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.up = nn.Linear(width, 2 * inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x):
        gate, value = self.up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * value)


def rms_norm(width):
    return nn.RMSNorm(width, eps=1e-5)


class Block(nn.Module):
    """x + mixer(norm(x)), then, where the architecture has one, x + mlp(norm(x))."""

    def __init__(self, width, mixer, mlp=None, norm=rms_norm):
        super().__init__()
        self.mixer_norm, self.mixer = norm(width), mixer
        self.mlp = mlp
        if mlp is not None:
            self.mlp_norm = norm(width)

    def forward(self, x):
        x = x + self.mixer(self.mixer_norm(x))
        return x if self.mlp is None else x + self.mlp(self.mlp_norm(x))


class LanguageModel(nn.Module):
    """Embedding, blocks, norm and a head that is the embedding: the frame of `runnel bench train`."""

    def __init__(self, vocabulary, width, blocks, norm=rms_norm, normalise_embedding=False):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.embedding_norm = norm(width) if normalise_embedding else nn.Identity()
        self.blocks = nn.Sequential(*blocks)
        self.norm = norm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.head.weight = self.embedding.weight

    def forward(self, tokens):
        return self.head(self.norm(self.blocks(self.embedding_norm(self.embedding(tokens)))))


def heads(x, H):
    return x.unflatten(-1, (H, -1)).transpose(1, 2)  # [B T H·d] -> [B H T d]


def joined(x):
    return x.transpose(1, 2).flatten(2)  # [B H T d] -> [B T H·d]


class Rotary(nn.Module):
    """Turns the first half of a head's features against the second by the position of the token."""

    def __init__(self, K):
        super().__init__()
        self.register_buffer("frequency", 10000 ** (-torch.arange(0, K, 2) / K))

    def forward(self, x):  # [B H T K]
        a, b = x.chunk(2, dim=-1)
        angle = torch.arange(x.shape[2])[:, None] * self.frequency  # [T K/2]
        cos, sin = angle.cos(), angle.sin()
        return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class ShortConvolution(nn.Conv1d):
    """A causal convolution over the last few tokens of each channel, [B T D] -> [B T D]."""

    def __init__(self, channels, kernel, bias):
        super().__init__(channels, channels, kernel, groups=channels, padding=kernel - 1, bias=bias)

    def forward(self, x):
        return super().forward(x.transpose(1, 2))[..., : x.shape[1]].transpose(1, 2)
