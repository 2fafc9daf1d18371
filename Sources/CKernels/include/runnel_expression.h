// Elementwise expressions: small programs over tiles of floats. See README.md: not an API.
#pragma once
#include <stddef.h>
#include <stdint.h>

// What an instruction makes of the arrays a, b and c and the constants k and l.
enum runnel_operation {
  // a; a + b; a + k b; a b; a b + c; a / b; k a + l; max(a, k); min(a, k).
  RUNNEL_COPY, RUNNEL_ADD, RUNNEL_ADD_SCALED, RUNNEL_MULTIPLY, RUNNEL_MULTIPLY_ADD, RUNNEL_DIVIDE, RUNNEL_AFFINE,
  RUNNEL_MAXIMUM, RUNNEL_MINIMUM,
  // f(a).
  RUNNEL_OF_EXP, RUNNEL_OF_EXPM1, RUNNEL_OF_LOG, RUNNEL_OF_LOG1P, RUNNEL_OF_SIGMOID, RUNNEL_OF_SOFTPLUS, RUNNEL_OF_TANH,
  RUNNEL_OF_SILU, RUNNEL_OF_GELU, RUNNEL_OF_ELU1, RUNNEL_OF_RELU, RUNNEL_OF_RELU2, RUNNEL_OF_ABS, RUNNEL_OF_SQRT,
  RUNNEL_OF_RECIPROCAL,
  // b f'(x), where a is y = f(x) ...
  RUNNEL_SLOPE_OF_EXPM1, RUNNEL_SLOPE_OF_SIGMOID, RUNNEL_SLOPE_OF_TANH, RUNNEL_SLOPE_OF_ELU1, RUNNEL_SLOPE_OF_RELU,
  RUNNEL_SLOPE_OF_SQRT, RUNNEL_SLOPE_OF_RECIPROCAL,
  // ... or x.
  RUNNEL_SLOPE_OF_LOG1P, RUNNEL_SLOPE_OF_SOFTPLUS, RUNNEL_SLOPE_OF_SILU, RUNNEL_SLOPE_OF_GELU, RUNNEL_SLOPE_OF_RELU2,
  RUNNEL_SLOPE_OF_ABS, RUNNEL_SLOPE_OF_MAXIMUM, RUNNEL_SLOPE_OF_MINIMUM
};

// Numbers of registers; one that the operation does not read is negative.
struct runnel_instruction {
  enum runnel_operation operation;
  int32_t y, a, b, c;
  float k, l;
};

// Runs a program over registers of n floats. A result may take the place of an operand, and registers do not overlap
// otherwise.
void runnel_run(
    ptrdiff_t count, const struct runnel_instruction *_Nonnull program, ptrdiff_t n, float *_Nonnull const *_Nonnull registers);
