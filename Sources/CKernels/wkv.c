// y = (a + e^(u+k) v) / (b + e^(u+k)); a = e^w a + e^k v; b = e^w b + e^k. a and b are kept on the scale e^p.
#include "runnel_wkv.h"
#include "vector.h"

// The factors that bring e^(y+d) and e^y to the scale of the larger; one of them is one. A difference is
// taken before anything is added to it, since the small ones matter and those of near numbers are exact.
#define SHARES(d, fx, fy)                             \
  float d_##fx = (d);                                 \
  float e_##fx = exp1(d_##fx < 0 ? d_##fx : -d_##fx); \
  float fx = d_##fx < 0 ? e_##fx : 1.f, fy = d_##fx < 0 ? 1.f : e_##fx;

// The decayed maximum s = p + w, and what its rounding lost: over thousands of steps that would show.
#define DECAYED(p, w, s, lost)            \
  float s = (p) + (w), part_##s = s - (p); \
  float lost = ((p) - (s - part_##s)) + ((w) - part_##s);

enum { B = RUNNEL_WKV_BLOCK, P = 2 * RUNNEL_WKV_BLOCK, MEMORY = 3 * RUNNEL_WKV_BLOCK };

// The sums after a token from those before it, which may be the same memory.
INLINE void advance_channel(ptrdiff_t i, float k, float v, float w, const float *before, float *after) {
  float a = before[i], b = before[B + i], p = before[P + i];
  DECAYED(p, w, s, lost)
  SHARES(s - k, old, new)
  float rest = old * lost;
  after[i] = old * a + (rest * a + new * v);
  after[B + i] = old * b + (rest * b + new);
  after[P + i] = s < k ? k : s;
}

INLINE void advance(
    ptrdiff_t width, const float *restrict k, const float *restrict v, const float *restrict w,
    const float *restrict before, float *restrict after) {
  for (ptrdiff_t i = 0; i < width; i++) advance_channel(i, k[i], v[i], w[i], before, after);
}

LEAF(void, runnel_wkv,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, const float *restrict k, const float *restrict v,
     const float *restrict w, const float *restrict u, float *restrict memory, float *restrict y),
    (steps, width, stride, k, v, w, u, memory, y)) {
  for (ptrdiff_t t = 0; t < steps; t++, k += stride, v += stride, y += stride)
    for (ptrdiff_t i = 0; i < width; i++) {
      SHARES((memory[P + i] - k[i]) - u[i], past, now)
      y[i] = (past * memory[i] + now * v[i]) / (past * memory[B + i] + now);
      advance_channel(i, k[i], v[i], w[i], memory, memory);
    }
}

// The outputs do not depend on the scale, so p is a constant here.
LEAF(void, runnel_wkv_backward,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, const float *restrict k, const float *restrict v,
     const float *restrict w, const float *restrict u, const float *restrict start, float *restrict scratch,
     const float *restrict dy, float *restrict dmemory, float *restrict dk, float *restrict dv, float *restrict dw,
     float *restrict du),
    (steps, width, stride, k, v, w, u, start, scratch, dy, dmemory, dk, dv, dw, du)) {
  float *da = dmemory, *db = da + B;
  memcpy(scratch, start, (size_t)MEMORY * sizeof(float));
  for (ptrdiff_t t = 0; t + 1 < steps; t++)
    advance(width, k + t * stride, v + t * stride, w, scratch + t * MEMORY, scratch + (t + 1) * MEMORY);
  for (ptrdiff_t t = steps - 1; t >= 0; t--) {
    const float *a = scratch + t * MEMORY, *b = a + B, *p = a + P;
    const float *kt = k + t * stride, *vt = v + t * stride;
    float *dkt = dk + t * stride, *dvt = dv + t * stride;
    for (ptrdiff_t i = 0; i < width; i++) {
      SHARES((p[i] - kt[i]) - u[i], past, now)
      float n = past * b[i] + now, y = (past * a[i] + now * vt[i]) / n, g = dy[t * stride + i] / n;
      float dbonus = now * g * (vt[i] - y);
      DECAYED(p[i], w[i], s, lost)
      SHARES(s - kt[i], old, new)
      float decay = old + old * lost;
      dvt[i] = now * g + new * da[i];
      dkt[i] = dbonus + new * (da[i] * vt[i] + db[i]);
      du[i] += dbonus;
      dw[i] += decay * (da[i] * a[i] + db[i] * b[i]);
      da[i] = decay * da[i] + past * g;
      db[i] = decay * db[i] - past * g * y;
    }
  }
  // The sums are a e^p and b e^p, so the exponent that came in moves both.
  for (ptrdiff_t i = 0; i < width; i++) dmemory[P + i] = start[i] * da[i] + start[B + i] * db[i];
}
