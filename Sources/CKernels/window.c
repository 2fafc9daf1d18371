// Softmax attention over a window of tokens.
#include "runnel_window.h"
#include "sums.h"
#include "vector.h"

INLINE float largest_of(ptrdiff_t n, const float *x) {
  float top[LANES], largest = x[0];
  for (int j = 0; j < LANES; j++) top[j] = x[0];
  ptrdiff_t i = 0;
  for (; i + LANES <= n; i += LANES)
    for (int j = 0; j < LANES; j++) top[j] = x[i + j] > top[j] ? x[i + j] : top[j];
  for (; i < n; i++) largest = x[i] > largest ? x[i] : largest;
  for (int j = 0; j < LANES; j++) largest = top[j] > largest ? top[j] : largest;
  return largest;
}

// x becomes exp(x - its maximum); the sum.
INLINE float exponentials(ptrdiff_t n, float *restrict x) {
  SUMS
  float largest = largest_of(n, x), sum = 0;
  for (ptrdiff_t i = 0; i < n; i++) x[i] = exp1(x[i] - largest);
  for (ptrdiff_t i = 0; i < n; i++) sum += x[i];
  return sum;
}

LEAF(void, runnel_window_softmax,
    (ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, ptrdiff_t first, ptrdiff_t window,
     float *restrict scores),
    (rows, columns, stride, first, window, scores)) {
  for (ptrdiff_t i = 0; i < rows; i++, scores += stride) {
    ptrdiff_t end = first + i + 1, start = end > window ? end - window : 0;
    for (ptrdiff_t j = 0; j < start; j++) scores[j] = 0;
    float r = 1.f / exponentials(end - start, scores + start);
    for (ptrdiff_t j = start; j < end; j++) scores[j] *= r;
    for (ptrdiff_t j = end; j < columns; j++) scores[j] = 0;
  }
}

LEAF(void, runnel_window_softmax_backward,
    (ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, float scale, const float *restrict p,
     float *restrict dp),
    (rows, columns, stride, scale, p, dp)) {
  for (ptrdiff_t i = 0; i < rows; i++, p += stride, dp += stride) {
    SUMS
    float mean = 0;
    for (ptrdiff_t j = 0; j < columns; j++) mean += p[j] * dp[j];
    for (ptrdiff_t j = 0; j < columns; j++) dp[j] = scale * p[j] * (dp[j] - mean);
  }
}

LEAF(void, runnel_window_step,
    (ptrdiff_t count, ptrdiff_t K, ptrdiff_t V, ptrdiff_t k_stride, ptrdiff_t v_stride, float scale,
     const float *restrict q, const float *restrict keys, const float *restrict values,
     float *restrict scores, float *restrict y),
    (count, K, V, k_stride, v_stride, scale, q, keys, values, scores, y)) {
  for (ptrdiff_t j = 0; j < count; j++) {
    SUMS
    const float *key = keys + j * k_stride;
    float sum = 0;
    for (ptrdiff_t i = 0; i < K; i++) sum += q[i] * key[i];
    scores[j] = scale * sum;
  }
  float r = 1.f / exponentials(count, scores);
  for (ptrdiff_t i = 0; i < V; i++) y[i] = 0;
  for (ptrdiff_t j = 0; j < count; j++) {
    const float *value = values + j * v_stride;
    float weight = r * scores[j];
    for (ptrdiff_t i = 0; i < V; i++) y[i] += weight * value[i];
  }
}
