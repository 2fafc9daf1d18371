// The gates of diagonal recurrences. Elementwise, so that the compiler vectorises over channels.
#include "runnel_gates.h"
#include "vector.h"

LEAF(void, runnel_min_gru,
    (ptrdiff_t n, const float *restrict gate, const float *restrict x, float *restrict a, float *restrict b),
    (n, gate, x, a, b)) {
  for (ptrdiff_t j = 0; j < n; j++) {
    // Not 1 - z, which would lose the small ones.
    a[j] = sigmoid1(-gate[j]);
    b[j] = sigmoid1(gate[j]) * (x[j] >= 0 ? x[j] + 0.5f : sigmoid1(x[j]));
  }
}

LEAF(void, runnel_min_gru_backward,
    (ptrdiff_t n, const float *restrict gate, const float *restrict x, const float *restrict da,
     const float *restrict db, float *restrict dgate, float *restrict dx),
    (n, gate, x, da, db, dgate, dx)) {
  for (ptrdiff_t j = 0; j < n; j++) {
    float z = sigmoid1(gate[j]), slope = z * sigmoid1(-gate[j]), s = sigmoid1(x[j]);
    float g = x[j] >= 0 ? x[j] + 0.5f : s;
    dgate[j] = slope * (db[j] * g - da[j]);
    dx[j] = db[j] * z * (x[j] >= 0 ? 1.f : s * (1.f - s));
  }
}

// A step of nothing times a rate beyond a float is a number all the same. Below z = -17 softplus is exp to half a rounding,
// so the product is one exponential; above, a rate that saturates leaves nothing of the memory, as the true one does. Beyond
// -100 nothing is left, either, and sums of logarithms would lose their small terms beside it.
#define NEARLY_EXP -17.f
#define FORGOTTEN -100.f

LEAF(void, runnel_log_decay,
    (ptrdiff_t rows, ptrdiff_t width, const float *restrict A, const float *restrict z, float *restrict y),
    (rows, width, A, z, y)) {
  for (ptrdiff_t row = 0; row < rows; row++, z += width, y += width)
    for (ptrdiff_t j = 0; j < width; j++) {
      float product = exp1(A[j]) * softplus1(z[j]);
      product = z[j] < NEARLY_EXP ? exp1(A[j] + z[j]) : product;
      y[j] = -product < FORGOTTEN ? FORGOTTEN : -product;
    }
}

LEAF(void, runnel_log_decay_backward,
    (ptrdiff_t rows, ptrdiff_t width, const float *restrict A, const float *restrict z, const float *restrict y,
     const float *restrict dy, float *restrict dA, float *restrict dz),
    (rows, width, A, z, y, dy, dA, dz)) {
  for (ptrdiff_t row = 0; row < rows; row++, z += width, y += width, dy += width, dz += width)
    for (ptrdiff_t j = 0; j < width; j++) {
      float d = y[j] > FORGOTTEN ? dy[j] : 0;
      dz[j] = d * (z[j] < NEARLY_EXP ? y[j] : -exp1(A[j]) * sigmoid1(z[j]));
      dA[j] += d * y[j];
    }
}

LEAF(void, runnel_rg_lru,
    (ptrdiff_t rows, ptrdiff_t width, const float *restrict first, const float *restrict s,
     const float *restrict r, const float *restrict i, const float *restrict x, float *restrict a,
     float *restrict b),
    (rows, width, first, s, r, i, x, a, b)) {
  for (ptrdiff_t row = 0; row < rows; row++) {
    float isFirst = first[row];
    for (ptrdiff_t j = 0; j < width; j++) {
      float log_a = -s[j] * sigmoid1(r[j]);
      float m = __builtin_elementwise_sqrt(-expm1_1(2.f * log_a));
      a[j] = exp1(log_a);
      b[j] = (isFirst != 0 ? 1.f : m) * sigmoid1(i[j]) * x[j];
    }
    r += width, i += width, x += width, a += width, b += width;
  }
}

// m' = -a^2 / m grows without bound as a goes to one; 1 / (2 m) is held at 1000, as in the authors' code.
LEAF(void, runnel_rg_lru_backward,
    (ptrdiff_t rows, ptrdiff_t width, const float *restrict first, const float *restrict s,
     const float *restrict r, const float *restrict i, const float *restrict x, const float *restrict da,
     const float *restrict db, float *restrict ds, float *restrict dr, float *restrict di,
     float *restrict dx),
    (rows, width, first, s, r, i, x, da, db, ds, dr, di, dx)) {
  for (ptrdiff_t row = 0; row < rows; row++) {
    float isFirst = first[row];
    for (ptrdiff_t j = 0; j < width; j++) {
      float gate = sigmoid1(r[j]), input = sigmoid1(i[j]), log_a = -s[j] * gate, a = exp1(log_a);
      float root = __builtin_elementwise_sqrt(-expm1_1(2.f * log_a));
      float m = isFirst != 0 ? 1.f : root;
      float slope = isFirst != 0 ? 0.f : -a * a / (root < 5e-4f ? 5e-4f : root);
      dx[j] = db[j] * m * input;
      di[j] = db[j] * m * x[j] * input * (1.f - input);
      float dlog = da[j] * a + db[j] * input * x[j] * slope;
      ds[j] -= dlog * gate;
      dr[j] = -dlog * s[j] * gate * (1.f - gate);
    }
    r += width, i += width, x += width, da += width, db += width, dr += width, di += width, dx += width;
  }
}
