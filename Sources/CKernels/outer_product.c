// The outer-product recurrence: its step and that one's backward, and the elementwise passes of the chunkwise
// form, whose products are BLAS's.
#include "runnel_outer_product.h"
#include "vector.h"

INLINE float decay(float log) { return log < -87.f ? 0.f : exp1(log); }

INLINE float dot(ptrdiff_t n, const float *x, const float *y) {
  v16 a = {0}, b = a;
  ptrdiff_t i = 0;
  for (; i + 2 * LANES <= n; i += 2 * LANES) {
    a += load16(x + i) * load16(y + i);
    b += load16(x + i + LANES) * load16(y + i + LANES);
  }
  for (; i + LANES <= n; i += LANES) a += load16(x + i) * load16(y + i);
  float rest = 0;
  for (; i < n; i++) rest += x[i] * y[i];
  return sum16(a + b) + rest;
}

// Four rows of the state at a time, so that y is read and written once for four. A function of its own,
// because only parameters tell the compiler that the rows do not overlap.
INLINE void step_rows(
    ptrdiff_t V, float w, const float *q, const float *k, const float *restrict v, float *restrict a,
    float *restrict b, float *restrict c, float *restrict d, float *restrict y) {
  float ka = k[0], kb = k[1], kc = k[2], kd = k[3], qa = q[0], qb = q[1], qc = q[2], qd = q[3];
  for (ptrdiff_t j = 0; j < V; j++) {
    a[j] = w * a[j] + ka * v[j];
    b[j] = w * b[j] + kb * v[j];
    c[j] = w * c[j] + kc * v[j];
    d[j] = w * d[j] + kd * v[j];
    y[j] += (qa * a[j] + qb * b[j]) + (qc * c[j] + qd * d[j]);
  }
}

INLINE void step_row(
    ptrdiff_t V, float w, float q, float k, const float *restrict v, float *restrict a, float *restrict y) {
  for (ptrdiff_t j = 0; j < V; j++) {
    a[j] = w * a[j] + k * v[j];
    y[j] += q * a[j];
  }
}

LEAF(void, runnel_outer_step,
    (ptrdiff_t steps, ptrdiff_t K, ptrdiff_t V, ptrdiff_t qk_stride, ptrdiff_t v_stride,
     ptrdiff_t decay_stride, const float *q, const float *k, const float *v, const float *log_decay,
     float *state, float *y),
    (steps, K, V, qk_stride, v_stride, decay_stride, q, k, v, log_decay, state, y)) {
  for (ptrdiff_t t = 0; t < steps; t++) {
    const float *qt = q + t * qk_stride, *kt = k + t * qk_stride, *vt = v + t * v_stride;
    float *yt = y + t * v_stride, w = log_decay ? decay(log_decay[t * decay_stride]) : 1.f;
    for (ptrdiff_t j = 0; j < V; j++) yt[j] = 0;
    ptrdiff_t i = 0;
    for (; i + 4 <= K; i += 4) {
      float *rows = state + i * V;
      step_rows(V, w, qt + i, kt + i, vt, rows, rows + V, rows + 2 * V, rows + 3 * V, yt);
    }
    for (; i < K; i++) step_row(V, w, qt[i], kt[i], vt, state + i * V, yt);
  }
}

LEAF(float, runnel_outer_step_backward,
    (ptrdiff_t K, ptrdiff_t V, const float *q, const float *k, const float *v, const float *log_decay,
     const float *before, const float *after, const float *dy, float *restrict dstate, float *restrict dq,
     float *restrict dk, float *restrict dv),
    (K, V, q, k, v, log_decay, before, after, dy, dstate, dq, dk, dv)) {
  float w = log_decay ? decay(*log_decay) : 1.f;
  float dw = 0;
  for (ptrdiff_t i = 0; i < K; i++) {
    float *restrict d = dstate + i * V;
    dq[i] += dot(V, after + i * V, dy);
    for (ptrdiff_t j = 0; j < V; j++) d[j] += q[i] * dy[j];
    dk[i] += dot(V, d, v);
    dw += dot(V, before + i * V, d);
    for (ptrdiff_t j = 0; j < V; j++) {
      dv[j] += k[i] * d[j];
      d[j] *= w;
    }
  }
  return w * dw;
}

LEAF(void, runnel_outer_cumulate,
    (ptrdiff_t n, ptrdiff_t stride, const float *log_decay, float *restrict hi, float *restrict lo,
     float *restrict from_start, float *restrict to_end),
    (n, stride, log_decay, hi, lo, from_start, to_end)) {
  double sum = 0;
  ptrdiff_t padded = (n + LANES - 1) / LANES * LANES;
  for (ptrdiff_t t = 0; t < padded; t++) {
    // A decay of zero has no finite logarithm; this one leaves nothing of the past either.
    if (t < n) sum += log_decay[t * stride] < -1e4f ? -1e4f : log_decay[t * stride];
    hi[t] = (float)sum;
    lo[t] = (float)(sum - hi[t]);
  }
  float last_hi = hi[padded - 1], last_lo = lo[padded - 1];
  for (ptrdiff_t t = 0; t < padded; t++) {
    from_start[t] = decay(hi[t] + lo[t]);
    to_end[t] = decay((last_hi - hi[t]) + (last_lo - lo[t]));
  }
}

LEAF(void, runnel_outer_decays,
    (ptrdiff_t rows, ptrdiff_t first, ptrdiff_t d_stride, const float *restrict hi, const float *restrict lo,
     float *restrict D),
    (rows, first, d_stride, hi, lo, D)) {
  for (ptrdiff_t r = 0; r < rows; r++) {
    float *restrict d = D + r * d_stride;
    int t = (int)(first + r), end = t / LANES * LANES + LANES;
    float hi_t = hi[t], lo_t = lo[t];
    for (int s = 0; s < end; s++) {
      float x = s <= t ? (hi_t - hi[s]) + (lo_t - lo[s]) : -88.f;
      d[s] = decay(x);
    }
    for (ptrdiff_t s = end; s < d_stride; s++) d[s] = 0;
  }
}

LEAF(void, runnel_outer_mask,
    (ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, ptrdiff_t d_stride, const float *A, const float *D,
     float *P),
    (rows, columns, stride, d_stride, A, D, P)) {
  for (ptrdiff_t r = 0; r < rows; r++) {
    const float *restrict a = A + r * stride, *restrict d = D + r * d_stride;
    float *p = P + r * stride;
    for (ptrdiff_t s = 0; s < columns; s++) p[s] = a[s] * d[s];
  }
}

LEAF(void, runnel_outer_mask_backward,
    (ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t first, ptrdiff_t stride, ptrdiff_t d_stride, int add,
     const float *A, const float *D, const float *dP, float *P, float *dA, float *column_sums, float *dlog),
    (rows, columns, first, stride, d_stride, add, A, D, dP, P, dA, column_sums, dlog)) {
  for (ptrdiff_t r = rows - 1; r >= 0; r--) {
    const float *restrict a = A + r * stride, *restrict d = D + r * d_stride, *restrict dp = dP + r * stride;
    float *restrict p = P ? P + r * stride : NULL, *restrict da = dA + r * stride;
    if (column_sums) {
      float *restrict sums = column_sums;
      for (ptrdiff_t s = 0; s < columns; s++) sums[s] += a[s] * d[s] * dp[s];
      ptrdiff_t t = first + r, s = 0;
      v16 sum = {0};
      for (; s + LANES <= t; s += LANES) sum += load16(sums + s);
      float rest = 0;
      for (; s < t; s++) rest += sums[s];
      dlog[t] = sum16(sum) + rest;
    }
    if (p)
      for (ptrdiff_t s = 0; s < columns; s++) p[s] = a[s] * d[s];
    if (add)
      for (ptrdiff_t s = 0; s < columns; s++) da[s] += dp[s] * d[s];
    else
      for (ptrdiff_t s = 0; s < columns; s++) da[s] = dp[s] * d[s];
  }
}

LEAF(void, runnel_outer_scale_rows,
    (ptrdiff_t n, ptrdiff_t width, ptrdiff_t stride, const float *scale, const float *x, float *y),
    (n, width, stride, scale, x, y)) {
  for (ptrdiff_t t = 0; t < n; t++) {
    const float *restrict xt = x + t * stride;
    float *restrict yt = y + t * width, a = scale[t];
    for (ptrdiff_t i = 0; i < width; i++) yt[i] = a * xt[i];
  }
}

LEAF(void, runnel_outer_add_rows,
    (ptrdiff_t n, ptrdiff_t width, ptrdiff_t stride, int add, const float *scale, const float *g,
     const float *x, float *dx, float *dots),
    (n, width, stride, add, scale, g, x, dx, dots)) {
  for (ptrdiff_t t = 0; t < n; t++) {
    const float *restrict gt = g + t * width;
    float a = scale ? scale[t] : 1.f;
    if (dx) {
      float *restrict dxt = dx + t * stride;
      if (add)
        for (ptrdiff_t i = 0; i < width; i++) dxt[i] += a * gt[i];
      else
        for (ptrdiff_t i = 0; i < width; i++) dxt[i] = a * gt[i];
    }
    if (dots) dots[t] = a * dot(width, x + t * stride, gt);
  }
}

#define INTERLEAVE(a, b, low, high)                                                                  \
  do {                                                                                               \
    low = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);      \
    high = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31); \
  } while (0)

// Four times, rows i and i + 8 are interleaved into rows 2i and 2i + 1; that transposes sixteen rows of
// sixteen.
LEAF(void, runnel_outer_transpose,
    (ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t x_stride, ptrdiff_t y_stride, const float *x, float *y),
    (rows, columns, x_stride, y_stride, x, y)) {
  ptrdiff_t whole_rows = rows / LANES * LANES, whole_columns = columns / LANES * LANES;
  for (ptrdiff_t i = 0; i < whole_rows; i += LANES)
    for (ptrdiff_t j = 0; j < whole_columns; j += LANES) {
      v16 a[LANES], b[LANES];
      for (int r = 0; r < LANES; r++) a[r] = load16(x + (i + r) * x_stride + j);
      for (int round = 0; round < 2; round++) {
        for (int r = 0; r < 8; r++) INTERLEAVE(a[r], a[r + 8], b[2 * r], b[2 * r + 1]);
        for (int r = 0; r < 8; r++) INTERLEAVE(b[r], b[r + 8], a[2 * r], a[2 * r + 1]);
      }
      for (int r = 0; r < LANES; r++) store16(y + (j + r) * y_stride + i, a[r]);
    }
  for (ptrdiff_t i = 0; i < rows; i++)
    for (ptrdiff_t j = i < whole_rows ? whole_columns : 0; j < columns; j++)
      y[j * y_stride + i] = x[i * x_stride + j];
}
