// The delta rule: its step, and the leaf loops of the chunkwise form, whose large products are BLAS's.
#include "runnel_delta_rule.h"
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
// Four rows of the state at a time, so that y is read and written once for four; c holds w, k, b and q of them.
INLINE void step_rows(
    ptrdiff_t V, int removes, int before, const float (*c)[4], const float *restrict v, const float *restrict u,
    float *restrict S0, float *restrict S1, float *restrict S2, float *restrict S3, float *restrict y) {
  for (ptrdiff_t j = 0; j < V; j++) {
    float s0 = S0[j], s1 = S1[j], s2 = S2[j], s3 = S3[j];
    if (before) y[j] += (c[3][0] * s0 + c[3][1] * s1) + (c[3][2] * s2 + c[3][3] * s3);
    s0 = c[0][0] * s0 + c[1][0] * v[j];
    s1 = c[0][1] * s1 + c[1][1] * v[j];
    s2 = c[0][2] * s2 + c[1][2] * v[j];
    s3 = c[0][3] * s3 + c[1][3] * v[j];
    if (removes) {
      s0 += c[2][0] * u[j];
      s1 += c[2][1] * u[j];
      s2 += c[2][2] * u[j];
      s3 += c[2][3] * u[j];
    }
    if (!before) y[j] += (c[3][0] * s0 + c[3][1] * s1) + (c[3][2] * s2 + c[3][3] * s3);
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
    const float *q, const float *v, const float *u, float *state, float *y) {
  ptrdiff_t i = 0;
  for (; i + 4 <= K; i += 4) {
    float c[4][4] = {{1, 1, 1, 1}}, *S = state + i * V;
    if (w) memcpy(c[0], w + i, sizeof c[0]);
    memcpy(c[1], k + i, sizeof c[1]);
    if (removes) memcpy(c[2], b + i, sizeof c[2]);
    memcpy(c[3], q + i, sizeof c[3]);
    step_rows(V, removes, before, (const float(*)[4])c, v, u, S, S + V, S + 2 * V, S + 3 * V, y);
  }
  for (; i < K; i++)
    step_row(V, removes, before, w ? w[i] : 1, k[i], removes ? b[i] : 0, q[i], v, u, state + i * V, y);
}

LEAF(void, runnel_delta_step,
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
    const float *wt = log_decay ? w : NULL, *bt = a ? b + t * key_stride : NULL;
    if (a && before) step_state(K, V, 1, 1, wt, kt, bt, qt, vt, u, state, yt);
    else if (a) step_state(K, V, 1, 0, wt, kt, bt, qt, vt, u, state, yt);
    else if (before) step_state(K, V, 0, 1, wt, kt, bt, qt, vt, u, state, yt);
    else step_state(K, V, 0, 0, wt, kt, bt, qt, vt, u, state, yt);
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

LEAF(void, runnel_delta_pack,
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

LEAF(void, runnel_delta_unpack,
    (ptrdiff_t n, ptrdiff_t width, ptrdiff_t padded, ptrdiff_t stride, const float *x, float *y),
    (n, width, padded, stride, x, y)) {
  for (ptrdiff_t t = 0; t < n; t++)
    memcpy(y + t * stride, x + t * padded, (size_t)width * sizeof(float));
}

LEAF(void, runnel_delta_add,
    (ptrdiff_t n, ptrdiff_t width, ptrdiff_t padded, ptrdiff_t stride, const float *x, float *y),
    (n, width, padded, stride, x, y)) {
  for (ptrdiff_t t = 0; t < n; t++) add_row(width, 1.f, x + t * padded, y + t * stride);
}

INLINE void multiply_row(
    ptrdiff_t P, const float *restrict x, const float *restrict y, float *restrict z) {
  for (ptrdiff_t i = 0; i < P; i++) z[i] = x[i] * y[i];
}

LEAF(void, runnel_delta_decays,
    (ptrdiff_t n, ptrdiff_t K, ptrdiff_t P, ptrdiff_t decay_stride, ptrdiff_t key_step, ptrdiff_t ahead,
     const float *log_decay, float *w, float *from_start, float *to_end),
    (n, K, P, decay_stride, key_step, ahead, log_decay, w, from_start, to_end)) {
  for (ptrdiff_t t = 0; t < n; t++) {
    float *wt = w + t * P;
    if (ahead && key_step) prefetch(K, log_decay + (t + ahead) * decay_stride);
    if (t > 0 && decay_stride == 0) {
      memcpy(wt, w, (size_t)P * sizeof(float));
      continue;
    }
    fill_decays(K, key_step, log_decay + t * decay_stride, wt);
    for (ptrdiff_t i = K; i < P; i++) wt[i] = 1;
  }
  for (ptrdiff_t i = 0; i < P; i++) from_start[i] = to_end[(n - 1) * P + i] = 1;
  for (ptrdiff_t t = 0; t < n; t++)
    multiply_row(P, from_start + t * P, w + t * P, from_start + (t + 1) * P);
  for (ptrdiff_t t = n - 1; t > 0; t--) multiply_row(P, to_end + t * P, w + t * P, to_end + (t - 1) * P);
}

LEAF(void, runnel_delta_scale_state,
    (ptrdiff_t K, ptrdiff_t V, const float *scale, float *state, float *copy),
    (K, V, scale, state, copy)) {
  if (copy) memcpy(copy, state, (size_t)(K * V) * sizeof(float));
  if (scale)
    for (ptrdiff_t i = 0; i < K; i++)
      for (ptrdiff_t j = 0; j < V; j++) state[i * V + j] *= scale[i];
}

// From sixteen vectors, the vector of their sums: in four rounds vectors are halved and pairs of them joined.
#define JOIN(a, b, ...)                                                                        \
  (__builtin_shufflevector(a, b, __VA_ARGS__))
#define EIGHTS(a, b)                                                                           \
  (JOIN(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)                          \
      + JOIN(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31))
#define FOURS(a, b)                                                                            \
  (JOIN(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27)                        \
      + JOIN(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31))
#define TWOS(a, b)                                                                             \
  (JOIN(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)                        \
      + JOIN(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31))
#define ONES(a, b)                                                                             \
  (JOIN(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30)                       \
      + JOIN(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31))

INLINE void sum_sixteen(const float *x, float *sums) {
  v16 c[8];
  for (int i = 0; i < 8; i++) {
    v16 low = load16(x + i * LANES), high = load16(x + (i + 8) * LANES);
    c[i] = EIGHTS(low, high);
  }
  for (int i = 0; i < 4; i++) c[i] = FOURS(c[i], c[i + 4]);
  for (int i = 0; i < 2; i++) c[i] = TWOS(c[i], c[i + 2]);
  store16(sums, ONES(c[0], c[1]));
}

// Scores of one token x with the tokens `top` down to `bottom`, over `lanes` vectors of keys; x is left as
// it stands below `bottom`. Sixteen partial sums a score, added to `sums` unless it is the first stretch.
#define SCORES(lanes)                                                                          \
  INLINE void scores_##lanes(                                                                  \
      ptrdiff_t top, ptrdiff_t bottom, ptrdiff_t P, int first, float *x, const float *k,       \
      const float *b, const float *w, float *sums_k, float *sums_b) {                          \
    v16 p[lanes];                                                                              \
    for (int i = 0; i < lanes; i++) p[i] = load16(x + i * LANES);                              \
    for (ptrdiff_t s = top; s >= bottom; s--) {                                                \
      v16 sum_k = p[0] * load16(k + s * P), sum_b = sum_k;                                     \
      for (int i = 1; i < lanes; i++) sum_k += p[i] * load16(k + s * P + i * LANES);           \
      if (!first) sum_k += load16(sums_k + (s - bottom) * LANES);                              \
      store16(sums_k + (s - bottom) * LANES, sum_k);                                           \
      if (b) {                                                                                 \
        sum_b = p[0] * load16(b + s * P);                                                      \
        for (int i = 1; i < lanes; i++) sum_b += p[i] * load16(b + s * P + i * LANES);         \
        if (!first) sum_b += load16(sums_b + (s - bottom) * LANES);                            \
        store16(sums_b + (s - bottom) * LANES, sum_b);                                         \
      }                                                                                        \
      if (w)                                                                                   \
        for (int i = 0; i < lanes; i++) p[i] *= load16(w + s * P + i * LANES);                 \
    }                                                                                          \
    for (int i = 0; i < lanes; i++) store16(x + i * LANES, p[i]);                              \
  }
SCORES(1)
SCORES(2)
SCORES(3)
SCORES(4)

INLINE void score_rows(
    ptrdiff_t n, ptrdiff_t P, ptrdiff_t lag, ptrdiff_t stride, const float *x, const float *k, const float *b,
    const float *w, float *Mk, float *Mb) {
  float sums_k[LANES * LANES], sums_b[LANES * LANES];
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
        const float *bi = b ? b + i : NULL, *wi = w ? w + i : NULL;
        if (lanes == 4) scores_4(top, bottom, P, 1, moved, k + i, bi, wi, sums_k, sums_b);
        else if (lanes == 3) scores_3(top, bottom, P, 1, moved, k + i, bi, wi, sums_k, sums_b);
        else if (lanes == 2) scores_2(top, bottom, P, 1, moved, k + i, bi, wi, sums_k, sums_b);
        else scores_1(top, bottom, P, 1, moved, k + i, bi, wi, sums_k, sums_b);
        size_t rest = (size_t)((bottom + LANES - 1 - top) * LANES) * sizeof(float);
        float row[LANES];
        memset(sums_k + (top - bottom + 1) * LANES, 0, rest);
        sum_sixteen(sums_k, row);
        store16(Mk + t * stride + bottom, load16(Mk + t * stride + bottom) + load16(row));
        if (b) {
          memset(sums_b + (top - bottom + 1) * LANES, 0, rest);
          sum_sixteen(sums_b, row);
          store16(Mb + t * stride + bottom, load16(Mb + t * stride + bottom) + load16(row));
        }
      }
    }
  }
}

// The four kinds of calls are compiled apart, so that no inner loop asks which it is.
LEAF(void, runnel_delta_scores,
    (ptrdiff_t n, ptrdiff_t P, ptrdiff_t lag, ptrdiff_t stride, const float *x, const float *k,
     const float *b, const float *w, float *Mk, float *Mb),
    (n, P, lag, stride, x, k, b, w, Mk, Mb)) {
  if (b && w) score_rows(n, P, lag, stride, x, k, b, w, Mk, Mb);
  else if (b) score_rows(n, P, lag, stride, x, k, b, NULL, Mk, Mb);
  else if (w) score_rows(n, P, lag, stride, x, k, NULL, w, Mk, NULL);
  else score_rows(n, P, lag, stride, x, k, NULL, NULL, Mk, NULL);
}

// Down from token t - lag, p is x_t D_ts; up again, A is the sum of dM_ts D_us y_s over s <= u, which is at
// last the gradient of x_t. What spans u is p_u times A before the term of u.
#define SCORES_BACKWARD(lanes)                                                                 \
  INLINE void scores_backward_##lanes(                                                         \
      ptrdiff_t last, ptrdiff_t P, const float *x, const float *k, const float *b,             \
      const float *w, const float *dMk, const float *dMb, float *dx, float *dk, float *db,     \
      float *dlog, float *moved) {                                                             \
    v16 p[lanes], A[lanes];                                                                    \
    for (int i = 0; i < lanes; i++) {                                                          \
      p[i] = load16(x + i * LANES);                                                            \
      A[i] = splat16(0);                                                                       \
    }                                                                                          \
    for (ptrdiff_t s = last; s >= 0; s--) {                                                    \
      float gk = dMk[s], gb = b ? dMb[s] : 0;                                                  \
      for (int i = 0; i < lanes; i++) {                                                        \
        ptrdiff_t at = s * P + i * LANES;                                                      \
        store16(dk + at, load16(dk + at) + gk * p[i]);                                         \
        if (b) store16(db + at, load16(db + at) + gb * p[i]);                                  \
        if (w) {                                                                               \
          store16(moved + s * 4 * LANES + i * LANES, p[i]);                                    \
          p[i] *= load16(w + at);                                                              \
        }                                                                                      \
      }                                                                                        \
    }                                                                                          \
    for (ptrdiff_t s = 0; s <= last; s++) {                                                    \
      float gk = dMk[s], gb = b ? dMb[s] : 0;                                                  \
      for (int i = 0; i < lanes; i++) {                                                        \
        ptrdiff_t at = s * P + i * LANES;                                                      \
        if (w) {                                                                               \
          A[i] *= load16(w + at);                                                              \
          store16(dlog + at, load16(dlog + at) + A[i] * load16(moved + s * 4 * LANES + i * LANES)); \
        }                                                                                      \
        A[i] += gk * load16(k + at);                                                           \
        if (b) A[i] += gb * load16(b + at);                                                    \
      }                                                                                        \
    }                                                                                          \
    for (int i = 0; i < lanes; i++) store16(dx + i * LANES, load16(dx + i * LANES) + A[i]);    \
  }
SCORES_BACKWARD(1)
SCORES_BACKWARD(2)
SCORES_BACKWARD(3)
SCORES_BACKWARD(4)

INLINE void score_rows_backward(
    ptrdiff_t n, ptrdiff_t P, ptrdiff_t lag, ptrdiff_t stride, const float *x, const float *k, const float *b,
    const float *w, const float *dMk, const float *dMb, float *dx, float *dk, float *db, float *dlog,
    float *scratch) {
  for (ptrdiff_t i = 0; i < P; i += 4 * LANES) {
    ptrdiff_t lanes = (P - i) / LANES < 4 ? (P - i) / LANES : 4;
    for (ptrdiff_t t = lag; t < n; t++) {
      const float *xt = x + t * P + i, *bi = b ? b + i : NULL, *wi = w ? w + i : NULL;
      const float *gk = dMk + t * stride, *gb = b ? dMb + t * stride : NULL;
      float *dxt = dx + t * P + i, *dbi = b ? db + i : NULL, *dlogi = w ? dlog + i : NULL;
      ptrdiff_t last = t - lag;
      if (lanes == 4)
        scores_backward_4(last, P, xt, k + i, bi, wi, gk, gb, dxt, dk + i, dbi, dlogi, scratch);
      else if (lanes == 3)
        scores_backward_3(last, P, xt, k + i, bi, wi, gk, gb, dxt, dk + i, dbi, dlogi, scratch);
      else if (lanes == 2)
        scores_backward_2(last, P, xt, k + i, bi, wi, gk, gb, dxt, dk + i, dbi, dlogi, scratch);
      else scores_backward_1(last, P, xt, k + i, bi, wi, gk, gb, dxt, dk + i, dbi, dlogi, scratch);
    }
  }
}

LEAF(void, runnel_delta_scores_backward,
    (ptrdiff_t n, ptrdiff_t P, ptrdiff_t lag, ptrdiff_t stride, const float *x, const float *k,
     const float *b, const float *w, const float *dMk, const float *dMb, float *dx, float *dk, float *db,
     float *dlog, float *scratch),
    (n, P, lag, stride, x, k, b, w, dMk, dMb, dx, dk, db, dlog, scratch)) {
  if (b && w)
    score_rows_backward(n, P, lag, stride, x, k, b, w, dMk, dMb, dx, dk, db, dlog, scratch);
  else if (b)
    score_rows_backward(n, P, lag, stride, x, k, b, NULL, dMk, dMb, dx, dk, db, NULL, scratch);
  else if (w)
    score_rows_backward(n, P, lag, stride, x, k, NULL, w, dMk, NULL, dx, dk, NULL, dlog, scratch);
  else score_rows_backward(n, P, lag, stride, x, k, NULL, NULL, dMk, NULL, dx, dk, NULL, NULL, scratch);
}

LEAF(void, runnel_delta_bonus,
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

LEAF(void, runnel_delta_bonus_backward,
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

LEAF(void, runnel_delta_solve,
    (ptrdiff_t n, ptrdiff_t V, ptrdiff_t V_stride, ptrdiff_t stride, const float *M, float *U),
    (n, V, V_stride, stride, M, U)) {
  for (ptrdiff_t t = 1; t < n; t++) {
    const float *m = M + t * stride;
    float *y = U + t * V_stride;
    ptrdiff_t s = 0;
    for (; s + 4 <= t; s += 4) {
      const float *x = U + s * V_stride;
      add_rows(V, m + s, x, x + V_stride, x + 2 * V_stride, x + 3 * V_stride, y);
    }
    for (; s < t; s++) add_row(V, m[s], U + s * V_stride, y);
  }
}

LEAF(void, runnel_delta_solve_transposed,
    (ptrdiff_t n, ptrdiff_t V, ptrdiff_t V_stride, ptrdiff_t stride, const float *M, float *U),
    (n, V, V_stride, stride, M, U)) {
  for (ptrdiff_t s = n - 2; s >= 0; s--) {
    float *y = U + s * V_stride;
    ptrdiff_t t = s + 1;
    for (; t + 4 <= n; t += 4) {
      const float *m = M + t * stride + s, *x = U + t * V_stride;
      float c[4] = {m[0], m[stride], m[2 * stride], m[3 * stride]};
      add_rows(V, c, x, x + V_stride, x + 2 * V_stride, x + 3 * V_stride, y);
    }
    for (; t < n; t++) add_row(V, M[t * stride + s], U + t * V_stride, y);
  }
}

LEAF(void, runnel_delta_scaled_backward,
    (ptrdiff_t n, ptrdiff_t P, const float *restrict scale, const float *restrict g, const float *restrict x,
     float *restrict dx, float *restrict terms),
    (n, P, scale, g, x, dx, terms)) {
  if (!scale)
    for (ptrdiff_t i = 0; i < n * P; i++) dx[i] += g[i];
  else if (!terms)
    for (ptrdiff_t i = 0; i < n * P; i++) dx[i] += scale[i] * g[i];
  else
    for (ptrdiff_t i = 0; i < n * P; i++) {
      float d = scale[i] * g[i];
      dx[i] += d;
      terms[i] += x[i] * d;
    }
}

LEAF(void, runnel_delta_boundary,
    (ptrdiff_t K, ptrdiff_t V, const float *scale, const float *state, const float *dstate, float *total),
    (K, V, scale, state, dstate, total)) {
  for (ptrdiff_t i = 0; i < K; i++) {
    float sum = 0;
    for (ptrdiff_t j = 0; j < V; j++) {
#pragma clang fp reassociate(on)
      sum += state[i * V + j] * dstate[i * V + j];
    }
    total[i] = scale[i] * sum;
  }
}

INLINE void add_terms(ptrdiff_t P, const float *restrict terms, float *restrict total, float *restrict dlog) {
  for (ptrdiff_t i = 0; i < P; i++) {
    total[i] += terms[i];
    dlog[i] += total[i];
  }
}

LEAF(void, runnel_delta_decay_backward,
    (ptrdiff_t n, ptrdiff_t P, const float *from_start, const float *to_end, float *total, float *dlog),
    (n, P, from_start, to_end, total, dlog)) {
  for (ptrdiff_t t = 0; t < n; t++) {
    if (t > 0) add_row(P, 1.f, to_end + (t - 1) * P, total);
    add_row(P, 1.f, total, dlog + t * P);
  }
  memset(total, 0, (size_t)P * sizeof(float));
  for (ptrdiff_t t = n - 1; t >= 0; t--) add_terms(P, from_start + t * P, total, dlog + t * P);
}

LEAF(void, runnel_delta_row_sums,
    (ptrdiff_t n, ptrdiff_t P, ptrdiff_t stride, const float *x, float *y),
    (n, P, stride, x, y)) {
  for (ptrdiff_t t = 0; t < n; t++) {
    v16 sum = {0};
    for (ptrdiff_t i = 0; i < P; i += LANES) sum += load16(x + t * P + i);
    y[t * stride] = sum16(sum);
  }
}
