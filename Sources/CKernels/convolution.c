// Short causal convolutions, one filter per channel. The channels are taken in tiles that stay in the first-level
// cache, so that the activation is another pass over a tile and the weights are read from memory once per tile.
#include "runnel_convolution.h"
#include "vector.h"

enum { TILE = 512 };
#define EACH_TILE(start, n, width)                                                      \
  for (ptrdiff_t start = 0, n; n = width - start < TILE ? width - start : TILE, n > 0; start += n)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")

// p [n] = bias + sum over k of weight[k] rows[k], for the channels from start.
INLINE void sum_of_taps(
    ptrdiff_t start, ptrdiff_t n, ptrdiff_t width, ptrdiff_t taps, const float *const *rows, const float *weight,
    const float *bias, float *p) {
  memcpy(p, bias + start, (size_t)n * sizeof(float));
  ptrdiff_t k = 0;
  for (; k + 4 <= taps; k += 4) {
    const float *a = rows[k] + start, *b = rows[k + 1] + start, *c = rows[k + 2] + start, *d = rows[k + 3] + start;
    const float *w = weight + k * width + start, *x = w + width, *y = x + width, *z = y + width;
    INDEPENDENT for (ptrdiff_t i = 0; i < n; i++) {
      float s = p[i] + w[i] * a[i];
      s = s + x[i] * b[i];
      s = s + y[i] * c[i];
      p[i] = s + z[i] * d[i];
    }
  }
  for (; k < taps; k++) {
    const float *a = rows[k] + start, *w = weight + k * width + start;
    INDEPENDENT for (ptrdiff_t i = 0; i < n; i++) p[i] = p[i] + w[i] * a[i];
  }
}

LEAF(void, runnel_causal_convolution,
    (enum runnel_activation f, ptrdiff_t n, ptrdiff_t width, ptrdiff_t taps, const float *const *rows,
     const float *weight, const float *bias, float *y),
    (f, n, width, taps, rows, weight, bias, y)) {
  float p[TILE];
  EACH_TILE(start, m, width) {
    for (ptrdiff_t t = 0; t < n; t++) {
      float *out = y + t * width + start;
      sum_of_taps(start, m, width, taps, rows + t, weight, bias, f == RUNNEL_IDENTITY ? out : p);
      if (f != RUNNEL_IDENTITY) runnel_activate(f, m, p, out);
    }
  }
}

LEAF(void, runnel_causal_convolution_backward,
    (enum runnel_activation f, ptrdiff_t n, ptrdiff_t width, ptrdiff_t taps, const float *const *rows,
     const float *weight, const float *bias, const float *dy, float *dp, float *dweight, float *dbias),
    (f, n, width, taps, rows, weight, bias, dy, dp, dweight, dbias)) {
  float p[TILE];
  EACH_TILE(start, m, width) {
    for (ptrdiff_t t = 0; t < n; t++) {
      const float *g = dy + t * width + start;
      if (f != RUNNEL_IDENTITY) {
        float *out = dp + t * width + start;
        sum_of_taps(start, m, width, taps, rows + t, weight, bias, p);
        runnel_activate_backward(f, m, p, g, out);
        g = out;
      }
      float *db = dbias + start;
      INDEPENDENT for (ptrdiff_t i = 0; i < m; i++) db[i] += g[i];
      for (ptrdiff_t k = 0; k < taps; k++) {
        const float *x = rows[t + k] + start;
        float *dw = dweight + k * width + start;
        INDEPENDENT for (ptrdiff_t i = 0; i < m; i++) dw[i] += g[i] * x[i];
      }
    }
  }
}

// The weights of a channel lie side by side: with the number of taps known, the compiler loads and sorts them in whole
// registers. The sum runs in the order of sum_of_taps, so that a step and a segment agree to the bit.
INLINE void step(
    enum runnel_activation f, ptrdiff_t width, ptrdiff_t taps, const float *restrict weight,
    const float *restrict bias, const float *restrict x, float *restrict window, float *restrict y) {
  float p[TILE];
  EACH_TILE(start, n, width) {
    const float *last = x + start, *b = bias + start, *w = weight + start * taps;
    for (ptrdiff_t i = 0; i < n; i++) {
      float s = b[i];
      for (ptrdiff_t k = 0; k < taps - 1; k++) s = s + w[i * taps + k] * window[k * width + start + i];
      p[i] = s + w[i * taps + taps - 1] * last[i];
    }
    runnel_activate(f, n, p, y + start);
  }
  if (taps < 2) return;
  memmove(window, window + width, (size_t)((taps - 2) * width) * sizeof(float));
  memcpy(window + (taps - 2) * width, x, (size_t)width * sizeof(float));
}

LEAF(void, runnel_causal_convolution_step,
    (enum runnel_activation f, ptrdiff_t width, ptrdiff_t taps, const float *restrict weight,
     const float *restrict bias, const float *restrict x, float *restrict window, float *restrict y),
    (f, width, taps, weight, bias, x, window, y)) {
  switch (taps) {
  case 2: step(f, width, 2, weight, bias, x, window, y); break;
  case 3: step(f, width, 3, weight, bias, x, window, y); break;
  case 4: step(f, width, 4, weight, bias, x, window, y); break;
  default: step(f, width, taps, weight, bias, x, window, y);
  }
}
