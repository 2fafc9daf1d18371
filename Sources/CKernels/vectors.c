// Rows combined with one vector, or with one number each, and rows made columns.
#include "runnel_vectors.h"
#include "sums.h"
#include "vector.h"

#define EACH_ROW for (ptrdiff_t row = 0; row < rows; row++)
#define EACH_ELEMENT for (ptrdiff_t i = 0; i < width; i++)

LEAF(void, runnel_scale_rows,
    (ptrdiff_t rows, ptrdiff_t width, const float *restrict x, const float *restrict v, float *restrict y),
    (rows, width, x, v, y)) {
  EACH_ROW {
    EACH_ELEMENT y[i] = x[i] * v[i];
    x += width, y += width;
  }
}

LEAF(void, runnel_shift_rows,
    (ptrdiff_t rows, ptrdiff_t width, const float *restrict x, const float *restrict v, float *restrict y),
    (rows, width, x, v, y)) {
  EACH_ROW {
    EACH_ELEMENT y[i] = x[i] + v[i];
    x += width, y += width;
  }
}

LEAF(void, runnel_skip_rows,
    (ptrdiff_t rows, ptrdiff_t width, const float *restrict y, const float *restrict x,
     const float *restrict v, float *restrict z),
    (rows, width, y, x, v, z)) {
  EACH_ROW {
    EACH_ELEMENT z[i] = y[i] + x[i] * v[i];
    x += width, y += width, z += width;
  }
}

LEAF(void, runnel_mix_rows,
    (ptrdiff_t rows, ptrdiff_t width, const float *restrict x, const float *restrict y,
     const float *restrict v, float *restrict z),
    (rows, width, x, y, v, z)) {
  EACH_ROW {
    EACH_ELEMENT z[i] = x[i] + (y[i] - x[i]) * v[i];
    x += width, y += width, z += width;
  }
}

LEAF(void, runnel_divide_rows,
    (ptrdiff_t rows, ptrdiff_t width, const float *restrict x, const float *restrict n, float *restrict y),
    (rows, width, x, n, y)) {
  EACH_ROW {
    float r = 1.f / n[row];
    EACH_ELEMENT y[i] = x[i] * r;
    x += width, y += width;
  }
}

LEAF(void, runnel_scale_rows_backward,
    (ptrdiff_t rows, ptrdiff_t width, const float *restrict x, const float *restrict v,
     const float *restrict dy, float *restrict dx, float *restrict dv),
    (rows, width, x, v, dy, dx, dv)) {
  EACH_ROW {
    EACH_ELEMENT {
      dx[i] = dy[i] * v[i];
      dv[i] += dy[i] * x[i];
    }
    x += width, dy += width, dx += width;
  }
}

LEAF(void, runnel_mix_rows_backward,
    (ptrdiff_t rows, ptrdiff_t width, const float *restrict x, const float *restrict y,
     const float *restrict v, const float *restrict dz, float *restrict dx, float *restrict dy,
     float *restrict dv),
    (rows, width, x, y, v, dz, dx, dy, dv)) {
  EACH_ROW {
    EACH_ELEMENT {
      float part = dz[i] * v[i];
      dy[i] = part;
      dx[i] = dz[i] - part;
      dv[i] += dz[i] * (y[i] - x[i]);
    }
    x += width, y += width, dz += width, dx += width, dy += width;
  }
}

LEAF(void, runnel_divide_rows_backward,
    (ptrdiff_t rows, ptrdiff_t width, const float *restrict x, const float *restrict n,
     const float *restrict dy, float *restrict dx, float *restrict dn),
    (rows, width, x, n, dy, dx, dn)) {
  EACH_ROW {
    SUMS
    float r = 1.f / n[row], sum = 0;
    EACH_ELEMENT {
      dx[i] = dy[i] * r;
      sum += dy[i] * x[i];
    }
    dn[row] = -sum * r * r;
    x += width, dy += width, dx += width;
  }
}

LEAF(double, runnel_sum, (ptrdiff_t n, const float *x), (n, x)) {
  SUMS
  double sum = 0;
  for (ptrdiff_t i = 0; i < n; i++) sum += (double)x[i];
  return sum;
}

LEAF(void, runnel_transpose,
    (ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t x_stride, ptrdiff_t y_stride, const float *x, float *y),
    (rows, columns, x_stride, y_stride, x, y)) {
  ptrdiff_t whole_rows = rows / LANES * LANES, whole_columns = columns / LANES * LANES;
  for (ptrdiff_t i = 0; i < whole_rows; i += LANES)
    for (ptrdiff_t j = 0; j < whole_columns; j += LANES) {
      v16 a[LANES];
      for (int r = 0; r < LANES; r++) a[r] = load16(x + (i + r) * x_stride + j);
      TRANSPOSE16(a);
      for (int r = 0; r < LANES; r++) store16(y + (j + r) * y_stride + i, a[r]);
    }
  for (ptrdiff_t i = 0; i < rows; i++)
    for (ptrdiff_t j = i < whole_rows ? whole_columns : 0; j < columns; j++)
      y[j * y_stride + i] = x[i * x_stride + j];
}
