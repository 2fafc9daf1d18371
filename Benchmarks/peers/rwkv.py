"""RWKV-6 (Peng et al. 2024, "Eagle and Finch") and RWKV-7 (Peng et al. 2025, "Goose") in plain chunkwise PyTorch.

The recurrence of RWKV-6 is GLA's with a bonus (matrix_memory.py); that of RWKV-7 is here, as a function of its operands.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from frame import Block, heads, joined, single
from matrix_memory import gated, solved, unit


def previous(x):
    return F.pad(x[:, :-1], (0, 0, 1, 0))


class ChannelMix(nn.Module):
    """W_v relu(W_k x_k)^2, up to version 6 behind the gate sigmoid(W_r x_r)."""

    def __init__(self, width, inner, has_gate):
        super().__init__()
        self.share = nn.Parameter(torch.rand(2 if has_gate else 1, width))
        self.key, self.value = nn.Linear(width, inner, bias=False), nn.Linear(inner, width, bias=False)
        self.receptance = nn.Linear(width, width, bias=False) if has_gate else None

    def forward(self, x):
        change = previous(x) - x
        written = self.value(F.relu(self.key(x + change * self.share[0])).square())
        return written if self.receptance is None else self.receptance(x + change * self.share[1]).sigmoid() * written


def matrix(rows, columns, size=0.01):
    return nn.Parameter(torch.empty(rows, columns).uniform_(-size, size))


class RWKV6(nn.Module):
    """Token shifts and decays that depend on the token (section 4.2)."""

    def __init__(self, width, H, Q, share_rank=32, decay_rank=64):
        super().__init__()
        self.H, self.Q, self.rank = H, Q, share_rank
        self.common, self.shares = nn.Parameter(torch.rand(width)), nn.Parameter(torch.rand(5, 1, 1, width))
        self.inner = matrix(width, 5 * share_rank)
        self.outer = nn.Parameter(torch.empty(5, share_rank, width).uniform_(-0.01, 0.01))
        self.decay = nn.Parameter(torch.linspace(-6, -1, width))
        self.decay_inner, self.decay_outer = matrix(width, decay_rank), matrix(decay_rank, width)
        self.bonus = nn.Parameter(torch.rand(H, 1, width // H))
        self.key, self.value, self.receptance, self.gate, self.out = (
            nn.Linear(width, width, bias=False) for _ in range(5)
        )
        self.norm = nn.GroupNorm(H, width, eps=64e-5)

    def forward(self, x):
        change = previous(x) - x
        low = ((x + change * self.common) @ self.inner).tanh().unflatten(-1, (5, self.rank))  # [B T 5 R]
        shares = low.flatten(0, 1).transpose(0, 1) @ self.outer  # [5 B·T D]
        w, k, v, r, g = x + change * (shares.unflatten(1, x.shape[:2]) + self.shares)
        decay = -(self.decay + (w @ self.decay_inner).tanh() @ self.decay_outer).exp().clamp(max=10)
        r, k, v, decay = (heads(part, self.H) for part in (self.receptance(r), self.key(k), self.value(v), decay))
        y = joined(gated(r, k, v, decay, self.Q, bonus=self.bonus))
        return self.out(self.norm(y.flatten(0, 1)).view_as(x) * F.silu(self.gate(g)))


# ---------------------------------------------------------------- RWKV-7
# S_t = diag(w_t) S_{t-1} + b_t^T (a_t S_{t-1}) + k_t^T v_t,  y_t = r_t S_t   (section 4; a = -kappa, b = kappa · rate)


def generalised_delta_rule(r, k, v, g, a, b, Q):
    """All but v [B H T V] are [B H T K]; g is log w, of which half a chunk must sum to more than -80 -> y [B H T V].

    With c the sums of g in a chunk, and what a token reads of the state before it u_t = a_t S_{t-1}:
    u = (I - tril(a b^T, -1))^-1 (a S + tril(a k^T, -1) v),  y = r S + tril(r b^T) u + tril(r k^T) v,
    where rows carry exp(c_i) (a: of the token before) and columns exp(-c_j), both around the middle of the chunk.
    """
    n = r.shape[2] // Q
    r, k, v, g, a, b = (x.unflatten(2, (n, Q)) for x in (r, k, v, g, a, b))  # [B H n Q ·]
    c = g.cumsum(3)
    total, middle = c[..., -1:, :], c[..., Q // 2 - 1 : Q // 2, :]
    columns = (middle - c).exp()
    rows = torch.cat([r * (c - middle).exp(), a * (c - g - middle).exp()], 3)  # [B H n 2Q K]
    weights = rows @ torch.cat([k * columns, b * columns], 3).transpose(-1, -2)  # [B H n 2Q 2Q]
    (rk, ak), (rb, ab) = (part.split(Q, 3) for part in weights.split(Q, 4))
    rows = rows * middle.exp()  # around the start
    read, removed = rows.split(Q, 3)
    W, U = solved(ab.tril(-1), torch.cat([removed, ak.tril(-1) @ v], -1)).split([r.shape[-1], v.shape[-1]], -1)
    y, rb = rk.tril() @ v, rb.tril()
    columns = (total - c).exp()
    added, kept, decay = (k * columns).transpose(-1, -2) @ v, (b * columns).transpose(-1, -2), total.exp().transpose(-1, -2)

    S, out = 0, []
    for i in range(n):
        if i == 0:
            u = U[:, :, i]
            out.append(y[:, :, i] + rb[:, :, i] @ u)
        else:
            u = U[:, :, i] + W[:, :, i] @ S
            out.append(y[:, :, i] + rb[:, :, i] @ u + read[:, :, i] @ S)
            S = decay[:, :, i] * S
        S = S + added[:, :, i] + kept[:, :, i] @ u
    return torch.cat(out, 2)


class LowRank(nn.Module):
    def __init__(self, width, rank, bias=True):
        super().__init__()
        self.inner, self.outer = matrix(width, rank), matrix(rank, width)
        self.bias = nn.Parameter(torch.zeros(width)) if bias else 0

    def forward(self, x, f=lambda x: x):
        return self.bias + f(x @ self.inner) @ self.outer


class RWKV7(nn.Module):
    """A removal key, an in-context rate and a decay per channel; layers behind the first mix in the first one's values."""

    def __init__(self, width, H, Q, is_first):
        super().__init__()
        self.H, self.Q = H, Q
        rank = lambda factor: max(32, 32 * round(factor * math.sqrt(width) / 32))
        self.shares = nn.Parameter(torch.rand(6, 1, 1, width))
        self.decay, self.rate = LowRank(width, rank(2.5)), LowRank(width, rank(2.5))
        self.mix = None if is_first else LowRank(width, rank(1.7))
        self.gate = LowRank(width, rank(5), bias=False)
        self.removal_scale, self.rate_share = nn.Parameter(torch.full((width,), 0.7)), nn.Parameter(torch.ones(width))
        self.bonus = nn.Parameter(torch.full((H, 1, width // H), -0.04))
        self.receptance, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.norm = nn.GroupNorm(H, width, eps=64e-5)

    def forward(self, x, first):
        r, w, k, v, a, g = x + (previous(x) - x) * self.shares
        values = self.value(v)
        values = values if first is None else values + (first - values) * self.mix(v).sigmoid()
        r, key, rate = self.receptance(r), self.key(k), self.rate(a).sigmoid()
        decay = -math.exp(-0.5) * single(self.decay(w, torch.tanh)).sigmoid()
        k = key * (1 + (rate - 1) * self.rate_share)
        removal = unit(heads(key * self.removal_scale, self.H), 1e-12)
        r, k, v, rate, decay = (heads(part, self.H) for part in (r, k, values, rate, decay))
        y = generalised_delta_rule(r, k, v, decay, -removal, removal * rate, self.Q)
        y = self.norm(joined(y).flatten(0, 1)).view_as(x) + joined((r * k * self.bonus).sum(-1, keepdim=True) * v)
        return self.out(y * self.gate(g, torch.sigmoid)), values


class RWKV7Block(Block):
    """A block that hands the first layer's values on beside x, to all but the last."""

    def __init__(self, width, H, Q, index, layers, norm):
        super().__init__(width, RWKV7(width, H, Q, index == 0), ChannelMix(width, 4 * width, has_gate=False), norm)
        self.is_last = index == layers - 1

    def forward(self, pair):
        x, first = pair if isinstance(pair, tuple) else (pair, None)
        y, values = self.mixer(self.mixer_norm(x), first)
        x = x + y
        x = x + self.mlp(self.mlp_norm(x))
        return x if self.is_last else (x, values if first is None else first)
