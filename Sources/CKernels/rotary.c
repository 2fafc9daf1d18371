// Rotation of pairs of features by the angles of their position.
#include "runnel_rotary.h"
#include "vector.h"

LEAF(void, runnel_rotate,
    (int interleaved, float sign, ptrdiff_t rows, ptrdiff_t heads, ptrdiff_t half,
     const float *restrict angles, const float *restrict x, float *restrict y),
    (interleaved, sign, rows, heads, half, angles, x, y)) {
  for (ptrdiff_t row = 0; row < rows; row++) {
    const float *c = angles + row * 2 * half, *s = c + half;
    for (ptrdiff_t head = 0; head < heads; head++) {
      if (interleaved) {
        for (ptrdiff_t i = 0; i < half; i++) {
          float a = x[2 * i], b = x[2 * i + 1], sine = sign * s[i];
          y[2 * i] = a * c[i] - b * sine;
          y[2 * i + 1] = b * c[i] + a * sine;
        }
      } else {
        for (ptrdiff_t i = 0; i < half; i++) {
          float a = x[i], b = x[half + i], sine = sign * s[i];
          y[i] = a * c[i] - b * sine;
          y[half + i] = b * c[i] + a * sine;
        }
      }
      x += 2 * half, y += 2 * half;
    }
  }
}
