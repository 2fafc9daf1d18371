"""GLA, DeltaNet, Gated DeltaNet and softmax attention, as published, in plain chunkwise PyTorch.

Axes as in models.py, and m subchunks of s tokens in a chunk. Every recurrence is a function of its operands, so that check.py
can hold it against the loop over tokens. Decays come as logarithms, whose sums stay in float32 where products are bf16.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from frame import Rotary, ShortConvolution, heads, joined, rms_norm, single


def entering(decay, added):
    """decay [B H n K 1], added [B H n K V] -> the state in front of each chunk, S_{c+1} = decay_c S_c + added_c."""
    S = [torch.zeros_like(added[:, :, 0])]
    for d, a in zip(decay.unbind(2)[:-1], added.unbind(2)[:-1]):
        S.append(d * S[-1] + a)
    return torch.stack(S, 2)


# ---------------------------------------------------------------- GLA
# S_t = diag(alpha_t) S_{t-1} + k_t^T v_t,  y_t = q_t S_t   (Yang et al. 2023, section 4, secondary chunking)


def gated(q, k, v, g, Q, s=16, bonus=None):
    """q, k, g [B H T K], v [B H T V] -> y [B H T V]; g is log alpha, and more than -10.

    With `bonus` [H 1 K] a token reads the state before it, and its own value by the bonus: RWKV-6.
    A subchunk's products are exp(c_i - c_middle) exp(c_middle - c_j), at most exp(s / 2 · 10); between subchunks the point in
    the middle is the end of the one before, so that both are at most one.
    """
    n, m = q.shape[2] // Q, Q // s
    own = None if bonus is None else (q * bonus * k).sum(-1, keepdim=True) * v
    q, k, v, g = (x.unflatten(2, (n, Q)) for x in (q, k, v, g))  # [B H n Q ·]
    c = g.cumsum(3)
    e = c if bonus is None else c - g  # what a query has seen of the decays
    total = c[..., -1:, :]

    S = entering(total.exp().transpose(-1, -2), (k * (total - c).exp()).transpose(-1, -2) @ v)
    y = (q * e.exp()) @ S

    qs, ks, vs, cs, es = (x.unflatten(3, (m, s)) for x in (q, k, v, c, e))  # [B H n m s ·]
    middle = cs[..., s // 2 - 1 : s // 2, :]
    weights = (qs * (es - middle).exp()) @ (ks * (middle - cs).exp()).transpose(-1, -2)  # [B H n m s s]
    parts = list((weights.tril(0 if bonus is None else -1) @ vs).unbind(3))
    for i in range(1, m):
        before = i * s
        start = c[..., before - 1 : before, :]
        past = k[..., :before, :] * (start - c[..., :before, :]).exp()
        parts[i] = parts[i] + (qs[..., i, :, :] * (es[..., i, :, :] - start).exp()) @ past.transpose(-1, -2) @ v[..., :before, :]
    y = (y + torch.cat(parts, 3)).flatten(2, 3)
    return y if own is None else y + own


class GLA(nn.Module):
    """Keys half as wide as the model, decays of low rank to the power of 1/16, a swish gate (section 4.4)."""

    def __init__(self, width, H, Q, rank=16, temperature=16):
        super().__init__()
        self.H, self.Q, self.temperature, self.scale = H, Q, temperature, (width // 2 // H) ** -0.5
        self.sizes = [width // 2, width // 2, width, width, rank]
        self.project = nn.Linear(width, sum(self.sizes), bias=False)
        self.decay = nn.Linear(rank, width // 2)
        self.norm = rms_norm(width // H)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x):
        q, k, v, gate, low = self.project(x).split(self.sizes, dim=-1)
        g = F.logsigmoid(single(self.decay(low))) / self.temperature
        y = gated(heads(q, self.H) * self.scale, heads(k, self.H), heads(v, self.H), heads(g, self.H), self.Q)
        return self.out(joined(self.norm(y)) * F.silu(gate))


# ---------------------------------------------------------------- DeltaNet and Gated DeltaNet
# S_t = alpha_t (I - beta_t k_t^T k_t) S_{t-1} + beta_t k_t^T v_t,  y_t = q_t S_t
# (Yang et al. 2024, "Parallelizing", section 3; Yang et al. 2024, "Gated Delta Networks", section 3.3)


def solved(A, b):
    """(I - A)^-1 b, A strictly lower triangular; in float32, as there is no other solver."""
    with torch.autocast("cpu", enabled=False):
        return torch.linalg.solve_triangular(-single(A), single(b), upper=False, unitriangular=True)


def delta_rule(q, k, v, beta, Q, g=None):
    """q, k [B H T K], v [B H T V], beta [B H T 1], g [B H T] or None for no decay -> y [B H T V], by the WY form."""
    n = q.shape[2] // Q
    q, k, v, beta = (x.unflatten(2, (n, Q)) for x in (q, k, v, beta))  # [B H n Q ·]
    read, removed, kept, decay = q, k * beta, k, None
    similar = removed @ k.transpose(-1, -2)
    weights = q @ k.transpose(-1, -2)
    if g is not None:
        c = g.unflatten(2, (n, Q)).cumsum(-1)[..., None]
        inside = (c - c.transpose(-1, -2)).tril().exp()
        similar, weights, total = similar * inside, weights * inside, c[..., -1:, :]
        read, removed, kept, decay = q * c.exp(), removed * c.exp(), k * (total - c).exp(), total.exp()
    weights = weights.tril()
    W, U = solved(-similar.tril(-1), torch.cat([removed, v * beta], -1)).split([k.shape[-1], v.shape[-1]], -1)

    S, y = 0, []
    for i in range(n):
        if i == 0:
            u = U[:, :, i]
            y.append(weights[:, :, i] @ u)
        else:
            u = U[:, :, i] - W[:, :, i] @ S
            y.append(weights[:, :, i] @ u + read[:, :, i] @ S)
            S = S if decay is None else decay[:, :, i] * S
        S = S + kept[:, :, i].transpose(-1, -2) @ u
    return torch.cat(y, 2)


def unit(x, epsilon=1e-6):
    return x * (x.square().sum(-1, keepdim=True) + epsilon).rsqrt()


class DeltaNet(nn.Module):
    """Short convolutions, silu, queries and keys of unit length (section 3.4)."""

    def __init__(self, width, H, Q):
        super().__init__()
        self.H, self.Q, self.scale, self.sizes = H, Q, (width // H) ** -0.5, [3 * width, H]
        self.project = nn.Linear(width, sum(self.sizes), bias=False)
        self.conv = ShortConvolution(3 * width, 4, bias=False)
        self.norm = rms_norm(width // H)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x):
        qkv, beta = self.project(x).split(self.sizes, dim=-1)
        q, k, v = (heads(part, self.H) for part in F.silu(self.conv(qkv)).chunk(3, dim=-1))
        y = delta_rule(unit(q) * self.scale, unit(k), v, heads(beta.sigmoid(), self.H), self.Q)
        return self.out(joined(self.norm(y)))


class GatedDeltaNet(nn.Module):
    """Three quarters of the width for keys, twice that for values, Mamba-2's decays, a swish gate (section 3.4)."""

    def __init__(self, width, H, Q):
        super().__init__()
        keys = 3 * width // 4
        self.H, self.Q, self.scale = H, Q, (keys // H) ** -0.5
        self.sizes, self.parts = [4 * keys, 2 * keys, H, H], [keys, keys, 2 * keys]
        self.project = nn.Linear(width, sum(self.sizes), bias=False)
        self.conv = ShortConvolution(4 * keys, 4, bias=False)
        self.A_log = nn.Parameter(torch.empty(H).uniform_(1e-3, 16).log())
        dt = torch.exp(torch.empty(H).uniform_(math.log(1e-3), math.log(1e-1)))
        self.dt_bias = nn.Parameter(dt + torch.log(-torch.expm1(-dt)))
        self.norm = rms_norm(2 * keys // H)
        self.out = nn.Linear(2 * keys, width, bias=False)

    def forward(self, x):
        qkv, gate, beta, dt = self.project(x).split(self.sizes, dim=-1)
        q, k, v = (heads(part, self.H) for part in F.silu(self.conv(qkv)).split(self.parts, dim=-1))
        g = -self.A_log.exp() * F.softplus(dt + self.dt_bias)  # [B T H]
        beta = heads(beta.sigmoid(), self.H)
        y = delta_rule(unit(q) * self.scale, unit(k), v, beta, self.Q, g.transpose(1, 2))
        return self.out(joined(self.norm(y)) * F.silu(gate))


# ---------------------------------------------------------------- Softmax attention
# y_t = sum_s softmax_s(q_t k_s / sqrt(K)) v_s   (Vaswani et al. 2017, section 3.2; Su et al. 2021)


class Attention(nn.Module):
    """Llama's: rotated queries and keys, no biases; the attention is PyTorch's own kernel."""

    def __init__(self, width, H):
        super().__init__()
        self.H, self.rotate = H, Rotary(width // H)
        self.project = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, x):
        q, k, v = (heads(part, self.H) for part in self.project(x).chunk(3, dim=-1))
        q, k = self.rotate(q).to(v.dtype), self.rotate(k).to(v.dtype)
        return self.out(joined(F.scaled_dot_product_attention(q, k, v, is_causal=True)))
