// Elementwise expressions: small programs over tiles of floats. See README.md: not an API.
#pragma once
#include <stddef.h>
#include <stdint.h>

// What an instruction makes of the arrays a, b and c and the constants k, l and m.
enum runnel_operation {
  // a; a + b; a + k b; k a b; k a b + c; k a / b; k a + l; max(a, k); min(a, k); max(a, k b + l).
  RUNNEL_COPY, RUNNEL_ADD, RUNNEL_ADD_SCALED, RUNNEL_MULTIPLY, RUNNEL_MULTIPLY_ADD, RUNNEL_DIVIDE, RUNNEL_AFFINE,
  RUNNEL_MAXIMUM, RUNNEL_MINIMUM, RUNNEL_LARGER,
  // f(k a + l).
  RUNNEL_OF_EXP, RUNNEL_OF_EXPM1, RUNNEL_OF_LOG, RUNNEL_OF_LOG1P, RUNNEL_OF_SIGMOID, RUNNEL_OF_SOFTPLUS, RUNNEL_OF_TANH,
  RUNNEL_OF_SILU, RUNNEL_OF_GELU, RUNNEL_OF_ELU1, RUNNEL_OF_RELU, RUNNEL_OF_RELU2, RUNNEL_OF_ABS, RUNNEL_OF_SQRT,
  RUNNEL_OF_RECIPROCAL,
  // k b f'(x), where a is y = f(x); of a root at most k b l ...
  RUNNEL_SLOPE_OF_EXPM1, RUNNEL_SLOPE_OF_SIGMOID, RUNNEL_SLOPE_OF_TANH, RUNNEL_SLOPE_OF_ELU1, RUNNEL_SLOPE_OF_RELU,
  RUNNEL_SLOPE_OF_SQRT, RUNNEL_SLOPE_OF_RECIPROCAL,
  // ... or m b f'(x), where x is k a + l ...
  RUNNEL_SLOPE_OF_LOG, RUNNEL_SLOPE_OF_LOG1P, RUNNEL_SLOPE_OF_SOFTPLUS, RUNNEL_SLOPE_OF_SILU, RUNNEL_SLOPE_OF_GELU,
  RUNNEL_SLOPE_OF_RELU2, RUNNEL_SLOPE_OF_ABS,
  // ... or m b where a is no less than k, or no more ...
  RUNNEL_SLOPE_OF_MAXIMUM, RUNNEL_SLOPE_OF_MINIMUM,
  // ... or m c where a is no less than k b + l, or where it is less.
  RUNNEL_SLOPE_OF_LARGER, RUNNEL_SLOPE_OF_SMALLER
};

// Numbers of registers; one that the operation does not read is negative. An l of -0 changes nothing, not even the sign of a
// zero.
struct runnel_instruction {
  enum runnel_operation operation;
  int32_t y, a, b, c;
  float k, l, m;
};

enum { RUNNEL_MAXIMUM_OPERANDS = 48, RUNNEL_MAXIMUM_SCRATCH = 64 };

// Runs a program over n elements. The first registers are `operands` arrays of n floats, the ones behind them are scratch. A
// result may take the place of an operand, and arrays do not overlap otherwise.
void runnel_run(
    ptrdiff_t count, const struct runnel_instruction *_Nonnull program, ptrdiff_t operands, float *_Nonnull const *_Nonnull arrays,
    ptrdiff_t n);
