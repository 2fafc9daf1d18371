"""Holds every chunkwise form of models.py against its recurrence, token by token in Double: a wrong peer is no yardstick."""

import torch

import models

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
