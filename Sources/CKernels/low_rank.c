// The diagonal plus rank one system of S4, sixteen channels side by side in the lanes. The product of the
// right factor with a state is summed while that state is made, so a token is one pass over the state.
#include "runnel_low_rank.h"
#include "runnel_selective.h"
#include "vector.h"

LEAF(void, runnel_low_rank_step,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, const float *restrict u,
     const float *restrict system, const float *restrict D, float *restrict state, float *restrict y),
    (steps, width, stride, N, u, system, D, state, y)) {
  for (ptrdiff_t t = 0; t < steps; t++)
    for (ptrdiff_t e = 0; e < width; e++) {
#pragma clang fp reassociate(on)
      float ut = u[t * stride + e], *re = state + 2 * N * e, *im = re + N;
      const float *d = system + 10 * N * e, *r = d + 2 * N, *w = r + 2 * N, *b = w + 2 * N, *c = b + 2 * N;
      float inner = 0, sum = 0;
      for (ptrdiff_t n = 0; n < N; n++) inner += w[n] * re[n] - w[N + n] * im[n];
      inner *= 2;
      for (ptrdiff_t n = 0; n < N; n++) {
        float x = d[n] * re[n] - d[N + n] * im[n] + (r[n] * inner + b[n] * ut);
        float z = d[n] * im[n] + d[N + n] * re[n] + (r[N + n] * inner + b[N + n] * ut);
        re[n] = x;
        im[n] = z;
        sum += c[n] * x - c[N + n] * z;
      }
      y[t * stride + e] = 2 * sum + (D ? D[e] * ut : 0);
    }
}

// The next state x + iz in lanes from the last one, i the place of a real part and j that of its imaginary
// part.
#define ADVANCE(x, z, x0, z0, inner, ut)                                                              \
  v16 x = load16(d + i) * x0 - load16(d + j) * z0 + (load16(r + i) * inner + load16(b + i) * ut);     \
  v16 z = load16(d + i) * z0 + load16(d + j) * x0 + (load16(r + j) * inner + load16(b + j) * ut)

// 2 Re(w . h) of a state in lanes.
#define INNER(h)                                                                                      \
  ({                                                                                                  \
    v16 sum_ = {0};                                                                                   \
    for (ptrdiff_t i = 0, j = im; i < im; i += LANES, j += LANES)                                     \
      sum_ += load16(w + i) * load16((h) + i) - load16(w + j) * load16((h) + j);                      \
    2.f * sum_;                                                                                       \
  })

LEAF(void, runnel_low_rank_scan,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, const float *restrict u,
     const float *restrict system, const float *restrict D, float *restrict state, float *restrict y,
     float *restrict scratch, float *restrict starts),
    (steps, width, stride, N, u, system, D, state, y, scratch, starts)) {
  ptrdiff_t row = 2 * N * LANES, im = N * LANES;
  float *restrict h = scratch, *restrict d = h + row;
  const float *r = d + row, *w = r + row, *b = w + row, *c = b + row;
  runnel_to_lanes(width, 2 * N, state, h);
  runnel_to_lanes(width, 10 * N, system, d);
  v16 skip = {0}, inner = INNER(h);
  if (D) skip = LOAD_WIDTH(D);
  for (ptrdiff_t t = 0; t < steps; t++) {
    if (starts && t % RUNNEL_LOW_RANK_CHUNK == 0)
      memcpy(starts + t / RUNNEL_LOW_RANK_CHUNK * row, h, (size_t)row * sizeof(float));
    v16 ut = LOAD_WIDTH(u + t * stride), sum = {0}, next = {0};
    for (ptrdiff_t i = 0, j = im; i < im; i += LANES, j += LANES) {
      v16 x0 = load16(h + i), z0 = load16(h + j);
      ADVANCE(x, z, x0, z0, inner, ut);
      store16(h + i, x);
      store16(h + j, z);
      sum += load16(c + i) * x - load16(c + j) * z;
      next += load16(w + i) * x - load16(w + j) * z;
    }
    inner = 2.f * next;
    STORE_WIDTH(y + t * stride, 2.f * sum + skip * ut);
  }
  runnel_from_lanes(width, 2 * N, h, state);
}

#define ADD16(p, x) store16(p, load16(p) + (x))

LEAF(void, runnel_low_rank_backward,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, const float *restrict u,
     const float *restrict system, const float *restrict D, const float *restrict start,
     const float *restrict dy, float *restrict dstate, float *restrict du, float *restrict dsystem,
     float *restrict dD, float *restrict scratch),
    (steps, width, stride, N, u, system, D, start, dy, dstate, du, dsystem, dD, scratch)) {
  ptrdiff_t row = 2 * N * LANES, im = N * LANES;
  const float *d = system, *r = d + row, *w = r + row, *b = w + row, *c = b + row;
  float *dd = dsystem, *dr = dd + row, *dw = dr + row, *db = dw + row, *dc = db + row;
  float *restrict h = scratch;                                   // [steps + 1, 2 N, 16], the start first
  float *restrict inners = h + (RUNNEL_LOW_RANK_CHUNK + 1) * row;  // 2 Re(w . h) before each token
  memcpy(h, start, (size_t)row * sizeof(float));
  for (ptrdiff_t t = 0; t < steps; t++) {
    const float *before = h + t * row;
    float *after = h + (t + 1) * row;
    v16 ut = LOAD_WIDTH(u + t * stride), inner = INNER(before);
    store16(inners + t * LANES, inner);
    for (ptrdiff_t i = 0, j = im; i < im; i += LANES, j += LANES) {
      v16 x0 = load16(before + i), z0 = load16(before + j);
      ADVANCE(x, z, x0, z0, inner, ut);
      store16(after + i, x);
      store16(after + j, z);
    }
  }
  v16 skip = {0}, dskip = {0};
  if (D) skip = LOAD_WIDTH(D);
  for (ptrdiff_t t = steps - 1; t >= 0; t--) {
    const float *before = h + t * row, *after = before + row;
    v16 ut = LOAD_WIDTH(u + t * stride), dyt = LOAD_WIDTH(dy + t * stride), twice = 2.f * dyt;
    v16 inner = load16(inners + t * LANES), dinput = {0}, dinner = {0};
    for (ptrdiff_t i = 0, j = im; i < im; i += LANES, j += LANES) {
      v16 dx = load16(dstate + i) + twice * load16(c + i), dz = load16(dstate + j) - twice * load16(c + j);
      store16(dstate + i, dx);
      store16(dstate + j, dz);
      ADD16(dc + i, twice * load16(after + i));
      ADD16(dc + j, -(twice * load16(after + j)));
      dinput += load16(b + i) * dx + load16(b + j) * dz;
      ADD16(db + i, ut * dx);
      ADD16(db + j, ut * dz);
      dinner += load16(r + i) * dx + load16(r + j) * dz;
      ADD16(dr + i, inner * dx);
      ADD16(dr + j, inner * dz);
    }
    dinner = 2.f * dinner;
    for (ptrdiff_t i = 0, j = im; i < im; i += LANES, j += LANES) {
      v16 dx = load16(dstate + i), dz = load16(dstate + j), x0 = load16(before + i), z0 = load16(before + j);
      ADD16(dd + i, dx * x0 + dz * z0);
      ADD16(dd + j, dz * x0 - dx * z0);
      ADD16(dw + i, dinner * x0);
      ADD16(dw + j, -(dinner * z0));
      store16(dstate + i, load16(d + i) * dx + load16(d + j) * dz + dinner * load16(w + i));
      store16(dstate + j, load16(d + i) * dz - load16(d + j) * dx - dinner * load16(w + j));
    }
    STORE_WIDTH(du + t * stride, dinput + skip * dyt);
    dskip += dyt * ut;
  }
  if (dD) ADD16(dD, dskip);
}
