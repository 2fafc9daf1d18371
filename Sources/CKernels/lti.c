// The diagonal time-invariant system of S4D, sixteen channels side by side in the lanes. For the state sizes in use a
// fused scan costs as many operations as a Toeplitz product per chunk, and it is exact where that one rounds.
#include "runnel_lti.h"
#include "runnel_selective.h"
#include "vector.h"

LEAF(void, runnel_lti_step,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, const float *restrict u,
     const float *restrict a, const float *restrict c, const float *restrict D, float *restrict state,
     float *restrict y),
    (steps, width, stride, N, u, a, c, D, state, y)) {
  for (ptrdiff_t t = 0; t < steps; t++)
    for (ptrdiff_t e = 0; e < width; e++) {
#pragma clang fp reassociate(on)
      float ut = u[t * stride + e], *re = state + 2 * N * e, *im = re + N;
      const float *are = a + 2 * N * e, *aim = are + N, *cre = c + 2 * N * e, *cim = cre + N;
      float sum = 0;
      for (ptrdiff_t n = 0; n < N; n++) {
        float x = are[n] * re[n] - aim[n] * im[n] + ut;
        float z = are[n] * im[n] + aim[n] * re[n];
        re[n] = x;
        im[n] = z;
        sum += cre[n] * x - cim[n] * z;
      }
      y[t * stride + e] = 2 * sum + (D ? D[e] * ut : 0);
    }
}

LEAF(void, runnel_lti_scan,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, const float *restrict u,
     const float *restrict a, const float *restrict c, const float *restrict D, float *restrict state,
     float *restrict y, float *restrict scratch, float *restrict starts),
    (steps, width, stride, N, u, a, c, D, state, y, scratch, starts)) {
  ptrdiff_t row = 2 * N * LANES, im = N * LANES;
  float *restrict h = scratch, *restrict al = scratch + row, *restrict cl = scratch + 2 * row;
  runnel_to_lanes(width, 2 * N, state, h);
  runnel_to_lanes(width, 2 * N, a, al);
  runnel_to_lanes(width, 2 * N, c, cl);
  v16 skip = {0};
  if (D) skip = LOAD_WIDTH(D);
  for (ptrdiff_t t = 0; t < steps; t++) {
    if (starts && t % RUNNEL_LTI_CHUNK == 0)
      memcpy(starts + t / RUNNEL_LTI_CHUNK * row, h, (size_t)row * sizeof(float));
    v16 ut = LOAD_WIDTH(u + t * stride), sum = {0}, cross = {0};
    for (ptrdiff_t i = 0; i < im; i += LANES) {
      v16 x = load16(h + i), z = load16(h + im + i), ar = load16(al + i), ai = load16(al + im + i);
      v16 re = ar * x - ai * z + ut, imaginary = ar * z + ai * x;
      store16(h + i, re);
      store16(h + im + i, imaginary);
      sum += load16(cl + i) * re;
      cross += load16(cl + im + i) * imaginary;
    }
    STORE_WIDTH(y + t * stride, 2.f * (sum - cross) + skip * ut);
  }
  runnel_from_lanes(width, 2 * N, h, state);
}

LEAF(void, runnel_lti_backward,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, const float *restrict u,
     const float *restrict a, const float *restrict c, const float *restrict D, const float *restrict start,
     const float *restrict dy, float *restrict dstate, float *restrict du, float *restrict da,
     float *restrict dc, float *restrict dD, float *restrict scratch),
    (steps, width, stride, N, u, a, c, D, start, dy, dstate, du, da, dc, dD, scratch)) {
  ptrdiff_t row = 2 * N * LANES, im = N * LANES;
  float *restrict h = scratch;                                   // [steps + 1, 2 N, 16], the start first
  float *restrict al = h + (RUNNEL_LTI_CHUNK + 1) * row, *restrict cl = al + row;
  runnel_to_lanes(width, 2 * N, a, al);
  runnel_to_lanes(width, 2 * N, c, cl);
  memcpy(h, start, (size_t)row * sizeof(float));
  for (ptrdiff_t t = 0; t < steps; t++) {
    v16 ut = LOAD_WIDTH(u + t * stride);
    const float *before = h + t * row;
    float *after = h + (t + 1) * row;
    for (ptrdiff_t i = 0; i < im; i += LANES) {
      v16 x = load16(before + i), z = load16(before + im + i), ar = load16(al + i), ai = load16(al + im + i);
      store16(after + i, ar * x - ai * z + ut);
      store16(after + im + i, ar * z + ai * x);
    }
  }
  v16 skip = {0}, dskip = {0};
  if (D) skip = LOAD_WIDTH(D);
  for (ptrdiff_t t = steps - 1; t >= 0; t--) {
    v16 ut = LOAD_WIDTH(u + t * stride), dyt = LOAD_WIDTH(dy + t * stride), twice = 2.f * dyt, dinput = {0};
    const float *before = h + t * row, *after = before + row;
    for (ptrdiff_t i = 0; i < im; i += LANES) {
      ptrdiff_t j = im + i;
      v16 dre = load16(dstate + i) + twice * load16(cl + i), dim = load16(dstate + j) - twice * load16(cl + j);
      store16(dc + i, load16(dc + i) + twice * load16(after + i));
      store16(dc + j, load16(dc + j) - twice * load16(after + j));
      v16 x = load16(before + i), z = load16(before + j), ar = load16(al + i), ai = load16(al + j);
      store16(da + i, load16(da + i) + (dre * x + dim * z));
      store16(da + j, load16(da + j) + (dim * x - dre * z));
      dinput += dre;
      store16(dstate + i, ar * dre + ai * dim);
      store16(dstate + j, ar * dim - ai * dre);
    }
    STORE_WIDTH(du + t * stride, dinput + skip * dyt);
    dskip += dyt * ut;
  }
  if (dD) store16(dD, load16(dD) + dskip);
}
