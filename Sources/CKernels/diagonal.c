// h_t = a_t h_{t-1} + b_t. The loop over time is the outer one; the channels of a row are independent and vectorise.
#include "runnel_diagonal.h"
#include "vector.h"

LEAF(void, runnel_diagonal,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t plane, ptrdiff_t stride, ptrdiff_t a_stride,
     const float *restrict a, const float *restrict b, float *restrict state, float *restrict state_im,
     float *restrict h),
    (steps, width, plane, stride, a_stride, a, b, state, state_im, h)) {
  for (ptrdiff_t t = 0; t < steps; t++, a += a_stride, b += stride, h += stride) {
    if (!plane) {
      for (ptrdiff_t i = 0; i < width; i++) h[i] = state[i] = a[i] * state[i] + b[i];
      continue;
    }
    const float *restrict a_im = a + plane, *restrict b_im = b + plane;
    float *restrict h_im = h + plane;
    for (ptrdiff_t i = 0; i < width; i++) {
      float x = state[i], y = state_im[i];
      h[i] = state[i] = a[i] * x - a_im[i] * y + b[i];
      h_im[i] = state_im[i] = a[i] * y + a_im[i] * x + b_im[i];
    }
  }
}

// Real and imaginary parts are independent variables, so da = dh conj(h_{t-1}) and dh_{t-1} = conj(a) dh.
LEAF(void, runnel_diagonal_backward,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t plane, ptrdiff_t stride, ptrdiff_t a_stride,
     const float *restrict a, const float *restrict h, const float *restrict initial,
     const float *restrict initial_im, const float *restrict dh, float *restrict dstate,
     float *restrict dstate_im, float *restrict db, float *restrict da),
    (steps, width, plane, stride, a_stride, a, h, initial, initial_im, dh, dstate, dstate_im, db, da)) {
  for (ptrdiff_t t = steps - 1; t >= 0; t--) {
    const float *at = a + t * a_stride, *dht = dh + t * stride;
    const float *x = t > 0 ? h + (t - 1) * stride : initial, *y = t > 0 ? x + plane : initial_im;
    float *dbt = db + t * stride, *dat = da + t * a_stride;
    if (!plane)
      for (ptrdiff_t i = 0; i < width; i++) {
        float d = dstate[i] + dht[i];
        dbt[i] = d;
        dat[i] = d * x[i] + (a_stride ? 0 : dat[i]);
        dstate[i] = at[i] * d;
      }
    else
      for (ptrdiff_t i = 0, j = plane; i < width; i++, j++) {
        float re = dstate[i] + dht[i], im = dstate_im[i] + dht[j];
        dbt[i] = re;
        dbt[j] = im;
        dat[i] = re * x[i] + im * y[i] + (a_stride ? 0 : dat[i]);
        dat[j] = im * x[i] - re * y[i] + (a_stride ? 0 : dat[j]);
        dstate[i] = at[i] * re + at[j] * im;
        dstate_im[i] = at[i] * im - at[j] * re;
      }
  }
}

LEAF(void, runnel_diagonal_level,
    (ptrdiff_t steps, ptrdiff_t distance, ptrdiff_t width, ptrdiff_t plane, const float *restrict a,
     const float *restrict b, float *restrict a_next, float *restrict b_next),
    (steps, distance, width, plane, a, b, a_next, b_next)) {
  ptrdiff_t row = plane ? plane + width : width;
  for (ptrdiff_t t = 0; t < steps; t++) {
    const float *at = a + t * row, *bt = b + t * row, *ap = at - distance * row, *bp = bt - distance * row;
    float *an = a_next + t * row, *bn = b_next + t * row;
    if (t < distance) {
      memcpy(an, at, (size_t)row * sizeof(float));
      memcpy(bn, bt, (size_t)row * sizeof(float));
    } else if (!plane) {
      for (ptrdiff_t i = 0; i < width; i++) {
        bn[i] = bt[i] + at[i] * bp[i];
        an[i] = at[i] * ap[i];
      }
    } else {
      for (ptrdiff_t i = 0, j = plane; i < width; i++, j++) {
        bn[i] = bt[i] + at[i] * bp[i] - at[j] * bp[j];
        bn[j] = bt[j] + at[i] * bp[j] + at[j] * bp[i];
        an[i] = at[i] * ap[i] - at[j] * ap[j];
        an[j] = at[i] * ap[j] + at[j] * ap[i];
      }
    }
  }
}
