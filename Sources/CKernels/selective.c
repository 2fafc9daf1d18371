// Mamba's selective scan. Sixteen channels run side by side in the lanes, so B_t and C_t are scalars that every lane
// shares and no sum over the state crosses lanes. The backward recomputes a chunk's states from the state at its start.
#include "runnel_selective.h"
#include "vector.h"

// Rows are pages apart, where no processor looks ahead by itself: cache lines are asked for this many tokens in advance.
enum { AHEAD = 8 };

LEAF(void, runnel_to_lanes,
    (ptrdiff_t width, ptrdiff_t N, const float *restrict x, float *restrict lanes),
    (width, N, x, lanes)) {
  for (ptrdiff_t n = 0; n < N; n++) {
    for (ptrdiff_t e = 0; e < width; e++) lanes[n * LANES + e] = x[e * N + n];
    for (ptrdiff_t e = width; e < LANES; e++) lanes[n * LANES + e] = 0;
  }
}

LEAF(void, runnel_from_lanes,
    (ptrdiff_t width, ptrdiff_t N, const float *restrict lanes, float *restrict x),
    (width, N, lanes, x)) {
  for (ptrdiff_t e = 0; e < width; e++)
    for (ptrdiff_t n = 0; n < N; n++) x[e * N + n] = lanes[n * LANES + e];
}

LEAF(void, runnel_sum_lanes, (ptrdiff_t n, const float *restrict lanes, float *restrict x), (n, lanes, x)) {
  for (ptrdiff_t i = 0; i < n; i++) {
#pragma clang fp reassociate(on)
    float sum = 0;
    for (int l = 0; l < LANES; l++) sum += lanes[i * LANES + l];
    x[i] = sum;
  }
}

// One token of at most sixteen channels, the N states of one in the lanes.
INLINE void step_channels(
    ptrdiff_t width, ptrdiff_t N, const float *restrict u, const float *restrict delta, const float *restrict A,
    const float *restrict B, const float *restrict C, const float *restrict D, float *restrict state,
    float *restrict y) {
  v16 totals[LANES] = {0};
  float rest[LANES] = {0};
  for (ptrdiff_t e = 0; e < width; e++) {
    float dt = delta[e], input = dt * u[e], rate = dt * LOG2_E;
    float *h = state + e * N;
    const float *Ae = A + e * N;
    ptrdiff_t n = 0;
    for (; n + LANES <= N; n += LANES) {
      v16 hn = exp2_16(rate * load16(Ae + n)) * load16(h + n) + input * load16(B + n);
      store16(h + n, hn);
      totals[e] += hn * load16(C + n);
    }
    for (; n < N; n++) {
      h[n] = exp1(dt * Ae[n]) * h[n] + input * B[n];
      rest[e] += h[n] * C[n];
    }
    if (D) rest[e] += D[e] * u[e];
  }
  v16 sum = sums16(totals) + load16(rest);
  STORE_WIDTH(y, sum);
}

LEAF(void, runnel_selective_step,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, const float *restrict u,
     const float *restrict delta, const float *restrict A, const float *restrict B, const float *restrict C,
     const float *restrict D, float *restrict state, float *restrict y),
    (steps, width, stride, N, u, delta, A, B, C, D, state, y)) {
  for (ptrdiff_t t = 0; t < steps; t++)
    for (ptrdiff_t e = 0, i = t * stride; e < width; e += LANES, i += LANES)
      step_channels(
          width - e < LANES ? width - e : LANES, N, u + i, delta + i, A + e * N, B + t * N, C + t * N,
          D ? D + e : NULL, state + e * N, y + i);
}

LEAF(void, runnel_selective_gated_step,
    (ptrdiff_t width, ptrdiff_t N, const float *restrict u, const float *restrict raw,
     const float *restrict bias, const float *restrict A, const float *restrict B, const float *restrict C,
     const float *restrict D, const float *restrict gate, float *restrict state, float *restrict y),
    (width, N, u, raw, bias, A, B, C, D, gate, state, y)) {
  for (ptrdiff_t e = 0; e < width; e += LANES) {
    ptrdiff_t n = width - e < LANES ? width - e : LANES;
    float delta[LANES];
    for (ptrdiff_t i = 0; i < n; i++) delta[i] = softplus1(raw[e + i] + bias[e + i]);
    step_channels(n, N, u + e, delta, A + e * N, B, C, D ? D + e : NULL, state + e * N, y + e);
    for (ptrdiff_t i = 0; i < n; i++) y[e + i] *= silu1(gate[e + i]);
  }
}

LEAF(void, runnel_selective_scan,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, const float *restrict u,
     const float *restrict delta, const float *restrict A, const float *restrict B, const float *restrict C,
     const float *restrict D, float *restrict h, float *restrict y),
    (steps, width, stride, N, u, delta, A, B, C, D, h, y)) {
  v16 skip = load16(D);
  for (ptrdiff_t t = 0; t < steps; t++) {
    ptrdiff_t later = (t + AHEAD) * stride;
    __builtin_prefetch(delta + later);
    __builtin_prefetch(u + later);
    __builtin_prefetch(y + later, 1);
    v16 dt = LOAD_WIDTH(delta + t * stride), ut = LOAD_WIDTH(u + t * stride);
    v16 rate = dt * LOG2_E, input = dt * ut, sum = skip * ut;
    const float *Bt = B + t * N, *Ct = C + t * N;
    for (ptrdiff_t n = 0; n < N; n++) {
      v16 hn = exp2_16(rate * load16(A + n * LANES)) * load16(h + n * LANES) + input * Bt[n];
      store16(h + n * LANES, hn);
      sum += hn * Ct[n];
    }
    STORE_WIDTH(y + t * stride, sum);
  }
}

LEAF(void, runnel_selective_backward,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, const float *restrict u,
     const float *restrict delta, const float *restrict A, const float *restrict B, const float *restrict C,
     const float *restrict D, const float *restrict start, const float *restrict dy, float *restrict dstate,
     float *restrict du, float *restrict ddelta, float *restrict dA, float *restrict dD,
     float *restrict dB_lanes, float *restrict dC_lanes, float *restrict scratch),
    (steps, width, stride, N, u, delta, A, B, C, D, start, dy, dstate, du, ddelta, dA, dD, dB_lanes, dC_lanes,
     scratch)) {
  ptrdiff_t row = N * LANES;
  float *restrict h = scratch;                                       // [steps + 1, N, 16], the start first
  float *restrict decay = h + (steps + 1) * row;                    // [steps, N, 16]
  memcpy(h, start, (size_t)row * sizeof(float));
  for (ptrdiff_t t = 0; t < steps; t++) {
    // For the loop below.
    __builtin_prefetch(dy + t * stride);
    __builtin_prefetch(du + t * stride, 1);
    __builtin_prefetch(ddelta + t * stride, 1);
    v16 dt = LOAD_WIDTH(delta + t * stride), input = dt * LOAD_WIDTH(u + t * stride), rate = dt * LOG2_E;
    const float *Bt = B + t * N;
    for (ptrdiff_t i = 0, n = 0; n < N; n++, i += LANES) {
      v16 a = exp2_16(rate * load16(A + i));
      store16(decay + t * row + i, a);
      store16(h + (t + 1) * row + i, a * load16(h + t * row + i) + input * Bt[n]);
    }
  }
  v16 skip = load16(D), dskip = {0};
  for (ptrdiff_t t = steps - 1; t >= 0; t--) {
    v16 dt = LOAD_WIDTH(delta + t * stride), ut = LOAD_WIDTH(u + t * stride), dyt = LOAD_WIDTH(dy + t * stride);
    v16 input = dt * ut, dinput = {0}, ddt = {0};
    const float *Bt = B + t * N, *Ct = C + t * N;
    float *dBt = dB_lanes + t * row, *dCt = dC_lanes + t * row;
    for (ptrdiff_t i = 0, n = 0; n < N; n++, i += LANES) {
      v16 a = load16(decay + t * row + i), before = load16(h + t * row + i);
      v16 d = load16(dstate + i) + dyt * Ct[n];
      store16(dCt + i, load16(dCt + i) + dyt * load16(h + (t + 1) * row + i));
      store16(dBt + i, load16(dBt + i) + d * input);
      dinput += d * Bt[n];
      v16 back = d * a, exponent = back * before;
      store16(dA + i, load16(dA + i) + exponent * dt);
      ddt += exponent * load16(A + i);
      store16(dstate + i, back);
    }
    STORE_WIDTH(ddelta + t * stride, ddt + dinput * ut);
    STORE_WIDTH(du + t * stride, dinput * dt + skip * dyt);
    dskip += dyt * ut;
  }
  store16(dD, load16(dD) + dskip);
}
