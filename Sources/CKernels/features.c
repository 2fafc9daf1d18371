// Feature maps of linear attention.
#include "runnel_features.h"
#include "sums.h"
#include "vector.h"

LEAF(void, runnel_softmax_rows,
    (ptrdiff_t rows, ptrdiff_t width, const float *restrict x, float *restrict y),
    (rows, width, x, y)) {
  for (ptrdiff_t row = 0; row < rows; row++, x += width, y += width) {
    SUMS
    float largest = x[0], sum = 0;
    for (ptrdiff_t i = 1; i < width; i++) largest = x[i] > largest ? x[i] : largest;
    for (ptrdiff_t i = 0; i < width; i++) y[i] = exp1(x[i] - largest);
    for (ptrdiff_t i = 0; i < width; i++) sum += y[i];
    for (ptrdiff_t i = 0; i < width; i++) y[i] *= 1.f / sum;
  }
}

LEAF(void, runnel_softmax_rows_backward,
    (ptrdiff_t rows, ptrdiff_t width, const float *restrict y, const float *restrict dy, float *restrict dx),
    (rows, width, y, dy, dx)) {
  for (ptrdiff_t row = 0; row < rows; row++, y += width, dy += width, dx += width) {
    SUMS
    float mean = 0;
    for (ptrdiff_t i = 0; i < width; i++) mean += y[i] * dy[i];
    for (ptrdiff_t i = 0; i < width; i++) dx[i] = y[i] * (dy[i] - mean);
  }
}

#define ROOT_HALF 0.70710678f

LEAF(void, runnel_taylor_features,
    (ptrdiff_t rows, ptrdiff_t width, float a, const float *restrict x, float *restrict y),
    (rows, width, a, x, y)) {
  for (ptrdiff_t row = 0; row < rows; row++, x += width) {
    *y++ = 1.f;
    for (ptrdiff_t i = 0; i < width; i++) y[i] = a * x[i];
    y += width;
    for (ptrdiff_t i = 0; i < width; i++) {
      float u = a * a * x[i];
      *y++ = ROOT_HALF * u * x[i];
      for (ptrdiff_t j = i + 1; j < width; j++) *y++ = u * x[j];
    }
  }
}

LEAF(void, runnel_taylor_features_backward,
    (ptrdiff_t rows, ptrdiff_t width, float a, const float *restrict x, const float *restrict dy,
     float *restrict dx),
    (rows, width, a, x, dy, dx)) {
  for (ptrdiff_t row = 0; row < rows; row++, x += width, dx += width) {
    dy++;
    for (ptrdiff_t i = 0; i < width; i++) dx[i] = a * dy[i];
    dy += width;
    for (ptrdiff_t i = 0; i < width; i++) {
      SUMS
      ptrdiff_t rest = width - i - 1;
      float u = a * a * x[i], sum = 2.f * ROOT_HALF * x[i] * dy[0];
      const float *other = x + i + 1, *d = dy + 1;
      float *dother = dx + i + 1;
      for (ptrdiff_t j = 0; j < rest; j++) {
        sum += other[j] * d[j];
        dother[j] += u * d[j];
      }
      dx[i] += a * a * sum;
      dy += rest + 1;
    }
  }
}
