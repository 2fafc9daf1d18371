// Elementwise functions of one array, their derivatives, and gated products of two.
#include "activations.h"
#include "runnel_kernels.h"

#define EACH_ACTIVATION(f, LOOP)                      \
  switch (f) {                                        \
  case RUNNEL_IDENTITY: LOOP(RUNNEL_IDENTITY) break;  \
  case RUNNEL_SILU: LOOP(RUNNEL_SILU) break;          \
  case RUNNEL_GELU: LOOP(RUNNEL_GELU) break;          \
  case RUNNEL_SIGMOID: LOOP(RUNNEL_SIGMOID) break;    \
  case RUNNEL_TANH: LOOP(RUNNEL_TANH) break;          \
  case RUNNEL_SOFTPLUS: LOOP(RUNNEL_SOFTPLUS) break;  \
  case RUNNEL_EXP: LOOP(RUNNEL_EXP) break;            \
  case RUNNEL_ELU1: LOOP(RUNNEL_ELU1) break;          \
  case RUNNEL_RELU: LOOP(RUNNEL_RELU) break;          \
  case RUNNEL_RELU2: LOOP(RUNNEL_RELU2) break;        \
  }

LEAF(void, runnel_activate,
    (enum runnel_activation f, ptrdiff_t n, const float *restrict x, float *restrict y),
    (f, n, x, y)) {
#define LOOP(F) for (ptrdiff_t i = 0; i < n; i++) y[i] = value(F, x[i]);
  EACH_ACTIVATION(f, LOOP)
#undef LOOP
}

LEAF(void, runnel_activate_backward,
    (enum runnel_activation f, ptrdiff_t n, const float *restrict x, const float *restrict dy,
     float *restrict dx),
    (f, n, x, dy, dx)) {
#define LOOP(F) for (ptrdiff_t i = 0; i < n; i++) dx[i] = dy[i] * derivative(F, x[i]);
  EACH_ACTIVATION(f, LOOP)
#undef LOOP
}

LEAF(void, runnel_gate,
    (enum runnel_activation f, ptrdiff_t n, const float *restrict g, const float *restrict x,
     float *restrict y),
    (f, n, g, x, y)) {
#define LOOP(F) for (ptrdiff_t i = 0; i < n; i++) y[i] = value(F, g[i]) * x[i];
  EACH_ACTIVATION(f, LOOP)
#undef LOOP
}

LEAF(void, runnel_gate_backward,
    (enum runnel_activation f, ptrdiff_t n, const float *restrict g, const float *restrict x,
     const float *restrict dy, float *restrict dg, float *restrict dx),
    (f, n, g, x, dy, dg, dx)) {
#define LOOP(F)                               \
  for (ptrdiff_t i = 0; i < n; i++) {         \
    dg[i] = dy[i] * x[i] * derivative(F, g[i]); \
    dx[i] = dy[i] * value(F, g[i]);           \
  }
  EACH_ACTIVATION(f, LOOP)
#undef LOOP
}

LEAF(void, runnel_add, (ptrdiff_t n, const float *x, const float *y, float *z), (n, x, y, z)) {
  for (ptrdiff_t i = 0; i < n; i++) z[i] = x[i] + y[i];
}
LEAF(void, runnel_multiply, (ptrdiff_t n, const float *x, const float *y, float *z), (n, x, y, z)) {
  for (ptrdiff_t i = 0; i < n; i++) z[i] = x[i] * y[i];
}
LEAF(void, runnel_scale, (ptrdiff_t n, float a, const float *x, float *z), (n, a, x, z)) {
  for (ptrdiff_t i = 0; i < n; i++) z[i] = a * x[i];
}
LEAF(void, runnel_add_scaled, (ptrdiff_t n, float a, const float *x, const float *y, float *z), (n, a, x, y, z)) {
  for (ptrdiff_t i = 0; i < n; i++) z[i] = x[i] + a * y[i];
}
LEAF(float, runnel_dot, (ptrdiff_t n, const float *x, const float *y), (n, x, y)) {
  v16 a = {0}, b = a, c = a, d = a;
  ptrdiff_t i = 0;
  for (; i + 4 * LANES <= n; i += 4 * LANES) {
    a += load16(x + i) * load16(y + i);
    b += load16(x + i + LANES) * load16(y + i + LANES);
    c += load16(x + i + 2 * LANES) * load16(y + i + 2 * LANES);
    d += load16(x + i + 3 * LANES) * load16(y + i + 3 * LANES);
  }
  for (; i + LANES <= n; i += LANES) a += load16(x + i) * load16(y + i);
  if (i < n) a += load16_part(x + i, n - i) * load16_part(y + i, n - i);
  return sum16((a + b) + (c + d));
}

// In double: the sum over a whole model's gradient decides the clipping and must not depend on its size.
LEAF(double, runnel_sum_of_squares, (ptrdiff_t n, const float *x), (n, x)) {
  double sum[8] = {0};
  ptrdiff_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int j = 0; j < 8; j++) sum[j] += (double)x[i + j] * x[i + j];
  for (; i < n; i++) sum[0] += (double)x[i] * x[i];
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

// Four rows at a time: one pass over x serves four, and four independent streams of w hide the latency of memory.
LEAF(void, runnel_gemv,
    (ptrdiff_t rows, ptrdiff_t columns, const float *w, const float *x, float beta, float *y),
    (rows, columns, w, x, beta, y)) {
  ptrdiff_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const float *p = w + r * columns, *q = p + columns, *s = q + columns, *t = s + columns;
    v16 a = {0}, b = a, c = a, d = a;
    ptrdiff_t i = 0;
    for (; i + LANES <= columns; i += LANES) {
      v16 xi = load16(x + i);
      a += load16(p + i) * xi;
      b += load16(q + i) * xi;
      c += load16(s + i) * xi;
      d += load16(t + i) * xi;
    }
    if (i < columns) {
      v16 xi = load16_part(x + i, columns - i);
      a += load16_part(p + i, columns - i) * xi;
      b += load16_part(q + i, columns - i) * xi;
      c += load16_part(s + i, columns - i) * xi;
      d += load16_part(t + i, columns - i) * xi;
    }
    float sums[4] = {sum16(a), sum16(b), sum16(c), sum16(d)};
    for (int j = 0; j < 4; j++) y[r + j] = sums[j] + (beta == 0 ? 0 : beta * y[r + j]);
  }
  for (; r < rows; r++) {
    const float *p = w + r * columns;
    v16 a = {0};
    ptrdiff_t i = 0;
    for (; i + LANES <= columns; i += LANES) a += load16(p + i) * load16(x + i);
    if (i < columns) a += load16_part(p + i, columns - i) * load16_part(x + i, columns - i);
    y[r] = sum16(a) + (beta == 0 ? 0 : beta * y[r]);
  }
}

// y [16 width, the last `count` lanes of them in part] of the columns at w.
INLINE void columns_of(
    const int width, ptrdiff_t count, ptrdiff_t rows, ptrdiff_t stride, const float *w, const float *x, float beta,
    float *y) {
  v16 sums[8];
  for (int i = 0; i < width; i++) sums[i] = splat16(0.f);
  for (ptrdiff_t r = 0; r < rows; r++, w += stride)
    for (int i = 0; i < width; i++)
      sums[i] += (count == LANES ? load16(w + i * LANES) : load16_part(w, count)) * x[r];
  for (int i = 0; i < width; i++, y += LANES) {
    if (count == LANES) store16(y, beta == 0 ? sums[i] : sums[i] + beta * load16(y));
    else store16_part(y, beta == 0 ? sums[i] : sums[i] + beta * load16_part(y, count), count);
  }
}

LEAF(void, runnel_gevm,
    (ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, const float *w, const float *x, float beta, float *y),
    (rows, columns, stride, w, x, beta, y)) {
  ptrdiff_t c = 0;
  for (; c + 8 * LANES <= columns; c += 8 * LANES) columns_of(8, LANES, rows, stride, w + c, x, beta, y + c);
  for (; c + LANES <= columns; c += LANES) columns_of(1, LANES, rows, stride, w + c, x, beta, y + c);
  if (c < columns) columns_of(1, columns - c, rows, stride, w + c, x, beta, y + c);
}
