// The weights of mixed chunk attention.
#include "runnel_chunk.h"
#include "vector.h"

INLINE float squared_relu(float x) { return x > 0 ? x * x : 0; }

LEAF(void, runnel_chunk_weights,
    (ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, ptrdiff_t first, ptrdiff_t chunk,
     float *restrict s),
    (rows, columns, stride, first, chunk, s)) {
  float r = 1.f / (float)chunk;
  for (ptrdiff_t i = 0; i < rows; i++, s += stride) {
    for (ptrdiff_t j = 0; j <= first + i; j++) s[j] = squared_relu(r * s[j]);
    for (ptrdiff_t j = first + i + 1; j < columns; j++) s[j] = 0;
  }
}

LEAF(void, runnel_chunk_weights_backward,
    (ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, ptrdiff_t first, ptrdiff_t chunk, float *restrict s,
     float *restrict ds),
    (rows, columns, stride, first, chunk, s, ds)) {
  float r = 1.f / (float)chunk;
  for (ptrdiff_t i = 0; i < rows; i++, s += stride, ds += stride) {
    for (ptrdiff_t j = 0; j <= first + i; j++) {
      float x = r * s[j];
      ds[j] = x > 0 ? 2.f * r * x * ds[j] : 0;
      s[j] = squared_relu(x);
    }
    for (ptrdiff_t j = first + i + 1; j < columns; j++) s[j] = ds[j] = 0;
  }
}

LEAF(void, runnel_chunk_mixed_weights,
    (ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, ptrdiff_t first, ptrdiff_t chunk, float *restrict s,
     const float *restrict linear),
    (rows, columns, stride, first, chunk, s, linear)) {
  float r = 1.f / (float)chunk;
  for (ptrdiff_t i = 0; i < rows; i++, s += stride, linear += stride) {
    ptrdiff_t end = first + i + 1, own = (first + i) / chunk * chunk;
    for (ptrdiff_t j = 0; j < own; j++) s[j] = r * linear[j];
    for (ptrdiff_t j = own; j < end; j++) s[j] = squared_relu(r * s[j]);
    for (ptrdiff_t j = end; j < columns; j++) s[j] = 0;
  }
}
