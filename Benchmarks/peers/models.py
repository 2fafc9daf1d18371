"""RetNet, linear attention, Mamba-2, S4D and LRU: each architecture as published, in its plain chunkwise PyTorch form.

Axes: B batch, T time, n chunks, Q chunk, H heads, K key width, V value width, N state, D width.
Every recurrence is a function of its operands, so that check.py can hold it against the loop over tokens.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from frame import Rotary, ShortConvolution, heads, joined, single

# ---------------------------------------------------------------- RetNet and linear attention
# S_t = gamma S_{t-1} + k_t^T v_t,  y_t = q_t S_t   (Sun et al. 2023, eqs. 5 to 7; gamma = 1: Katharopoulos et al. 2020)


def retention(q, k, v, gamma, Q, normalise=False):
    """q, k [B H T K], v [B H T V], gamma [H] -> y [B H T V]; `normalise` divides by q_t times the sum of the keys."""
    B, H, T, K = q.shape
    n = T // Q
    q, k, v = (x.unflatten(2, (n, Q)) for x in (q, k, v))  # [B H n Q ·]
    gamma = gamma.view(H, 1, 1, 1)
    i = torch.arange(Q)
    inside = (gamma ** (i[:, None] - i).clamp(min=0)).tril()  # [H 1 Q Q]
    c = torch.arange(n)
    between = (gamma ** (Q * (c[:, None] - c - 1)).clamp(min=0)).tril(-1).squeeze(1)  # [H n n]
    to_end, from_start = gamma ** (Q - 1 - i)[:, None], gamma ** (i + 1)[:, None]  # [H 1 Q 1]

    scores = q @ k.transpose(-1, -2) * inside
    k = k * to_end
    kv = k.transpose(-1, -2) @ v  # [B H n K V]
    S = (between @ kv.flatten(3)).view_as(kv)  # the state that enters each chunk
    q = q * from_start
    y = scores @ v + q @ S
    if normalise:
        keys = between @ k.sum(3)  # [B H n K]
        y = y / (scores.sum(-1, keepdim=True) + q @ keys[..., None] + 1e-6)
    return y.flatten(2, 3)


class RetNet(nn.Module):
    """Rotary queries and keys, values twice the width, a norm per head, a swish gate (section 2.2)."""

    def __init__(self, width, H, Q):
        super().__init__()
        self.H, self.Q, self.K, self.V = H, Q, width // H, 2 * width // H
        self.sizes = [width, width, 2 * width, 2 * width]
        self.project = nn.Linear(width, sum(self.sizes), bias=False)  # q, k, v and the gate in one product
        self.out = nn.Linear(2 * width, width, bias=False)
        self.norm = nn.LayerNorm(self.V, elementwise_affine=False)  # the group norm: one group a head, for each token
        self.register_buffer("gamma", 1 - 2.0 ** (-5 - torch.arange(H)))
        self.rotate = Rotary(self.K)

    def forward(self, x):
        q, k, v, gate = self.project(x).split(self.sizes, dim=-1)
        q, k = self.rotate(heads(q, self.H)), self.rotate(heads(k, self.H)) * self.K**-0.5
        y = retention(q, k, heads(v, self.H), self.gamma, self.Q)
        return self.out(F.silu(gate) * self.norm(y.transpose(1, 2)).flatten(2))


class LinearAttention(nn.Module):
    """The feature map elu(x) + 1, and the normaliser."""

    def __init__(self, width, H, Q):
        super().__init__()
        self.H, self.Q = H, Q
        self.project = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.register_buffer("gamma", torch.ones(H))

    def forward(self, x):
        q, k, v = (heads(part, self.H) for part in self.project(x).chunk(3, dim=-1))
        y = retention(F.elu(q) + 1, F.elu(k) + 1, v, self.gamma, self.Q, normalise=True)
        return self.out(joined(y))


# ---------------------------------------------------------------- Mamba-2
# S_t = exp(dt_t A) S_{t-1} + B_t^T (dt_t x_t),  y_t = C_t S_t + D x_t   (Dao & Gu 2024, section 6, listing 1)


def decays(a):
    """a [... Q] -> exp(a_{j+1} + … + a_i) at [i, j] for j <= i, and 0 above the diagonal."""
    c = a.cumsum(-1)
    Q = a.shape[-1]
    return (c[..., :, None] - c[..., None, :]).masked_fill(torch.ones(Q, Q, dtype=torch.bool).triu(1), -torch.inf).exp()


def ssd(x, a, B, C, Q):
    """x [b T H P] (already times dt), a [b T H] (dt A), B and C [b T N], shared by the heads -> y [b T H P]."""
    b, T, H, P = x.shape
    x, a, B, C = (t.unflatten(1, (T // Q, Q)) for t in (x, a, B, C))  # [b n Q ·]
    a = a.transpose(2, 3)  # [b n H Q]
    c = a.cumsum(-1)
    total = c[..., -1]  # [b n H]

    weights = (C @ B.transpose(-1, -2)).unsqueeze(2) * decays(a)  # [b n H Q Q]
    y = (weights @ x.transpose(2, 3)).transpose(2, 3)  # [b n Q H P]

    to_end = (total[..., None] - c).exp().transpose(2, 3)  # [b n Q H]
    ends = B.transpose(-1, -2) @ (x * to_end[..., None]).flatten(3)  # what each chunk adds to the state: [b n N H·P]
    between = decays(F.pad(total.transpose(1, 2), (1, 0)))[..., :-1, 1:].tril(-1)  # [b H n n]
    ends = ends.unflatten(-1, (H, P)).permute(0, 3, 1, 2, 4)  # [b H n N P]
    S = (between @ ends.flatten(3)).unflatten(-1, ends.shape[-2:])  # the state that enters each chunk
    S = S.permute(0, 2, 3, 1, 4).flatten(3)  # [b n N H·P]
    y = y + (C @ S).unflatten(-1, (H, P)) * c.transpose(2, 3).exp()[..., None]
    return y.flatten(1, 2)


class Mamba2(nn.Module):
    def __init__(self, width, P, N, Q, kernel=4):
        super().__init__()
        inner = 2 * width
        self.H, self.P, self.N, self.Q = inner // P, P, N, Q
        self.sizes = [inner, inner + 2 * N, self.H]
        self.project = nn.Linear(width, sum(self.sizes), bias=False)
        self.conv = ShortConvolution(inner + 2 * N, kernel, bias=True)
        self.A_log = nn.Parameter(torch.arange(1.0, self.H + 1).log())
        dt = torch.exp(torch.empty(self.H).uniform_(math.log(1e-3), math.log(1e-1)))
        self.dt_bias = nn.Parameter(dt + torch.log(-torch.expm1(-dt)))
        self.D = nn.Parameter(torch.ones(self.H))
        self.norm = nn.RMSNorm(inner, eps=1e-5)
        self.out = nn.Linear(inner, width, bias=False)

    def forward(self, u):
        z, xBC, dt = self.project(u).split(self.sizes, dim=-1)
        xBC = F.silu(self.conv(xBC))
        x, B, C = xBC.split([self.H * self.P, self.N, self.N], dim=-1)
        x, dt = x.unflatten(-1, (self.H, self.P)), F.softplus(dt + self.dt_bias)
        y = ssd(x * dt[..., None], -dt * self.A_log.exp(), B, C, self.Q) + self.D[:, None] * x
        return self.out(self.norm(y.flatten(2) * F.silu(z)))


# ---------------------------------------------------------------- S4D
# x' = A x + B u, y = Re(C x) + D u, held for dt: a convolution with K_l = 2 Re(C (exp(dt A) - 1) / A exp(l dt A))
# (Gu et al. 2022, sections 3 and 4, S4D-Lin, B = 1; N counts both of each conjugate pair)


def causal_convolution(u, kernel):
    """u [B D T], kernel [D T] -> [B D T], by an FFT of twice the length."""
    T = u.shape[-1]
    return torch.fft.irfft(torch.fft.rfft(u, 2 * T) * torch.fft.rfft(kernel, 2 * T), 2 * T)[..., :T]


class S4D(nn.Module):
    def __init__(self, width, N):
        super().__init__()
        self.log_dt = nn.Parameter(torch.empty(width).uniform_(math.log(1e-3), math.log(1e-1)))
        self.C = nn.Parameter(torch.randn(width, N // 2, 2) * 0.5**0.5)
        self.log_A_real = nn.Parameter(torch.full((width, N // 2), math.log(0.5)))
        self.A_imag = nn.Parameter(math.pi * torch.arange(N // 2).repeat(width, 1))
        self.D = nn.Parameter(torch.randn(width))
        self.gelu, self.out = nn.GELU(), nn.Linear(width, 2 * width)

    def discrete(self):
        A = torch.complex(-self.log_A_real.exp(), self.A_imag)  # [D N/2]
        dtA = A * self.log_dt.exp()[:, None]
        return dtA, torch.view_as_complex(self.C) * torch.expm1(dtA) / A

    def kernel(self, T):
        dtA, C = self.discrete()
        powers = torch.exp(dtA[..., None] * torch.arange(T))  # [D N/2 T]
        return 2 * (C.unsqueeze(1) @ powers).squeeze(1).real

    def forward(self, u):
        u = u.transpose(1, 2)
        y = causal_convolution(u, self.kernel(u.shape[-1])) + u * self.D[:, None]
        return F.glu(self.out(self.gelu(y.transpose(1, 2))), dim=-1)


# ---------------------------------------------------------------- LRU
# x_t = lambda x_{t-1} + gamma B u_t,  y_t = Re(C x_t) + D u_t   (Orvieto et al. 2023, sections 3 and B)


def scan(b, log_decay, Q):
    """b [N T B], log_decay [N], both complex -> x_t = exp(log_decay) x_{t-1} + b_t, Q tokens at a time, the chunks' ends likewise."""
    N, T, B = b.shape
    Q = min(Q, T)
    i = torch.arange(Q)
    inside = torch.exp(log_decay[:, None, None] * (i[:, None] - i).clamp(min=0)).tril()  # [N Q Q]
    if Q == T:
        return inside @ b
    chunks = b.unflatten(1, (T // Q, Q)).transpose(1, 2).flatten(2)  # [N Q n·B]
    x = (inside @ chunks).unflatten(2, (T // Q, B))  # [N Q n B]
    carry = F.pad(scan(x[:, -1], log_decay * Q, Q)[:, :-1], (0, 0, 1, 0))  # [N n B]
    x = x + torch.exp(log_decay[:, None] * (i + 1))[..., None, None] * carry[:, None]
    return x.transpose(1, 2).flatten(1, 2)


class LRU(nn.Module):
    def __init__(self, width, N, Q, r_min=0.9, r_max=0.999):
        super().__init__()
        self.Q = Q
        radius = torch.empty(N).uniform_(r_min**2, r_max**2).sqrt()
        self.nu_log = nn.Parameter((-radius.log()).log())
        self.theta_log = nn.Parameter(torch.empty(N).uniform_(1e-3, math.pi / 10).log())
        self.gamma_log = nn.Parameter((1 - radius**2).sqrt().log())
        self.B = nn.Linear(width, 2 * N, bias=False)  # real and imaginary parts side by side
        self.C = nn.Linear(2 * N, width, bias=False)
        self.D = nn.Parameter(torch.randn(width))
        self.gelu, self.out = nn.GELU(), nn.Linear(width, 2 * width)

    def forward(self, u):
        log_decay = torch.complex(-self.nu_log.exp(), self.theta_log.exp())
        b = torch.view_as_complex(single(self.B(u)).unflatten(-1, (-1, 2))) * self.gamma_log.exp()  # [B T N]
        x = scan(b.permute(2, 1, 0).contiguous(), log_decay, self.Q)
        y = self.C(torch.view_as_real(x.permute(2, 1, 0)).flatten(-2)) + self.D * u
        return F.glu(self.out(self.gelu(y)), dim=-1)
