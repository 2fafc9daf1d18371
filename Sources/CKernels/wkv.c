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

INLINE void advance(
    ptrdiff_t width, const float *restrict k, const float *restrict v, const float *restrict w,
    const float *restrict a, const float *restrict b, const float *restrict p, float *restrict a_next,
    float *restrict b_next, float *restrict p_next) {
  for (ptrdiff_t i = 0; i < width; i++) {
    DECAYED(p[i], w[i], s, lost)
    SHARES(s - k[i], old, new)
    float rest = old * lost;
    a_next[i] = old * a[i] + (rest * a[i] + new * v[i]);
    b_next[i] = old * b[i] + (rest * b[i] + new);
    p_next[i] = s < k[i] ? k[i] : s;
  }
}

LEAF(void, runnel_wkv,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, const float *restrict k, const float *restrict v,
     const float *restrict w, const float *restrict u, float *restrict a, float *restrict b,
     float *restrict p, float *restrict y),
    (steps, width, stride, k, v, w, u, a, b, p, y)) {
  for (ptrdiff_t t = 0; t < steps; t++, k += stride, v += stride, y += stride)
    for (ptrdiff_t i = 0; i < width; i++) {
      SHARES((p[i] - k[i]) - u[i], past, now)
      y[i] = (past * a[i] + now * v[i]) / (past * b[i] + now);
      DECAYED(p[i], w[i], s, lost)
      SHARES(s - k[i], old, new)
      float rest = old * lost;
      a[i] = old * a[i] + (rest * a[i] + new * v[i]);
      b[i] = old * b[i] + (rest * b[i] + new);
      p[i] = s < k[i] ? k[i] : s;
    }
}

// The outputs do not depend on the scale, so p is a constant here.
LEAF(void, runnel_wkv_backward,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, const float *restrict k, const float *restrict v,
     const float *restrict w, const float *restrict u, const float *restrict start, float *restrict scratch,
     const float *restrict dy, float *restrict da, float *restrict db, float *restrict dk, float *restrict dv,
     float *restrict dw, float *restrict du),
    (steps, width, stride, k, v, w, u, start, scratch, dy, da, db, dk, dv, dw, du)) {
  memcpy(scratch, start, (size_t)(3 * width) * sizeof(float));
  for (ptrdiff_t t = 0; t + 1 < steps; t++) {
    const float *before = scratch + t * 3 * width;
    float *next = scratch + (t + 1) * 3 * width;
    advance(
        width, k + t * stride, v + t * stride, w, before, before + width, before + 2 * width, next,
        next + width, next + 2 * width);
  }
  for (ptrdiff_t t = steps - 1; t >= 0; t--) {
    const float *a = scratch + t * 3 * width, *b = a + width, *p = b + width;
    const float *kt = k + t * stride, *vt = v + t * stride;
    float *dkt = dk + t * stride, *dvt = dv + t * stride;
    for (ptrdiff_t i = 0; i < width; i++) {
      SHARES((p[i] - kt[i]) - u[i], past, now)
      float n = past * b[i] + now, y = (past * a[i] + now * vt[i]) / n, g = (dy ? dy[t * stride + i] : 0) / n;
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
}
