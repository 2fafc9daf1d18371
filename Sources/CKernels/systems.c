// Time-invariant systems, sixteen channels side by side in the lanes. For the state sizes in use a fused scan costs as many
// operations as a Toeplitz product per chunk, and it is exact where that one rounds. The product of the right factor with a
// state is summed while that state is made, so a token is one pass over the state.
//
// Each loop is compiled with rank one and without, as `hasRank` is a constant to it.
#include "runnel_systems.h"
#include "vector.h"

#define PARTS const float *d = system->d, *r = system->r, *w = system->w, *b = system->b, *c = system->c, *D = system->D;

LEAF(void, runnel_system_step,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t row, const struct runnel_system *system,
     const float *restrict u, float *restrict state, float *restrict y),
    (steps, width, stride, row, system, u, state, y)) {
  PARTS
  ptrdiff_t N = system->N;
  for (ptrdiff_t t = 0; t < steps; t++)
    for (ptrdiff_t e = 0, i = 0; e < width; e++, i += row) {
#pragma clang fp reassociate(on)
      float ut = u[t * stride + e], *re = state + 2 * N * e, *im = re + N, inner = 0, sum = 0;
      const float *dre = d + i, *dim = dre + N, *cre = c + i, *cim = cre + N;
      if (!r) {
        for (ptrdiff_t n = 0; n < N; n++) {
          float x = dre[n] * re[n] - dim[n] * im[n] + ut, z = dre[n] * im[n] + dim[n] * re[n];
          re[n] = x, im[n] = z;
          sum += cre[n] * x - cim[n] * z;
        }
      } else {
        const float *rre = r + i, *rim = rre + N, *wre = w + i, *wim = wre + N, *bre = b + i, *bim = bre + N;
        for (ptrdiff_t n = 0; n < N; n++) inner += wre[n] * re[n] - wim[n] * im[n];
        inner *= 2;
        for (ptrdiff_t n = 0; n < N; n++) {
          float x = dre[n] * re[n] - dim[n] * im[n] + (rre[n] * inner + bre[n] * ut);
          float z = dre[n] * im[n] + dim[n] * re[n] + (rim[n] * inner + bim[n] * ut);
          re[n] = x, im[n] = z;
          sum += cre[n] * x - cim[n] * z;
        }
      }
      y[t * stride + e] = 2 * sum + (D ? D[e] * ut : 0);
    }
}

// 2 Re(w . h) of a state in lanes.
#define INNER(h)                                                                  \
  ({                                                                              \
    v16 sum_ = {0};                                                               \
    for (ptrdiff_t i = 0, j = im; hasRank && i < im; i += LANES, j += LANES)      \
      sum_ += load16(w + i) * load16((h) + i) - load16(w + j) * load16((h) + j);  \
    2.f * sum_;                                                                   \
  })

// The next state x + iz from x0 + i z0; i is the place of a real part and j that of its imaginary part.
#define ADVANCE(x, z, x0, z0)                                                     \
  v16 x = load16(d + i) * x0 - load16(d + j) * z0, z = load16(d + i) * z0 + load16(d + j) * x0; \
  if (hasRank) {                                                                  \
    x += load16(r + i) * inner + load16(b + i) * ut;                              \
    z += load16(r + j) * inner + load16(b + j) * ut;                              \
  } else {                                                                        \
    x += ut;                                                                      \
  }

INLINE void scan(
    int hasRank, ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, const struct runnel_system *system,
    const float *restrict u, float *restrict h, float *restrict y) {
  PARTS
  ptrdiff_t im = system->N * LANES;
  v16 skip = load16(D), inner = INNER(h);
  for (ptrdiff_t t = 0; t < steps; t++) {
    v16 ut = LOAD_WIDTH(u + t * stride), sum = {0}, next = {0};
    for (ptrdiff_t i = 0, j = im; i < im; i += LANES, j += LANES) {
      v16 x0 = load16(h + i), z0 = load16(h + j);
      ADVANCE(x, z, x0, z0)
      store16(h + i, x);
      store16(h + j, z);
      sum += load16(c + i) * x - load16(c + j) * z;
      if (hasRank) next += load16(w + i) * x - load16(w + j) * z;
    }
    inner = 2.f * next;
    STORE_WIDTH(y + t * stride, 2.f * sum + skip * ut);
  }
}

LEAF(void, runnel_system_scan,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, const struct runnel_system *system, const float *u, float *h,
     float *y),
    (steps, width, stride, system, u, h, y)) {
  if (system->r) scan(1, steps, width, stride, system, u, h, y);
  else scan(0, steps, width, stride, system, u, h, y);
}

#define ADD16(p, x) store16(p, load16(p) + (x))

INLINE void backward(
    int hasRank, ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, const struct runnel_system *system,
    const struct runnel_system *gradients, const float *restrict u, const float *restrict start,
    const float *restrict dy, float *restrict dstate, float *restrict du, float *restrict scratch) {
  PARTS
  float *dd = gradients->d, *dr = gradients->r, *dw = gradients->w, *db = gradients->b, *dc = gradients->c;
  ptrdiff_t im = system->N * LANES, row = 2 * im;
  float *restrict h = scratch;                        // [steps + 1, 2 N, 16], the start first
  float *restrict inners = h + (steps + 1) * row;     // 2 Re(w . h) before each token
  memcpy(h, start, (size_t)row * sizeof(float));
  for (ptrdiff_t t = 0; t < steps; t++) {
    const float *before = h + t * row;
    float *after = h + (t + 1) * row;
    v16 ut = LOAD_WIDTH(u + t * stride), inner = INNER(before);
    store16(inners + t * LANES, inner);
    for (ptrdiff_t i = 0, j = im; i < im; i += LANES, j += LANES) {
      v16 x0 = load16(before + i), z0 = load16(before + j);
      ADVANCE(x, z, x0, z0)
      store16(after + i, x);
      store16(after + j, z);
    }
  }
  v16 skip = load16(D), dskip = {0};
  for (ptrdiff_t t = steps - 1; t >= 0; t--) {
    const float *before = h + t * row, *after = before + row;
    v16 ut = LOAD_WIDTH(u + t * stride), dyt = LOAD_WIDTH(dy + t * stride), twice = 2.f * dyt;
    v16 inner = load16(inners + t * LANES), dinput = {0}, dinner = {0};
    for (ptrdiff_t i = 0, j = im; hasRank && i < im; i += LANES, j += LANES) {
      v16 dx = load16(dstate + i) + twice * load16(c + i), dz = load16(dstate + j) - twice * load16(c + j);
      dinner += load16(r + i) * dx + load16(r + j) * dz;
    }
    dinner = 2.f * dinner;
    for (ptrdiff_t i = 0, j = im; i < im; i += LANES, j += LANES) {
      v16 dx = load16(dstate + i) + twice * load16(c + i), dz = load16(dstate + j) - twice * load16(c + j);
      v16 x0 = load16(before + i), z0 = load16(before + j);
      ADD16(dc + i, twice * load16(after + i));
      ADD16(dc + j, -(twice * load16(after + j)));
      ADD16(dd + i, dx * x0 + dz * z0);
      ADD16(dd + j, dz * x0 - dx * z0);
      v16 back_x = load16(d + i) * dx + load16(d + j) * dz, back_z = load16(d + i) * dz - load16(d + j) * dx;
      if (hasRank) {
        dinput += load16(b + i) * dx + load16(b + j) * dz;
        ADD16(db + i, ut * dx);
        ADD16(db + j, ut * dz);
        ADD16(dr + i, inner * dx);
        ADD16(dr + j, inner * dz);
        ADD16(dw + i, dinner * x0);
        ADD16(dw + j, -(dinner * z0));
        back_x += dinner * load16(w + i);
        back_z -= dinner * load16(w + j);
      } else {
        dinput += dx;
      }
      store16(dstate + i, back_x);
      store16(dstate + j, back_z);
    }
    STORE_WIDTH(du + t * stride, dinput + skip * dyt);
    dskip += dyt * ut;
  }
  ADD16(gradients->D, dskip);
}

LEAF(void, runnel_system_backward,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, const struct runnel_system *system,
     const struct runnel_system *gradients, const float *u, const float *start, const float *dy, float *dstate,
     float *du, float *scratch),
    (steps, width, stride, system, gradients, u, start, dy, dstate, du, scratch)) {
  if (system->r) backward(1, steps, width, stride, system, gradients, u, start, dy, dstate, du, scratch);
  else backward(0, steps, width, stride, system, gradients, u, start, dy, dstate, du, scratch);
}
