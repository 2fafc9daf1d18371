// HiPPO-LegS in O(N) a sample. With k = 1 / (t + a (n + 1)) the running sum of runnel_hippo.h is a linear recurrence,
//   W_{n+1} = (1 - a k (2n + 1)) W_n + r_n (1 - a k (n + 1)) c_n,
// one multiplication and addition deep.
#include "runnel_hippo.h"
#include "vector.h"

typedef double v8 __attribute__((vector_size(64)));
enum { WAVE = 8, BLOCK = 64 };

INLINE void legs_step(
    ptrdiff_t N, double t, double alpha, const double *restrict root, double f, double *restrict c) {
  double k[BLOCK], p[BLOCK], q[BLOCK], w[BLOCK], W = -f;
  for (ptrdiff_t first = 0; first < N; first += BLOCK) {
    ptrdiff_t count = N - first < BLOCK ? N - first : BLOCK;
    const double *r = root + first;
    double *now = c + first, n1 = (double)(first + 1);
    for (int i = 0; i < count; i++) {
      double n = n1 + i, ki = 1 / (t + alpha * n), ak = alpha * ki;
      k[i] = ki;
      p[i] = 1 - ak * (2 * n - 1);
      q[i] = r[i] * now[i] * (1 - ak * n);
    }
    for (ptrdiff_t i = 0; i < count; i++) {
      w[i] = W;
      W = p[i] * W + q[i];
    }
    for (int i = 0; i < count; i++) now[i] -= k[i] * ((n1 + i) * now[i] + r[i] * w[i]);
  }
}

// Eight samples as a wave: lane j works for sample j on n = i - j, on what lane j - 1 left there one turn before. Lanes
// outside 0 <= n < N compute what no other lane ever reads.
INLINE void legs_wave(
    ptrdiff_t N, double time, double advance, double alpha, const double *restrict root, const double *restrict f,
    double *c) {
  v8 lane = {0, 1, 2, 3, 4, 5, 6, 7}, t = time + advance * lane, n = 1 - lane;
  v8 W = {0}, after = {0}, r = {0};
  for (ptrdiff_t i = 0; i < N + WAVE - 1; i++, n += 1) {
    v8 fresh = {i < N ? c[i] : 0}, root_fresh = {i < N ? root[i] : 0};
    v8 now = __builtin_shufflevector(fresh, after, 0, 8, 9, 10, 11, 12, 13, 14);
    r = __builtin_shufflevector(root_fresh, r, 0, 8, 9, 10, 11, 12, 13, 14);
    if (i < WAVE) W[i] = -f[i];
    v8 k = 1 / (t + alpha * n), ak = alpha * k;
    v8 p = 1 - ak * (2 * n - 1), q = r * now * (1 - ak * n);
    after = now - k * (n * now + r * W);
    W = p * W + q;
    if (i >= WAVE - 1) c[i - (WAVE - 1)] = after[WAVE - 1];
  }
}

LEAF(void, runnel_legs,
    (ptrdiff_t steps, ptrdiff_t N, double time, double advance, double alpha, const double *root, const double *f,
     double *c),
    (steps, N, time, advance, alpha, root, f, c)) {
  for (; steps >= WAVE; steps -= WAVE, f += WAVE, time += WAVE * advance)
    legs_wave(N, time, advance, alpha, root, f, c);
  for (; steps > 0; steps--, f++, time += advance) legs_step(N, time, alpha, root, *f, c);
}

// The four factors of one token, [4, N]: c' = a c - b W, W' = p W + s c.
INLINE void legs_factors(
    ptrdiff_t N, float t, float alpha, const float *restrict root, float *restrict factors) {
  float *restrict a = factors, *restrict b = a + N, *restrict p = b + N, *restrict s = p + N;
  for (int i = 0; i < N; i++) {
    float n = (float)(i + 1), k = 1 / (t + alpha * n), ak = alpha * k;
    a[i] = 1 - k * n;
    b[i] = k * root[i];
    p[i] = 1 - ak * (2 * n - 1);
    s[i] = root[i] * (1 - ak * n);
  }
}

LEAF(void, runnel_legs_scan,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, float time, float alpha,
     const float *restrict root, const float *restrict f, const float *restrict C, const float *restrict D,
     float *restrict c, float *restrict y, float *restrict factors),
    (steps, width, stride, N, time, alpha, root, f, C, D, c, y, factors)) {
  const float *a = factors, *b = a + N, *p = b + N, *s = p + N;
  v16 skip = load16(D);
  for (ptrdiff_t t = 0; t < steps; t++) {
    legs_factors(N, time + (float)t, alpha, root, factors);
    v16 ft = LOAD_WIDTH(f + t * stride), W = -ft, sum = skip * ft;
    for (ptrdiff_t i = 0, n = 0; n < N; n++, i += LANES) {
      v16 now = load16(c + i), after = a[n] * now - b[n] * W;
      W = p[n] * W + s[n] * now;
      store16(c + i, after);
      sum += load16(C + i) * after;
    }
    STORE_WIDTH(y + t * stride, sum);
  }
}

LEAF(void, runnel_legs_backward,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, float time, float alpha,
     const float *restrict root, const float *restrict f, const float *restrict C, const float *restrict D,
     const float *restrict start, const float *restrict dy, float *restrict dstate, float *restrict df,
     float *restrict dC, float *restrict dD, float *restrict scratch),
    (steps, width, stride, N, time, alpha, root, f, C, D, start, dy, dstate, df, dC, dD, scratch)) {
  ptrdiff_t row = N * LANES;
  float *restrict c = scratch;                            // [steps + 1, N, 16], the start first
  float *restrict factors = c + (steps + 1) * row;        // [steps, 4, N]
  memcpy(c, start, (size_t)row * sizeof(float));
  for (ptrdiff_t t = 0; t < steps; t++) {
    float *at = factors + t * 4 * N;
    legs_factors(N, time + (float)t, alpha, root, at);
    const float *a = at, *b = a + N, *p = b + N, *s = p + N, *before = c + t * row;
    v16 W = -LOAD_WIDTH(f + t * stride);
    for (ptrdiff_t i = 0, n = 0; n < N; n++, i += LANES) {
      v16 now = load16(before + i);
      store16(c + (t + 1) * row + i, a[n] * now - b[n] * W);
      W = p[n] * W + s[n] * now;
    }
  }
  v16 skip = load16(D), dskip = {0};
  for (ptrdiff_t t = steps - 1; t >= 0; t--) {
    const float *a = factors + t * 4 * N, *b = a + N, *p = b + N, *s = p + N, *after = c + (t + 1) * row;
    v16 dyt = LOAD_WIDTH(dy + t * stride), dW = {0};
    for (ptrdiff_t n = N - 1; n >= 0; n--) {
      ptrdiff_t i = n * LANES;
      v16 d = load16(dstate + i) + dyt * load16(C + i);
      store16(dC + i, load16(dC + i) + dyt * load16(after + i));
      store16(dstate + i, a[n] * d + s[n] * dW);
      dW = p[n] * dW - b[n] * d;
    }
    STORE_WIDTH(df + t * stride, skip * dyt - dW);
    dskip += dyt * LOAD_WIDTH(f + t * stride);
  }
  store16(dD, load16(dD) + dskip);
}
