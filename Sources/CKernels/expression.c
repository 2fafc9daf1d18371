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
INLINE float larger(float x, float y) {
  x = x < y ? y : x;
  return y != y ? y : x;
}

// Elements that an instruction works on before the next one does. So few that the processor, which looks ahead over several
// instructions, waits for memory in one while it computes another.
enum { TILE = 128 };

// An element depends on the elements at its own place alone, and the last group of lanes is computed as the others are.
#define CASE(OPERATION, VALUE)                                                             \
  case OPERATION:                                                                          \
    _Pragma("clang loop vectorize(assume_safety) vectorize_width(16) interleave_count(1)") \
    for (ptrdiff_t i = 0; i < LANES * groups; i++) y[i] = VALUE;                           \
    break;
#define X (k * a[i] + l)
#define FUNCTION(NAME, VALUE) CASE(RUNNEL_OF_##NAME, VALUE)
#define SLOPE(NAME, FACTOR, VALUE) CASE(RUNNEL_SLOPE_OF_##NAME, FACTOR * b[i] * (VALUE))

// Over groups of 16 elements, at most a tile.
INLINE void run_tile(
    ptrdiff_t count, const struct runnel_instruction *program, ptrdiff_t groups, float *const *registers) {
  for (const struct runnel_instruction *p = program; p < program + count; p++) {
    float *y = registers[p->y];
    const float *a = registers[p->a];
    const float *b = p->b < 0 ? 0 : registers[p->b], *c = p->c < 0 ? 0 : registers[p->c];
    const float k = p->k, l = p->l, m = p->m;
    switch (p->operation) {
    CASE(RUNNEL_COPY, a[i])
    CASE(RUNNEL_ADD, a[i] + b[i])
    CASE(RUNNEL_ADD_SCALED, a[i] + k * b[i])
    CASE(RUNNEL_MULTIPLY, k * a[i] * b[i])
    CASE(RUNNEL_MULTIPLY_ADD, k * a[i] * b[i] + c[i])
    CASE(RUNNEL_DIVIDE, k * a[i] / b[i])
    CASE(RUNNEL_AFFINE, X)
    // A NaN stays one.
    CASE(RUNNEL_MAXIMUM, a[i] < k ? k : a[i])
    CASE(RUNNEL_MINIMUM, a[i] > k ? k : a[i])
    CASE(RUNNEL_LARGER, larger(a[i], k * b[i] + l))

    FUNCTION(EXP, exp1(X))
    FUNCTION(EXPM1, expm1_1(X))
    FUNCTION(LOG, log1(X))
    FUNCTION(LOG1P, log1p1(X))
    FUNCTION(SIGMOID, sigmoid1(X))
    FUNCTION(SOFTPLUS, softplus1(X))
    FUNCTION(TANH, value(RUNNEL_TANH, X))
    FUNCTION(SILU, silu1(X))
    FUNCTION(GELU, value(RUNNEL_GELU, X))
    FUNCTION(ELU1, value(RUNNEL_ELU1, X))
    FUNCTION(RELU, value(RUNNEL_RELU, X))
    FUNCTION(RELU2, value(RUNNEL_RELU2, X))
    FUNCTION(ABS, __builtin_fabsf(X))
    FUNCTION(SQRT, __builtin_elementwise_sqrt(X))
    FUNCTION(RECIPROCAL, 1.f / X)

    SLOPE(EXPM1, k, a[i] + 1.f)
    SLOPE(SIGMOID, k, a[i] * (1.f - a[i]))
    SLOPE(TANH, k, 1.f - a[i] * a[i])
    SLOPE(ELU1, k, least(a[i], 1.f))
    SLOPE(RELU, k, a[i] > 0 ? 1.f : 0.f)
    SLOPE(SQRT, k, least(0.5f / a[i], l))
    SLOPE(RECIPROCAL, k, -a[i] * a[i])

    SLOPE(LOG, m, 1.f / X)
    SLOPE(LOG1P, m, 1.f / (1.f + X))
    SLOPE(SOFTPLUS, m, sigmoid1(X))
    SLOPE(SILU, m, derivative(RUNNEL_SILU, X))
    SLOPE(GELU, m, derivative(RUNNEL_GELU, X))
    SLOPE(RELU2, m, derivative(RUNNEL_RELU2, X))
    SLOPE(ABS, m, (X > 0 ? 1.f : 0.f) - (X < 0 ? 1.f : 0.f))
    SLOPE(MAXIMUM, m, a[i] < k ? 0.f : 1.f)
    SLOPE(MINIMUM, m, a[i] > k ? 0.f : 1.f)
    CASE(RUNNEL_SLOPE_OF_LARGER, m * c[i] * (a[i] < k * b[i] + l ? 0.f : 1.f))
    CASE(RUNNEL_SLOPE_OF_SMALLER, m * c[i] * (a[i] < k * b[i] + l ? 1.f : 0.f))
    }
  }
}

LEAF(void, runnel_run,
    (ptrdiff_t count, const struct runnel_instruction *_Nonnull program, ptrdiff_t operands,
     float *_Nonnull const *_Nonnull arrays, ptrdiff_t n),
    (count, program, operands, arrays, n)) {
  _Alignas(64) float scratch[RUNNEL_MAXIMUM_SCRATCH][TILE];
  _Alignas(64) float last[RUNNEL_MAXIMUM_OPERANDS][LANES];
  float *registers[RUNNEL_MAXIMUM_OPERANDS + RUNNEL_MAXIMUM_SCRATCH];
  memcpy(registers, arrays, (size_t)operands * sizeof *registers);
  for (int i = 0; i < RUNNEL_MAXIMUM_SCRATCH; i++) registers[operands + i] = scratch[i];
  const ptrdiff_t whole = n / LANES * LANES, rest = n - whole;
  const ptrdiff_t tiles = (whole + TILE - 1) / TILE;
  // One place for the code: the last round is that of the elements which are no group.
  for (ptrdiff_t tile = 0; tile < tiles + (rest > 0); tile++) {
    ptrdiff_t length = whole - TILE * tile;
    if (length > TILE) length = TILE;
    if (tile == tiles) {
      length = LANES;
      memset(last, 0, (size_t)operands * sizeof *last);
      for (ptrdiff_t i = 0; i < operands; i++) {
        memcpy(last[i], registers[i], (size_t)rest * sizeof(float));
        registers[i] = last[i];
      }
    }
    run_tile(count, program, length / LANES, registers);
    for (ptrdiff_t i = 0; i < operands; i++) registers[i] += length;
  }
  if (rest == 0) return;
  for (const struct runnel_instruction *p = program; p < program + count; p++)
    if (p->y < operands) memcpy(arrays[p->y] + whole, last[p->y], (size_t)rest * sizeof(float));
}
