// Passes over the logits of a vocabulary, to draw from.
#include <math.h>

#include "runnel_sampling.h"
#include "vector.h"

// A draw must not depend on the machine: no product is fused with a sum here, whatever the instruction set can do.
#pragma STDC FP_CONTRACT OFF

enum { BLOCK = RUNNEL_SAMPLING_BLOCK };

// Of what is not finite, all bits of the exponent are set.
LEAF(int, runnel_is_finite, (ptrdiff_t n, const float *x), (n, x)) {
  int32_t largest = 0;
  for (ptrdiff_t i = 0; i < n; i++) {
    int32_t size = (int32_t)(bits(float, uint32_t, x[i]) & 0x7fffffff);
    largest = size > largest ? size : largest;
  }
  return largest < 0x7f800000;
}

LEAF(void, runnel_block_maxima, (ptrdiff_t n, const float *x, float *largest), (n, x, largest)) {
  ptrdiff_t i = 0;
  for (; i + BLOCK <= n; i += BLOCK) {
    float top[LANES];
    for (int j = 0; j < LANES; j++) top[j] = -INFINITY;
    for (int k = 0; k < BLOCK; k += LANES)
      for (int j = 0; j < LANES; j++) top[j] = x[i + k + j] > top[j] ? x[i + k + j] : top[j];
    for (int w = LANES / 2; w > 0; w /= 2)
      for (int j = 0; j < w; j++) top[j] = top[j + w] > top[j] ? top[j + w] : top[j];
    *largest++ = top[0];
  }
  if (i < n) {
    float top = -INFINITY;
    for (; i < n; i++) top = x[i] > top ? x[i] : top;
    *largest = top;
  }
}

// exp((x - top) scale) of one vector; a comparison with a NaN is false.
#define WEIGHTS(x)                                             \
  ({                                                           \
    v16 logit_ = (x), power_ = (logit_ - top) * scale;         \
    i16 kept_ = (i16)(logit_ >= floor) & (i16)(power_ >= -87.f); \
    select16(kept_, exp16(power_), (v16){0});                  \
  })

INLINE float weights(ptrdiff_t n, const float *x, float top, float scale, float floor, float *w) {
  v16 sum = {0};
  ptrdiff_t i = 0;
  for (; i + LANES <= n; i += LANES) {
    v16 y = WEIGHTS(load16(x + i));
    if (w) store16(w + i, y);
    sum += y;
  }
  if (i < n) {
    v16 y = WEIGHTS(load16_part(x + i, n - i));
    // Lanes beyond the end hold a weight of nothing.
    float part[LANES] = {0};
    store16_part(part, y, n - i);
    if (w) memcpy(w + i, part, (size_t)(n - i) * sizeof(float));
    sum += load16(part);
  }
  return sum16(sum);
}

LEAF(float, runnel_sampling_weights,
    (ptrdiff_t n, const float *x, float top, float scale, float floor, float *w),
    (n, x, top, scale, floor, w)) {
  return weights(n, x, top, scale, floor, w);
}

LEAF(void, runnel_block_weights,
    (ptrdiff_t n, const float *x, const float *largest, float top, float scale, float floor, float *sums),
    (n, x, largest, top, scale, floor, sums)) {
  for (ptrdiff_t i = 0; i < n; i += BLOCK) {
    ptrdiff_t m = n - i < BLOCK ? n - i : BLOCK;
    *sums++ = *largest++ >= floor ? weights(m, x + i, top, scale, floor, NULL) : 0;
  }
}
