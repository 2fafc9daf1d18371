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

// The sums of a channel behind a token.
#define ADVANCE(k, v, w, a, b, p, a_next, b_next, p_next)     \
  {                                                           \
    DECAYED(p, w, s, lost)                                    \
    SHARES(s - (k), old, new)                                 \
    float rest = old * lost, a_ = (a), b_ = (b);              \
    (a_next) = old * a_ + (rest * a_ + new * (v));            \
    (b_next) = old * b_ + (rest * b_ + new);                  \
    (p_next) = s < (k) ? (k) : s;                             \
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
      ADVANCE(k[i], v[i], w[i], a[i], b[i], p[i], a[i], b[i], p[i])
    }
}

// The outputs do not depend on the scale, so p is a constant here.
LEAF(void, runnel_wkv_backward,
    (ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, const float *restrict k, const float *restrict v,
     const float *restrict w, const float *restrict u, const float *restrict a0, const float *restrict b0,
     const float *restrict p0, float *restrict scratch, const float *restrict dy, float *restrict da,
     float *restrict db, float *restrict dp, float *restrict dk, float *restrict dv, float *restrict dw,
     float *restrict du),
    (steps, width, stride, k, v, w, u, a0, b0, p0, scratch, dy, da, db, dp, dk, dv, dw, du)) {
  size_t bytes = (size_t)width * sizeof(float);
  memcpy(scratch, a0, bytes);
  memcpy(scratch + width, b0, bytes);
  memcpy(scratch + 2 * width, p0, bytes);
  for (ptrdiff_t t = 0; t + 1 < steps; t++) {
    const float *restrict a = scratch + t * 3 * width, *restrict b = a + width, *restrict p = b + width;
    const float *kt = k + t * stride, *vt = v + t * stride;
    float *restrict next = scratch + (t + 1) * 3 * width;
    for (ptrdiff_t i = 0; i < width; i++)
      ADVANCE(kt[i], vt[i], w[i], a[i], b[i], p[i], next[i], next[width + i], next[2 * width + i])
  }
  for (ptrdiff_t t = steps - 1; t >= 0; t--) {
    const float *a = scratch + t * 3 * width, *b = a + width, *p = b + width;
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
  for (ptrdiff_t i = 0; i < width; i++) dp[i] = a0[i] * da[i] + b0[i] * db[i];
}
