// Normalisation of rows: a group is read from memory once and stays in the first-level cache for the later passes, so
// backward recomputes the statistics instead of keeping them.
#include "runnel_norms.h"
#include "sums.h"
#include "vector.h"
#include <math.h>

#define EACH_GROUP                              \
  for (ptrdiff_t row = 0; row < rows; row++)    \
    for (ptrdiff_t start = 0; start < groups * width; start += width)

// The power of two that makes the largest element about one; never an infinity.
INLINE float unit_factor(ptrdiff_t n, const float *x) {
  uint32_t largest = 0;
  for (ptrdiff_t i = 0; i < n; i++) {
    uint32_t size = bits(float, uint32_t, x[i]) & 0x7fffffffu;
    largest = size > largest ? size : largest;
  }
  uint32_t exponent = largest >> 23;
  return unbits(float, uint32_t, (exponent < 253 ? 253 - exponent : 1u) << 23);
}

// The squares of what lies beyond 1e19 are infinite. A norm does not change when all of x is multiplied by a number, so
// where the sum of squares is no number, x is taken times its unit factor, and epsilon, which is nothing beside it, is left
// out. Elsewhere the factor is one.
INLINE int overflows(float squares) { return !(squares < INFINITY); }

INLINE float inverse_root(float sum, ptrdiff_t width, float epsilon) {
  return 1.f / __builtin_elementwise_sqrt(sum / (float)width + epsilon);
}

INLINE float mean_of(ptrdiff_t n, float factor, const float *x) {
  SUMS
  float sum = 0;
  for (ptrdiff_t i = 0; i < n; i++) sum += factor * x[i];
  return sum / (float)n;
}

INLINE float sum_of_squares(ptrdiff_t n, float factor, const float *x, float mean) {
  SUMS
  float sum = 0;
  for (ptrdiff_t i = 0; i < n; i++) {
    float d = factor * x[i] - mean;
    sum += d * d;
  }
  return sum;
}

LEAF(void, runnel_rms_norm,
    (ptrdiff_t rows, ptrdiff_t groups, ptrdiff_t width, float epsilon, const float *restrict x,
     const float *restrict scale, float *restrict y),
    (rows, groups, width, epsilon, x, scale, y)) {
  EACH_GROUP {
    const float *s = scale + start;
    float f = 1, e = epsilon, squares = sum_of_squares(width, f, x, 0);
    if (overflows(squares)) f = unit_factor(width, x), e = 0, squares = sum_of_squares(width, f, x, 0);
    float r = inverse_root(squares, width, e);
    for (ptrdiff_t i = 0; i < width; i++) y[i] = f * x[i] * r * s[i];
    x += width, y += width;
  }
}

// With n = f x, g = dy scale and r the inverse root: dx = f r (g - n mean(g n) r^2).
LEAF(void, runnel_rms_norm_backward,
    (ptrdiff_t rows, ptrdiff_t groups, ptrdiff_t width, float epsilon, const float *restrict x,
     const float *restrict scale, const float *restrict dy, float *restrict dx, float *restrict dscale),
    (rows, groups, width, epsilon, x, scale, dy, dx, dscale)) {
  EACH_GROUP {
    SUMS
    const float *s = scale + start;
    float *ds = dscale + start, f = 1, e = epsilon, squares = sum_of_squares(width, f, x, 0), product = 0;
    if (overflows(squares)) f = unit_factor(width, x), e = 0, squares = sum_of_squares(width, f, x, 0);
    for (ptrdiff_t i = 0; i < width; i++) product += f * x[i] * dy[i] * s[i];
    float r = inverse_root(squares, width, e), c = product / (float)width * r * r;
    for (ptrdiff_t i = 0; i < width; i++) {
      float n = f * x[i];
      dx[i] = f * r * (dy[i] * s[i] - n * c);
      ds[i] += dy[i] * n * r;
    }
    x += width, dy += width, dx += width;
  }
}

LEAF(void, runnel_layer_norm,
    (ptrdiff_t rows, ptrdiff_t groups, ptrdiff_t width, float epsilon, const float *restrict x,
     const float *restrict scale, const float *restrict bias, float *restrict y),
    (rows, groups, width, epsilon, x, scale, bias, y)) {
  EACH_GROUP {
    const float *s = scale + start, *b = bias + start;
    float f = 1, e = epsilon, mean = mean_of(width, f, x), squares = sum_of_squares(width, f, x, mean);
    if (overflows(squares)) {
      f = unit_factor(width, x), e = 0, mean = mean_of(width, f, x);
      squares = sum_of_squares(width, f, x, mean);
    }
    float r = inverse_root(squares, width, e);
    for (ptrdiff_t i = 0; i < width; i++) y[i] = (f * x[i] - mean) * r * s[i] + b[i];
    x += width, y += width;
  }
}

// With g = dy scale and n = (f x - mean) r: dx = f r (g - mean(g) - n mean(g n)).
LEAF(void, runnel_layer_norm_backward,
    (ptrdiff_t rows, ptrdiff_t groups, ptrdiff_t width, float epsilon, const float *restrict x,
     const float *restrict scale, const float *restrict dy, float *restrict dx, float *restrict dscale,
     float *restrict dbias),
    (rows, groups, width, epsilon, x, scale, dy, dx, dscale, dbias)) {
  EACH_GROUP {
    SUMS
    const float *s = scale + start;
    float *ds = dscale + start, *db = dbias + start, sum = 0, product = 0;
    float f = 1, e = epsilon, mean = mean_of(width, f, x), squares = sum_of_squares(width, f, x, mean);
    if (overflows(squares)) {
      f = unit_factor(width, x), e = 0, mean = mean_of(width, f, x);
      squares = sum_of_squares(width, f, x, mean);
    }
    for (ptrdiff_t i = 0; i < width; i++) {
      float centred = f * x[i] - mean, g = dy[i] * s[i];
      sum += g;
      product += centred * g;
    }
    float r = inverse_root(squares, width, e);
    float shift = sum / (float)width, c = product / (float)width * r * r;
    for (ptrdiff_t i = 0; i < width; i++) {
      float centred = f * x[i] - mean;
      dx[i] = f * r * (dy[i] * s[i] - shift - centred * c);
      ds[i] += dy[i] * centred * r;
      db[i] += dy[i];
    }
    x += width, dy += width, dx += width;
  }
}

// u = h f x silu(g), and the sum of its squares: f is the unit factor of x, h that of f x silu(g).
INLINE float scaled_gated_squares(
    ptrdiff_t n, const float *restrict x, const float *restrict gate, float *restrict u, float *f, float *h) {
  *f = unit_factor(n, x);
  for (ptrdiff_t i = 0; i < n; i++) u[i] = *f * x[i] * silu1(gate[i]);
  *h = unit_factor(n, u);
  for (ptrdiff_t i = 0; i < n; i++) u[i] *= *h;
  return sum_of_squares(n, 1, u, 0);
}

LEAF(void, runnel_gated_rms_norm,
    (int norm_first, ptrdiff_t rows, ptrdiff_t groups, ptrdiff_t width, float epsilon, const float *restrict x,
     const float *restrict gate, const float *restrict scale, float *restrict y),
    (norm_first, rows, groups, width, epsilon, x, gate, scale, y)) {
  EACH_GROUP {
    const float *s = scale + start;
    float f = 1, h = 1, e = epsilon;
    if (norm_first) {
      float squares = sum_of_squares(width, f, x, 0);
      if (overflows(squares)) f = unit_factor(width, x), e = 0, squares = sum_of_squares(width, f, x, 0);
      float r = inverse_root(squares, width, e);
      for (ptrdiff_t i = 0; i < width; i++) y[i] = f * x[i] * r * s[i] * silu1(gate[i]);
    } else {
      for (ptrdiff_t i = 0; i < width; i++) y[i] = x[i] * silu1(gate[i]);
      float squares = sum_of_squares(width, 1, y, 0);
      if (overflows(squares)) e = 0, squares = scaled_gated_squares(width, x, gate, y, &f, &h);
      float r = inverse_root(squares, width, e);
      for (ptrdiff_t i = 0; i < width; i++) y[i] *= r * s[i];
    }
    x += width, gate += width, y += width;
  }
}

// silu(g) = g p with p = sigmoid(g), and silu'(g) = p (1 + g (1 - p)). Between the passes dgate holds p, and dx u where the
// norm comes last.
LEAF(void, runnel_gated_rms_norm_backward,
    (int norm_first, ptrdiff_t rows, ptrdiff_t groups, ptrdiff_t width, float epsilon, const float *restrict x,
     const float *restrict gate, const float *restrict scale, const float *restrict dy, float *restrict dx,
     float *restrict dgate, float *restrict dscale),
    (norm_first, rows, groups, width, epsilon, x, gate, scale, dy, dx, dgate, dscale)) {
  EACH_GROUP {
    SUMS
    const float *s = scale + start;
    float *ds = dscale + start, f = 1, h = 1, e = epsilon, product = 0;
    for (ptrdiff_t i = 0; i < width; i++) dgate[i] = sigmoid1(gate[i]);
    if (norm_first) {
      float squares = sum_of_squares(width, f, x, 0);
      if (overflows(squares)) f = unit_factor(width, x), e = 0, squares = sum_of_squares(width, f, x, 0);
      for (ptrdiff_t i = 0; i < width; i++) product += f * x[i] * dy[i] * s[i] * (bounded(gate[i]) * dgate[i]);
      float r = inverse_root(squares, width, e), c = product / (float)width * r * r;
      for (ptrdiff_t i = 0; i < width; i++) {
        float n = f * x[i], g = bounded(gate[i]), p = dgate[i], silu = g * p, slope = p * (1.f + g * (1.f - p));
        dx[i] = f * r * (dy[i] * s[i] * silu - n * c);
        ds[i] += dy[i] * n * r * silu;
        dgate[i] = dy[i] * n * r * s[i] * slope;
      }
    } else {
      for (ptrdiff_t i = 0; i < width; i++) dx[i] = x[i] * (bounded(gate[i]) * dgate[i]);
      float squares = sum_of_squares(width, 1, dx, 0);
      if (overflows(squares)) e = 0, squares = scaled_gated_squares(width, x, gate, dx, &f, &h);
      for (ptrdiff_t i = 0; i < width; i++) product += dx[i] * dy[i] * s[i];
      float r = inverse_root(squares, width, e), c = product / (float)width * r * r;
      for (ptrdiff_t i = 0; i < width; i++) {
        float g = bounded(gate[i]), p = dgate[i], silu = g * p, slope = p * (1.f + g * (1.f - p));
        float u = dx[i], du = r * (dy[i] * s[i] - u * c);
        ds[i] += dy[i] * u * r;
        // Each large factor meets its own h or f first.
        dgate[i] = h * (du * (f * x[i]) * slope);
        dx[i] = f * (du * (h * silu));
      }
    }
    x += width, gate += width, dy += width, dx += width, dgate += width;
  }
}
