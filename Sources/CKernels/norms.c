// Normalisation of rows: a group is read from memory once and stays in the first-level cache for the later passes, so
// backward recomputes the statistics instead of keeping them.
#include "runnel_norms.h"
#include "sums.h"
#include "vector.h"

#define EACH_GROUP                              \
  for (ptrdiff_t row = 0; row < rows; row++)    \
    for (ptrdiff_t start = 0; start < groups * width; start += width)

INLINE float inverse_root(float sum, ptrdiff_t width, float epsilon) {
  return 1.f / __builtin_elementwise_sqrt(sum / (float)width + epsilon);
}

INLINE float mean_of(ptrdiff_t n, const float *x) {
  SUMS
  float sum = 0;
  for (ptrdiff_t i = 0; i < n; i++) sum += x[i];
  return sum / (float)n;
}

INLINE float sum_of_squares(ptrdiff_t n, const float *x, float mean) {
  SUMS
  float sum = 0;
  for (ptrdiff_t i = 0; i < n; i++) sum += (x[i] - mean) * (x[i] - mean);
  return sum;
}

RUNNEL_CLONES void runnel_rms_norm(
    ptrdiff_t rows, ptrdiff_t groups, ptrdiff_t width, float epsilon, const float *restrict x,
    const float *restrict scale, float *restrict y) {
  EACH_GROUP {
    float r = inverse_root(sum_of_squares(width, x, 0), width, epsilon);
    const float *s = scale + start;
    for (ptrdiff_t i = 0; i < width; i++) y[i] = x[i] * r * s[i];
    x += width, y += width;
  }
}

// With g = dy scale and r the inverse root: dx = r g - x r^3 mean(g x).
RUNNEL_CLONES void runnel_rms_norm_backward(
    ptrdiff_t rows, ptrdiff_t groups, ptrdiff_t width, float epsilon, const float *restrict x,
    const float *restrict scale, const float *restrict dy, float *restrict dx, float *restrict dscale) {
  EACH_GROUP {
    SUMS
    const float *s = scale + start;
    float *ds = dscale + start, squares = 0, product = 0;
    for (ptrdiff_t i = 0; i < width; i++) {
      squares += x[i] * x[i];
      product += x[i] * dy[i] * s[i];
    }
    float r = inverse_root(squares, width, epsilon), c = product / (float)width * r * r;
    for (ptrdiff_t i = 0; i < width; i++) {
      dx[i] = r * (dy[i] * s[i] - x[i] * c);
      ds[i] += dy[i] * x[i] * r;
    }
    x += width, dy += width, dx += width;
  }
}

RUNNEL_CLONES void runnel_layer_norm(
    ptrdiff_t rows, ptrdiff_t groups, ptrdiff_t width, float epsilon, const float *restrict x,
    const float *restrict scale, const float *restrict bias, float *restrict y) {
  EACH_GROUP {
    float mean = mean_of(width, x);
    float r = inverse_root(sum_of_squares(width, x, mean), width, epsilon);
    const float *s = scale + start, *b = bias + start;
    for (ptrdiff_t i = 0; i < width; i++) y[i] = (x[i] - mean) * r * s[i] + b[i];
    x += width, y += width;
  }
}

// With g = dy scale and n = (x - mean) r: dx = r (g - mean(g) - n mean(g n)).
RUNNEL_CLONES void runnel_layer_norm_backward(
    ptrdiff_t rows, ptrdiff_t groups, ptrdiff_t width, float epsilon, const float *restrict x,
    const float *restrict scale, const float *restrict dy, float *restrict dx, float *restrict dscale,
    float *restrict dbias) {
  EACH_GROUP {
    SUMS
    const float *s = scale + start;
    float *ds = dscale + start, *db = dbias + start, mean = mean_of(width, x);
    float squares = 0, sum = 0, product = 0;
    for (ptrdiff_t i = 0; i < width; i++) {
      float centred = x[i] - mean, g = dy[i] * s[i];
      squares += centred * centred;
      sum += g;
      product += centred * g;
    }
    float r = inverse_root(squares, width, epsilon);
    float shift = sum / (float)width, c = product / (float)width * r * r;
    for (ptrdiff_t i = 0; i < width; i++) {
      float centred = x[i] - mean;
      dx[i] = r * (dy[i] * s[i] - shift - centred * c);
      ds[i] += dy[i] * centred * r;
      db[i] += dy[i];
    }
    x += width, dy += width, dx += width;
  }
}

RUNNEL_CLONES void runnel_gated_rms_norm(
    int norm_first, ptrdiff_t rows, ptrdiff_t groups, ptrdiff_t width, float epsilon, const float *restrict x,
    const float *restrict gate, const float *restrict scale, float *restrict y) {
  EACH_GROUP {
    const float *s = scale + start;
    if (norm_first) {
      float r = inverse_root(sum_of_squares(width, x, 0), width, epsilon);
      for (ptrdiff_t i = 0; i < width; i++) y[i] = x[i] * r * s[i] * (gate[i] * sigmoid1(gate[i]));
    } else {
      for (ptrdiff_t i = 0; i < width; i++) y[i] = x[i] * (gate[i] * sigmoid1(gate[i]));
      float r = inverse_root(sum_of_squares(width, y, 0), width, epsilon);
      for (ptrdiff_t i = 0; i < width; i++) y[i] *= r * s[i];
    }
    x += width, gate += width, y += width;
  }
}

// silu(g) = g p with p = sigmoid(g), and silu'(g) = p (1 + g (1 - p)); dgate holds p between the passes.
RUNNEL_CLONES void runnel_gated_rms_norm_backward(
    int norm_first, ptrdiff_t rows, ptrdiff_t groups, ptrdiff_t width, float epsilon, const float *restrict x,
    const float *restrict gate, const float *restrict scale, const float *restrict dy, float *restrict dx,
    float *restrict dgate, float *restrict dscale) {
  EACH_GROUP {
    SUMS
    const float *s = scale + start;
    float *ds = dscale + start, squares = 0, product = 0;
    for (ptrdiff_t i = 0; i < width; i++) dgate[i] = sigmoid1(gate[i]);
    if (norm_first) {
      for (ptrdiff_t i = 0; i < width; i++) {
        squares += x[i] * x[i];
        product += x[i] * dy[i] * s[i] * (gate[i] * dgate[i]);
      }
      float r = inverse_root(squares, width, epsilon), c = product / (float)width * r * r;
      for (ptrdiff_t i = 0; i < width; i++) {
        float p = dgate[i], silu = gate[i] * p, slope = p * (1.f + gate[i] * (1.f - p));
        dx[i] = r * (dy[i] * s[i] * silu - x[i] * c);
        ds[i] += dy[i] * x[i] * r * silu;
        dgate[i] = dy[i] * x[i] * r * s[i] * slope;
      }
    } else {
      for (ptrdiff_t i = 0; i < width; i++) {
        float u = x[i] * (gate[i] * dgate[i]);
        squares += u * u;
        product += u * dy[i] * s[i];
      }
      float r = inverse_root(squares, width, epsilon), c = product / (float)width * r * r;
      for (ptrdiff_t i = 0; i < width; i++) {
        float p = dgate[i], silu = gate[i] * p, slope = p * (1.f + gate[i] * (1.f - p));
        float u = x[i] * silu, du = r * (dy[i] * s[i] - u * c);
        dx[i] = du * silu;
        ds[i] += dy[i] * u * r;
        dgate[i] = du * x[i] * slope;
      }
    }
    x += width, gate += width, dy += width, dx += width, dgate += width;
  }
}
