"""Holds every chunkwise form of models.py against its recurrence, token by token in Double: a wrong peer is no yardstick."""

import torch
import torch.nn.functional as F

import matrix_memory
import models
import rwkv

torch.manual_seed(1)
torch.set_default_dtype(torch.float64)
B, H, T, K, V, N = 2, 3, 48, 5, 7, 4


def retention_loop(q, k, v, gamma, normalise):
    S, keys, y = torch.zeros(B, H, K, V), torch.zeros(B, H, K), []
    for t in range(T):
        S = gamma[:, None, None] * S + k[:, :, t, :, None] * v[:, :, t, None]
        keys = gamma[:, None] * keys + k[:, :, t]
        y_t = torch.einsum("bhk,bhkv->bhv", q[:, :, t], S)
        y.append(y_t / ((q[:, :, t] * keys).sum(-1, keepdim=True) + 1e-6) if normalise else y_t)
    return torch.stack(y, 2)


def ssd_loop(x, a, B_, C):
    S, y = torch.zeros(B, H, N, V), []
    for t in range(T):
        S = a[:, t].exp()[..., None, None] * S + B_[:, t, None, :, None] * x[:, t, :, None]
        y.append(torch.einsum("bn,bhnv->bhv", C[:, t], S))
    return torch.stack(y, 1)


def scan_loop(b, log_decay):
    x, out = torch.zeros(N, B, dtype=b.dtype), []
    for t in range(T):
        x = log_decay.exp()[:, None] * x + b[:, t]
        out.append(x)
    return torch.stack(out, 1)


def s4d_loop(layer, u):  # u [B D T]
    dtA, C = layer.discrete()
    x, y = 0, []
    for t in range(T):
        x = dtA.exp() * x + u[:, :, t, None]
        y.append(2 * (C * x).sum(-1).real)
    return torch.stack(y, 2)


def memory_loop(r, k, v, g, a=None, b=None, bonus=None):
    """S_t = diag(exp g_t) S_{t-1} + b_t^T (a_t S_{t-1}) + k_t^T v_t; read behind the token, or before it with its bonus."""
    S, y = torch.zeros(B, H, K, V), []
    for t in range(T):
        before, own = S, k[:, :, t, :, None] * v[:, :, t, None]
        S = g[:, :, t, :, None].exp() * S + own
        if a is not None:
            S = S + b[:, :, t, :, None] * torch.einsum("bhk,bhkv->bhv", a[:, :, t], before)[:, :, None]
        seen = S if bonus is None else before + bonus.transpose(1, 2) * own
        y.append(torch.einsum("bhk,bhkv->bhv", r[:, :, t], seen))
    return torch.stack(y, 2)


def attention_loop(q, k, v):
    scores = [torch.einsum("bhk,bhsk->bhs", q[:, :, t], k[:, :, : t + 1]) * K**-0.5 for t in range(T)]
    return torch.stack([torch.einsum("bhs,bhsv->bhv", x.softmax(-1), v[:, :, : x.shape[-1]]) for x in scores], 2)


def report(name, found, expected):
    error = ((found - expected).norm() / expected.norm()).item()
    print(f"{name:32} {error:.1e}")
    assert error < 1e-12, f"{name}: the chunkwise form departs from the recurrence"


with torch.no_grad():
    q, k, v = torch.rand(B, H, T, K), torch.rand(B, H, T, K), torch.randn(B, H, T, V)
    for normalise, gamma in ((False, 1 - 2.0 ** (-2 - torch.arange(H))), (True, torch.ones(H))):
        for Q in (8, 16, 48):
            found = models.retention(q, k, v, gamma, Q, normalise)
            report(f"retention, Q {Q}, normalised {normalise}", found, retention_loop(q, k, v, gamma, normalise))
    x, a = torch.randn(B, T, H, V), -torch.rand(B, T, H)
    B_, C = torch.randn(B, T, N), torch.randn(B, T, N)
    for Q in (8, 16, 48):
        report(f"ssd, Q {Q}", models.ssd(x, a, B_, C, Q), ssd_loop(x, a, B_, C))
    b, log_decay = torch.randn(N, T, B, dtype=torch.complex128), torch.complex(-torch.rand(N), torch.randn(N))
    for Q in (4, 8, 48):
        report(f"scan, Q {Q}", models.scan(b, log_decay, Q), scan_loop(b, log_decay))
    layer, u = models.S4D(6, 8), torch.randn(B, 6, T)
    report("s4d", models.causal_convolution(u, layer.kernel(T)), s4d_loop(layer, u))
    r, k, v = torch.randn(B, H, T, K), matrix_memory.unit(torch.randn(B, H, T, K)), torch.randn(B, H, T, V)
    g, bonus, beta, rate = -4 * torch.rand(B, H, T, K), torch.randn(H, 1, K), torch.rand(B, H, T, 1), torch.rand(B, H, T, K)
    for Q, s in ((8, 4), (16, 16), (48, 8)):
        report(f"gla, Q {Q}, s {s}", matrix_memory.gated(r, k, v, g, Q, s), memory_loop(r, k, v, g))
        found = matrix_memory.gated(r, k, v, g, Q, s, bonus)
        report(f"rwkv6, Q {Q}, s {s}", found, memory_loop(r, k, v, g, bonus=bonus))
    for Q in (8, 16, 48):
        found = matrix_memory.delta_rule(r, k, v, beta, Q)
        report(f"deltanet, Q {Q}", found, memory_loop(r, k, beta * v, 0 * g, k, -beta * k))
        scalar = g[..., 0]
        found = matrix_memory.delta_rule(r, k, v, beta, Q, scalar)
        same = scalar[..., None].expand_as(g)
        report(f"gated-deltanet, Q {Q}", found, memory_loop(r, k, beta * v, same, k, -same.exp() * beta * k))
        found = rwkv.generalised_delta_rule(r, k, v, 0.15 * g, -k, k * rate, Q)
        report(f"rwkv7, Q {Q}", found, memory_loop(r, k, v, 0.15 * g, -k, k * rate))
    report("attention", F.scaled_dot_product_attention(r, k, v, is_causal=True), attention_loop(r, k, v))
