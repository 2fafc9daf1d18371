// Small programs over tiles that stay in cache. The loops are simple, so that the compiler vectorises them.
#include "runnel_expression.h"
#include "activations.h"

// log x: x = m 2^e with m between the roots of 1/2 and 2, and log m = 2 atanh((m - 1) / (m + 1)), a series whose argument is
// at most 0.172. Relative error below 2e-7. Zero gives -inf, what is below gives NaN.
INLINE float log1(float x) {
  float normal = x < 1.17549435e-38f ? x * 8388608.f : x;
  uint32_t word = bits(float, uint32_t, normal) - 0x3f3504f3u;
  float e = (float)((int32_t)word >> 23) - (x < 1.17549435e-38f ? 23.f : 0.f);
  float m = unbits(float, uint32_t, (word & 0x7fffffu) + 0x3f3504f3u);
  float s = (m - 1.f) / (m + 1.f), q = s * s;
  float p = 1.f / 9;
  p = p * q + 1.f / 7;
  p = p * q + 1.f / 5;
  p = p * q + 1.f / 3;
  float y = e * 0.693359375f + (2.f * s + (2.f * s * q * p - e * 2.12194440e-4f));
  y = x < __builtin_inff() ? y : x;
  y = x == 0 ? -__builtin_inff() : y;
  return x < 0 ? __builtin_nanf("") : y;
}

// log(1 + x): what rounding takes from 1 + x is given back by the slope x / ((1 + x) - 1).
INLINE float log1p1(float x) {
  float u = 1.f + x, d = u - 1.f;
  float y = log1(u);
  y = d == 0 ? x : y * (x > 1e8f ? 1.f : x / d);
  return y;
}

INLINE float least(float x, float y) { return x < y ? x : y; }

// In every loop an element depends on the elements at its own place alone.
#define CASE(OPERATION, VALUE)                                                   \
  case OPERATION:                                                                \
    _Pragma("clang loop vectorize(assume_safety)")                               \
    for (ptrdiff_t i = 0; i < n; i++) y[i] = VALUE;                              \
    break;
#define FUNCTION(NAME, VALUE) CASE(RUNNEL_OF_##NAME, VALUE)
#define SLOPE(NAME, VALUE) CASE(RUNNEL_SLOPE_OF_##NAME, b[i] * (VALUE))

LEAF(void, runnel_run,
    (ptrdiff_t count, const struct runnel_instruction *_Nonnull program, ptrdiff_t n, float *_Nonnull const *_Nonnull registers),
    (count, program, n, registers)) {
  for (const struct runnel_instruction *p = program; p < program + count; p++) {
    float *y = registers[p->y];
    const float *a = registers[p->a];
    const float *b = p->b < 0 ? 0 : registers[p->b], *c = p->c < 0 ? 0 : registers[p->c];
    const float k = p->k, l = p->l;
    switch (p->operation) {
    CASE(RUNNEL_COPY, a[i])
    CASE(RUNNEL_ADD, a[i] + b[i])
    CASE(RUNNEL_ADD_SCALED, a[i] + k * b[i])
    CASE(RUNNEL_MULTIPLY, a[i] * b[i])
    CASE(RUNNEL_MULTIPLY_ADD, a[i] * b[i] + c[i])
    CASE(RUNNEL_DIVIDE, a[i] / b[i])
    CASE(RUNNEL_AFFINE, k * a[i] + l)
    // A NaN stays one.
    CASE(RUNNEL_MAXIMUM, a[i] < k ? k : a[i])
    CASE(RUNNEL_MINIMUM, a[i] > k ? k : a[i])

    FUNCTION(EXP, exp1(a[i]))
    FUNCTION(EXPM1, expm1_1(a[i]))
    FUNCTION(LOG, log1(a[i]))
    FUNCTION(LOG1P, log1p1(a[i]))
    FUNCTION(SIGMOID, sigmoid1(a[i]))
    FUNCTION(SOFTPLUS, softplus1(a[i]))
    FUNCTION(TANH, value(RUNNEL_TANH, a[i]))
    FUNCTION(SILU, silu1(a[i]))
    FUNCTION(GELU, value(RUNNEL_GELU, a[i]))
    FUNCTION(ELU1, value(RUNNEL_ELU1, a[i]))
    FUNCTION(RELU, value(RUNNEL_RELU, a[i]))
    FUNCTION(RELU2, value(RUNNEL_RELU2, a[i]))
    FUNCTION(ABS, __builtin_fabsf(a[i]))
    FUNCTION(SQRT, __builtin_elementwise_sqrt(a[i]))
    FUNCTION(RECIPROCAL, 1.f / a[i])

    SLOPE(EXPM1, a[i] + 1.f)
    SLOPE(SIGMOID, a[i] * (1.f - a[i]))
    SLOPE(TANH, 1.f - a[i] * a[i])
    SLOPE(ELU1, least(a[i], 1.f))
    SLOPE(RELU, a[i] > 0 ? 1.f : 0.f)
    // Of zero, too, a number, which a gradient of zero makes zero.
    SLOPE(SQRT, least(0.5f / a[i], 3.40282347e38f))
    SLOPE(RECIPROCAL, -a[i] * a[i])

    SLOPE(LOG1P, 1.f / (1.f + a[i]))
    SLOPE(SOFTPLUS, sigmoid1(a[i]))
    SLOPE(SILU, derivative(RUNNEL_SILU, a[i]))
    SLOPE(GELU, derivative(RUNNEL_GELU, a[i]))
    SLOPE(RELU2, derivative(RUNNEL_RELU2, a[i]))
    SLOPE(ABS, (a[i] > 0 ? 1.f : 0.f) - (a[i] < 0 ? 1.f : 0.f))
    SLOPE(MAXIMUM, a[i] < k ? 0.f : 1.f)
    SLOPE(MINIMUM, a[i] > k ? 0.f : 1.f)
    }
  }
}
