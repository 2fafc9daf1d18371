// The matrix memory: its step, and the leaf loops of the chunkwise form, whose products are those of gemm.c or, where the
// level has none, OpenBLAS's.
#include "runnel_matrix_memory.h"
#include "vector.h"

INLINE float decay(float log) { return log < -87.f ? 0.f : exp1(log); }

INLINE void fill_decays(ptrdiff_t K, ptrdiff_t key_step, const float *log, float *restrict w) {
  if (key_step) {
    for (ptrdiff_t i = 0; i < K; i++) w[i] = decay(log[i]);
  } else {
    float all = decay(*log);
    for (ptrdiff_t i = 0; i < K; i++) w[i] = all;
  }
}

// Functions of their own, because only parameters tell the compiler that rows do not overlap.
INLINE void add_row(ptrdiff_t V, float a, const float *restrict x, float *restrict y) {
  for (ptrdiff_t j = 0; j < V; j++) y[j] += a * x[j];
}
INLINE void add_rows(
    ptrdiff_t V, const float *c, const float *restrict x0, const float *restrict x1, const float *restrict x2,
    const float *restrict x3, float *restrict y) {
  float c0 = c[0], c1 = c[1], c2 = c[2], c3 = c[3];
  for (ptrdiff_t j = 0; j < V; j++) y[j] += (c0 * x0[j] + c1 * x1[j]) + (c2 * x2[j] + c3 * x3[j]);
}
// Four rows of the state at a time, so that y is read and written once for four.
INLINE void step_rows(
    ptrdiff_t V, int removes, int before, const float *w, const float *k, const float *b, const float *q,
    const float *restrict v, const float *restrict u, float *restrict S0, float *restrict S1, float *restrict S2,
    float *restrict S3, float *restrict y) {
  float w0 = w[0], w1 = w[1], w2 = w[2], w3 = w[3], k0 = k[0], k1 = k[1], k2 = k[2], k3 = k[3];
  float q0 = q[0], q1 = q[1], q2 = q[2], q3 = q[3], b0 = 0, b1 = 0, b2 = 0, b3 = 0;
  if (removes) b0 = b[0], b1 = b[1], b2 = b[2], b3 = b[3];
  for (ptrdiff_t j = 0; j < V; j++) {
    float s0 = S0[j], s1 = S1[j], s2 = S2[j], s3 = S3[j];
    if (before) y[j] += (q0 * s0 + q1 * s1) + (q2 * s2 + q3 * s3);
    s0 = w0 * s0 + k0 * v[j];
    s1 = w1 * s1 + k1 * v[j];
    s2 = w2 * s2 + k2 * v[j];
    s3 = w3 * s3 + k3 * v[j];
    if (removes) {
      s0 += b0 * u[j];
      s1 += b1 * u[j];
      s2 += b2 * u[j];
      s3 += b3 * u[j];
    }
    if (!before) y[j] += (q0 * s0 + q1 * s1) + (q2 * s2 + q3 * s3);
    S0[j] = s0;
    S1[j] = s1;
    S2[j] = s2;
    S3[j] = s3;
  }
}
INLINE void step_row(
    ptrdiff_t V, int removes, int before, float w, float k, float b, float q, const float *restrict v,
    const float *restrict u, float *restrict S, float *restrict y) {
  for (ptrdiff_t j = 0; j < V; j++) {
    if (before) y[j] += q * S[j];
    S[j] = w * S[j] + k * v[j];
    if (removes) S[j] += b * u[j];
    if (!before) y[j] += q * S[j];
  }
}
INLINE void step_state(
    ptrdiff_t K, ptrdiff_t V, int removes, int before, const float *w, const float *k, const float *b,
    const float *q, const float *v, const float *u, float *S, float *y) {
  ptrdiff_t i = 0;
  for (; i + 4 <= K; i += 4, S += 4 * V)
    step_rows(V, removes, before, w + i, k + i, removes ? b + i : k, q + i, v, u, S, S + V, S + 2 * V, S + 3 * V, y);
  for (; i < K; i++, S += V) step_row(V, removes, before, w[i], k[i], removes ? b[i] : 0, q[i], v, u, S, y);
}

LEAF(void, runnel_matrix_step,
    (ptrdiff_t steps, ptrdiff_t K, ptrdiff_t V, ptrdiff_t key_stride, ptrdiff_t value_stride,
     ptrdiff_t decay_stride, ptrdiff_t key_step, int before, const float *q, const float *k, const float *v,
     const float *a, const float *b, const float *log_decay, const float *bonus, float *state, float *y,
     float *scratch),
    (steps, K, V, key_stride, value_stride, decay_stride, key_step, before, q, k, v, a, b, log_decay, bonus,
     state, y, scratch)) {
  float *w = scratch, *u = scratch + K;
  for (ptrdiff_t t = 0; t < steps; t++) {
    const float *qt = q + t * key_stride, *kt = k + t * key_stride, *vt = v + t * value_stride;
    float *yt = y + t * value_stride;
    if (log_decay) fill_decays(K, key_step, log_decay + t * decay_stride, w);
    else
      for (ptrdiff_t i = 0; i < K; i++) w[i] = 1;
    if (a) {
      const float *at = a + t * key_stride;
      memset(u, 0, (size_t)V * sizeof(float));
      ptrdiff_t i = 0;
      for (; i + 4 <= K; i += 4) {
        const float *S = state + i * V;
        add_rows(V, at + i, S, S + V, S + 2 * V, S + 3 * V, u);
      }
      for (; i < K; i++) add_row(V, at[i], state + i * V, u);
    }
    memset(yt, 0, (size_t)V * sizeof(float));
    const float *bt = a ? b + t * key_stride : NULL;
    if (a && before) step_state(K, V, 1, 1, w, kt, bt, qt, vt, u, state, yt);
    else if (a) step_state(K, V, 1, 0, w, kt, bt, qt, vt, u, state, yt);
    else if (before) step_state(K, V, 0, 1, w, kt, bt, qt, vt, u, state, yt);
    else step_state(K, V, 0, 0, w, kt, bt, qt, vt, u, state, yt);
    if (before && bonus) {
      float own = 0;
      for (ptrdiff_t i = 0; i < K; i++) own += qt[i] * bonus[i] * kt[i];
      add_row(V, own, vt, yt);
    }
  }
}

// Rows of one head lie too far apart for the processor to guess which comes next.
INLINE void prefetch(ptrdiff_t n, const float *x) {
  for (ptrdiff_t i = 0; i < n; i += LANES) __builtin_prefetch(x + i);
}

LEAF(void, runnel_matrix_pack,
    (ptrdiff_t n, ptrdiff_t rows, ptrdiff_t width, ptrdiff_t padded, ptrdiff_t stride, ptrdiff_t ahead,
     const float *x, float *y),
    (n, rows, width, padded, stride, ahead, x, y)) {
  for (ptrdiff_t t = 0; t < n; t++) {
    if (ahead) prefetch(width, x + (t + ahead) * stride);
    memcpy(y + t * padded, x + t * stride, (size_t)width * sizeof(float));
    memset(y + t * padded + width, 0, (size_t)(padded - width) * sizeof(float));
  }
  memset(y + n * padded, 0, (size_t)((rows - n) * padded) * sizeof(float));
}

LEAF(void, runnel_matrix_unpack,
    (ptrdiff_t n, ptrdiff_t width, ptrdiff_t padded, ptrdiff_t stride, int add, const float *x, float *y),
    (n, width, padded, stride, add, x, y)) {
  for (ptrdiff_t t = 0; t < n; t++)
    if (add) add_row(width, 1.f, x + t * padded, y + t * stride);
    else memcpy(y + t * stride, x + t * padded, (size_t)width * sizeof(float));
}

LEAF(void, runnel_matrix_scalar_decays,
    (ptrdiff_t n, ptrdiff_t log_stride, ptrdiff_t D_stride, const float *log_decay, float *restrict D,
     float *restrict from_start, float *restrict sums),
    (n, log_stride, D_stride, log_decay, D, from_start, sums)) {
  float *restrict high = sums, *restrict low = sums + D_stride;
  double sum = 0;
  from_start[0] = 1;
  for (ptrdiff_t t = 0; t < D_stride; t++) {
    // A decay of zero has no finite logarithm; this one leaves nothing of the past either.
    float log = log_decay && t < n ? log_decay[t * log_stride] : 0;
    sum += log < -1e4f ? -1e4f : log;
    high[t] = (float)sum;
    low[t] = (float)(sum - high[t]);
  }
  for (ptrdiff_t t = 0; t < n; t++) from_start[t + 1] = decay(high[t] + low[t]);
  for (ptrdiff_t t = 0; t < n; t++, D += D_stride) {
    ptrdiff_t end = (t + LANES) / LANES * LANES;
    float high_t = high[t], low_t = low[t];
    for (int s = 0; s < (int)end; s++)
      D[s] = decay(s <= (int)t ? (high_t - high[s]) + (low_t - low[s]) : -88.f);
    memset(D + end, 0, (size_t)(D_stride - end) * sizeof(float));
  }
}

INLINE void multiply_row(
    ptrdiff_t P, const float *restrict x, const float *restrict y, float *restrict z) {
  for (ptrdiff_t i = 0; i < P; i++) z[i] = x[i] * y[i];
}

LEAF(void, runnel_matrix_key_decays,
    (ptrdiff_t n, ptrdiff_t K, ptrdiff_t P, ptrdiff_t log_stride, ptrdiff_t ahead, const float *log_decay,
     float *w, float *from_start, float *to_end),
    (n, K, P, log_stride, ahead, log_decay, w, from_start, to_end)) {
  for (ptrdiff_t t = 0; t < n; t++) {
    float *wt = w + t * P;
    if (ahead) prefetch(K, log_decay + (t + ahead) * log_stride);
    if (t > 0 && log_stride == 0) {
      memcpy(wt, w, (size_t)P * sizeof(float));
      continue;
    }
    fill_decays(K, 1, log_decay + t * log_stride, wt);
    for (ptrdiff_t i = K; i < P; i++) wt[i] = 1;
  }
  for (ptrdiff_t i = 0; i < P; i++) from_start[i] = to_end[(n - 1) * P + i] = 1;
  for (ptrdiff_t t = 0; t < n; t++)
    multiply_row(P, from_start + t * P, w + t * P, from_start + (t + 1) * P);
  for (ptrdiff_t t = n - 1; t > 0; t--) multiply_row(P, to_end + t * P, w + t * P, to_end + (t - 1) * P);
}

LEAF(void, runnel_matrix_scale,
    (ptrdiff_t n, ptrdiff_t rows, ptrdiff_t P, ptrdiff_t width, const float *scale, const float *x, float *y),
    (n, rows, P, width, scale, x, y)) {
  for (ptrdiff_t t = 0; t < n; t++) {
    const float *restrict xt = x + t * P, *restrict c = scale + t * width;
    float *restrict yt = y + t * P;
    if (width == 1)
      for (ptrdiff_t i = 0; i < P; i++) yt[i] = *c * xt[i];
    else
      for (ptrdiff_t i = 0; i < P; i++) yt[i] = c[i] * xt[i];
  }
  memset(y + n * P, 0, (size_t)((rows - n) * P) * sizeof(float));
}

LEAF(void, runnel_matrix_mask,
    (ptrdiff_t n, ptrdiff_t lag, ptrdiff_t columns, ptrdiff_t stride, ptrdiff_t D_stride, const float *A,
     const float *D, float *M),
    (n, lag, columns, stride, D_stride, A, D, M)) {
  for (ptrdiff_t t = 0; t < n; t++, A += stride, M += stride) {
    ptrdiff_t end = t < lag ? 0 : (t - lag + LANES) / LANES * LANES;
    const float *restrict a = A, *restrict d = end ? D + (t - lag) * D_stride : D;
    float *restrict m = M;
    for (ptrdiff_t s = 0; s < end; s++) m[s] = a[s] * d[s];
    memset(m + end, 0, (size_t)(columns - end) * sizeof(float));
  }
}

LEAF(void, runnel_matrix_mask_backward,
    (ptrdiff_t n, ptrdiff_t lag, ptrdiff_t columns, ptrdiff_t stride, ptrdiff_t D_stride, int add,
     const float *A, const float *D, const float *dM, float *dA, float *restrict sums, float *restrict dlog),
    (n, lag, columns, stride, D_stride, add, A, D, dM, dA, sums, dlog)) {
  if (dlog) memset(sums, 0, (size_t)columns * sizeof(float));
  for (ptrdiff_t t = n - 1; t >= 0; t--) {
    ptrdiff_t last = t - lag, end = last < 0 ? 0 : (last + LANES) / LANES * LANES;
    const float *restrict a = A + t * stride, *restrict dm = dM + t * stride;
    const float *restrict d = end ? D + last * D_stride : D;
    float *restrict da = dA + t * stride;
    if (dlog && end) {
      for (ptrdiff_t s = 0; s < end; s++) sums[s] += a[s] * d[s] * dm[s];
      v16 sum = {0};
      ptrdiff_t s = 0;
      for (; s + LANES <= last; s += LANES) sum += load16(sums + s);
      float rest = 0;
      for (; s < last; s++) rest += sums[s];
      dlog[last] += sum16(sum) + rest;
    }
    if (add)
      for (ptrdiff_t s = 0; s < end; s++) da[s] += dm[s] * d[s];
    else {
      for (ptrdiff_t s = 0; s < end; s++) da[s] = dm[s] * d[s];
      memset(da + end, 0, (size_t)(columns - end) * sizeof(float));
    }
  }
}

// Scores of one token x with the tokens `top` down to `bottom`, over `lanes` vectors of keys, a constant of the
// caller; x is left as it stands below `bottom`. A score is sixteen partial sums.
INLINE void scores(
    ptrdiff_t lanes, ptrdiff_t top, ptrdiff_t bottom, ptrdiff_t P, float *x, const float *k, const float *b,
    const float *w, v16 *sums_k, v16 *sums_b) {
  v16 p[4];
  for (ptrdiff_t i = 0; i < lanes; i++) p[i] = load16(x + i * LANES);
  for (ptrdiff_t s = top; s >= bottom; s--) {
    v16 sum_k = {0}, sum_b = {0};
    for (ptrdiff_t i = 0; i < lanes; i++) {
      ptrdiff_t at = s * P + i * LANES;
      sum_k += p[i] * load16(k + at);
      if (b) sum_b += p[i] * load16(b + at);
      p[i] *= load16(w + at);
    }
    sums_k[s - bottom] = sum_k;
    if (b) sums_b[s - bottom] = sum_b;
  }
  for (ptrdiff_t i = 0; i < lanes; i++) store16(x + i * LANES, p[i]);
}

// Adds to sixteen scores of a row.
INLINE void add_scores(ptrdiff_t tokens, v16 *sums, float *M) {
  memset(sums + tokens, 0, (size_t)(LANES - tokens) * sizeof(v16));
  store16(M, load16(M) + sums16(sums));
}

#define FOR_LANES(lanes, call)                                                                       \
  switch (lanes) {                                                                                   \
  case 1: call(1); break;                                                                            \
  case 2: call(2); break;                                                                            \
  case 3: call(3); break;                                                                            \
  default: call(4);                                                                                  \
  }

INLINE void score_rows(
    ptrdiff_t n, ptrdiff_t P, ptrdiff_t lag, ptrdiff_t stride, const float *x, const float *k, const float *b,
    const float *w, float *Mk, float *Mb) {
  v16 sums_k[LANES], sums_b[LANES];
  float moved[4 * LANES];
  size_t width = (size_t)((n + LANES - 1) / LANES * LANES) * sizeof(float);
  for (ptrdiff_t t = 0; t < n; t++) {
    memset(Mk + t * stride, 0, width);
    if (b) memset(Mb + t * stride, 0, width);
  }
  for (ptrdiff_t t = lag; t < n; t++) {
    ptrdiff_t last = t - lag;
    for (ptrdiff_t i = 0; i < P; i += 4 * LANES) {
      ptrdiff_t lanes = (P - i) / LANES < 4 ? (P - i) / LANES : 4;
      memcpy(moved, x + t * P + i, (size_t)(lanes * LANES) * sizeof(float));
      for (ptrdiff_t bottom = last / LANES * LANES; bottom >= 0; bottom -= LANES) {
        ptrdiff_t top = bottom + LANES - 1 < last ? bottom + LANES - 1 : last;
#define CALL(lanes) scores(lanes, top, bottom, P, moved, k + i, b ? b + i : NULL, w + i, sums_k, sums_b)
        FOR_LANES(lanes, CALL)
#undef CALL
        add_scores(top - bottom + 1, sums_k, Mk + t * stride + bottom);
        if (b) add_scores(top - bottom + 1, sums_b, Mb + t * stride + bottom);
      }
    }
  }
}

// The two kinds of calls are compiled apart, so that no inner loop asks which it is.
LEAF(void, runnel_matrix_scores,
    (ptrdiff_t n, ptrdiff_t P, ptrdiff_t lag, ptrdiff_t stride, const float *x, const float *k,
     const float *b, const float *w, float *Mk, float *Mb),
    (n, P, lag, stride, x, k, b, w, Mk, Mb)) {
  if (b) score_rows(n, P, lag, stride, x, k, b, w, Mk, Mb);
  else score_rows(n, P, lag, stride, x, k, NULL, w, Mk, NULL);
}

// Down from token t - lag, p is x_t D_ts; up again, A is the sum of dM_ts D_us y_s over s <= u, which is at
// last the gradient of x_t. What spans u is p_u times A before the term of u.
INLINE void scores_backward(
    ptrdiff_t lanes, ptrdiff_t last, ptrdiff_t P, const float *x, const float *k, const float *b,
    const float *w, const float *dMk, const float *dMb, float *dx, float *dk, float *db, float *dlog,
    float *moved) {
  v16 p[4], A[4];
  for (ptrdiff_t i = 0; i < lanes; i++) {
    p[i] = load16(x + i * LANES);
    A[i] = splat16(0);
  }
  for (ptrdiff_t s = last; s >= 0; s--) {
    float gk = dMk[s], gb = b ? dMb[s] : 0;
    for (ptrdiff_t i = 0; i < lanes; i++) {
      ptrdiff_t at = s * P + i * LANES;
      store16(dk + at, load16(dk + at) + gk * p[i]);
      if (b) store16(db + at, load16(db + at) + gb * p[i]);
      store16(moved + s * 4 * LANES + i * LANES, p[i]);
      p[i] *= load16(w + at);
    }
  }
  for (ptrdiff_t s = 0; s <= last; s++) {
    float gk = dMk[s], gb = b ? dMb[s] : 0;
    for (ptrdiff_t i = 0; i < lanes; i++) {
      ptrdiff_t at = s * P + i * LANES;
      A[i] *= load16(w + at);
      store16(dlog + at, load16(dlog + at) + A[i] * load16(moved + s * 4 * LANES + i * LANES));
      A[i] += gk * load16(k + at);
      if (b) A[i] += gb * load16(b + at);
    }
  }
  for (ptrdiff_t i = 0; i < lanes; i++) store16(dx + i * LANES, load16(dx + i * LANES) + A[i]);
}

INLINE void score_rows_backward(
    ptrdiff_t n, ptrdiff_t P, ptrdiff_t lag, ptrdiff_t stride, const float *x, const float *k, const float *b,
    const float *w, const float *dMk, const float *dMb, float *dx, float *dk, float *db, float *dlog,
    float *scratch) {
  for (ptrdiff_t i = 0; i < P; i += 4 * LANES) {
    for (ptrdiff_t t = lag; t < n; t++) {
#define CALL(lanes)                                                                                      \
  scores_backward(lanes, t - lag, P, x + t * P + i, k + i, b ? b + i : NULL, w + i, dMk + t * stride,    \
      b ? dMb + t * stride : NULL, dx + t * P + i, dk + i, b ? db + i : NULL, dlog + i, scratch)
      FOR_LANES((P - i) / LANES, CALL)
#undef CALL
    }
  }
}

LEAF(void, runnel_matrix_scores_backward,
    (ptrdiff_t n, ptrdiff_t P, ptrdiff_t lag, ptrdiff_t stride, const float *x, const float *k,
     const float *b, const float *w, const float *dMk, const float *dMb, float *dx, float *dk, float *db,
     float *dlog, float *scratch),
    (n, P, lag, stride, x, k, b, w, dMk, dMb, dx, dk, db, dlog, scratch)) {
  if (b) score_rows_backward(n, P, lag, stride, x, k, b, w, dMk, dMb, dx, dk, db, dlog, scratch);
  else score_rows_backward(n, P, lag, stride, x, k, NULL, w, dMk, NULL, dx, dk, NULL, dlog, scratch);
}

LEAF(void, runnel_matrix_bonus,
    (ptrdiff_t n, ptrdiff_t K, ptrdiff_t P, ptrdiff_t stride, const float *q, const float *k,
     const float *bonus, float *M),
    (n, K, P, stride, q, k, bonus, M)) {
  for (ptrdiff_t t = 0; t < n; t++) {
    float own = 0;
    for (ptrdiff_t i = 0; i < K; i++) {
#pragma clang fp reassociate(on)
      own += q[t * P + i] * bonus[i] * k[t * P + i];
    }
    M[t * stride + t] = own;
  }
}

LEAF(void, runnel_matrix_bonus_backward,
    (ptrdiff_t n, ptrdiff_t K, ptrdiff_t P, ptrdiff_t stride, const float *q, const float *k,
     const float *bonus, const float *dM, float *dq, float *dk, float *restrict dbonus),
    (n, K, P, stride, q, k, bonus, dM, dq, dk, dbonus)) {
  for (ptrdiff_t t = 0; t < n; t++) {
    const float *restrict qt = q + t * P, *restrict kt = k + t * P;
    float *restrict dqt = dq + t * P, *restrict dkt = dk + t * P, d = dM[t * stride + t];
    for (ptrdiff_t i = 0; i < K; i++) {
      dqt[i] += d * bonus[i] * kt[i];
      dkt[i] += d * bonus[i] * qt[i];
      dbonus[i] += d * qt[i] * kt[i];
    }
  }
}

LEAF(void, runnel_matrix_solve,
    (ptrdiff_t n, ptrdiff_t V, ptrdiff_t U_stride, ptrdiff_t row, ptrdiff_t column, const float *M, float *U),
    (n, V, U_stride, row, column, M, U)) {
  for (ptrdiff_t t = 1; t < n; t++) {
    float *y = U + t * U_stride;
    ptrdiff_t s = 0;
    for (; s + 4 <= t; s += 4) {
      const float *m = M + t * row + s * column, *x = U + s * U_stride;
      float c[4] = {m[0], m[column], m[2 * column], m[3 * column]};
      add_rows(V, c, x, x + U_stride, x + 2 * U_stride, x + 3 * U_stride, y);
    }
    for (; s < t; s++) add_row(V, M[t * row + s * column], U + s * U_stride, y);
  }
}

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

// A function of its own, so that the rows are known not to overlap.
INLINE void add_scaled_and_terms(
    ptrdiff_t n, const float *restrict c, const float *restrict g, const float *restrict x, float *restrict dx,
    float *restrict terms) {
  for (ptrdiff_t i = 0; i < n; i++) {
    float d = c[i] * g[i];
    dx[i] += d;
    terms[i] += x[i] * d;
  }
}

LEAF(void, runnel_matrix_scale_backward,
    (ptrdiff_t n, ptrdiff_t P, ptrdiff_t width, const float *scale, const float *g, const float *x, float *dx,
     float *terms),
    (n, P, width, scale, g, x, dx, terms)) {
  if (width != 1) add_scaled_and_terms(n * P, scale, g, x, dx, terms);
  else
    for (ptrdiff_t t = 0; t < n; t++) {
      add_row(P, scale[t], g + t * P, dx + t * P);
      terms[t] += scale[t] * dot(P, x + t * P, g + t * P);
    }
}

LEAF(void, runnel_matrix_scale_state, (ptrdiff_t K, ptrdiff_t V, const float *scale, float *state),
    (K, V, scale, state)) {
  for (ptrdiff_t i = 0; i < K; i++)
    for (ptrdiff_t j = 0; j < V; j++) state[i * V + j] *= scale[i];
}

LEAF(void, runnel_matrix_boundary,
    (ptrdiff_t K, ptrdiff_t V, ptrdiff_t width, const float *scale, const float *state, const float *dstate,
     float *total),
    (K, V, width, scale, state, dstate, total)) {
  if (width == 1) *total = *scale * dot(K * V, state, dstate);
  else
    for (ptrdiff_t i = 0; i < K; i++) total[i] = scale[i] * dot(V, state + i * V, dstate + i * V);
}

INLINE void add_terms(ptrdiff_t width, const float *restrict terms, float *restrict total, float *restrict dlog) {
  for (ptrdiff_t i = 0; i < width; i++) {
    total[i] += terms[i];
    dlog[i] += total[i];
  }
}

LEAF(void, runnel_matrix_decay_backward,
    (ptrdiff_t n, ptrdiff_t width, const float *from_start, const float *to_end, float *total, float *dlog),
    (n, width, from_start, to_end, total, dlog)) {
  for (ptrdiff_t t = 0; t < n; t++) {
    if (t > 0) add_row(width, 1.f, to_end + (t - 1) * width, total);
    add_row(width, 1.f, total, dlog + t * width);
  }
  memset(total, 0, (size_t)width * sizeof(float));
  for (ptrdiff_t t = n - 1; t >= 0; t--) add_terms(width, from_start + t * width, total, dlog + t * width);
}
