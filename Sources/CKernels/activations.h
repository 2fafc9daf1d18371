// The activation functions and their derivatives, for one element.
#pragma once
#include "runnel_kernels.h"
#include "vector.h"

// Beyond 10 the sigmoid in GELU is zero or one to the last bit, and the cube in it soon an infinity.
INLINE float within10(float x) {
  float z = x < -10.f ? -10.f : x;
  return z > 10.f ? 10.f : z;
}
INLINE float gelu_sigmoid(float x) {
  float z = within10(x);
  return sigmoid1(1.59576912f * (z + 0.044715f * z * z * z));
}

// One value and one derivative per activation. Each loop below is compiled once per activation, so that the choice is
// made outside it. A NaN stays one.
INLINE float value(enum runnel_activation f, float x) {
  switch (f) {
  case RUNNEL_IDENTITY: return x;
  case RUNNEL_SILU: return silu1(x);
  case RUNNEL_GELU: return (x < -10.f ? -10.f : x) * gelu_sigmoid(x);
  case RUNNEL_SIGMOID: return sigmoid1(x);
  case RUNNEL_TANH: return 2.f * sigmoid1(2.f * x) - 1.f;
  case RUNNEL_SOFTPLUS: return softplus1(x);
  case RUNNEL_EXP: return exp1(x);
  case RUNNEL_ELU1: return x > 0 ? x + 1.f : exp1(x);
  case RUNNEL_RELU: return x < 0 ? 0 : x;
  case RUNNEL_RELU2: return x < 0 ? 0 : x * x;
  }
}

INLINE float derivative(enum runnel_activation f, float x) {
  switch (f) {
  case RUNNEL_IDENTITY: return 1;
  case RUNNEL_SILU: { float s = sigmoid1(x); return s * (1.f + bounded(x) * (1.f - s)); }
  case RUNNEL_GELU: {
    float s = gelu_sigmoid(x), z = within10(x);
    return s + z * s * (1.f - s) * (1.59576912f * (1.f + 0.134145f * z * z));
  }
  case RUNNEL_SIGMOID: { float s = sigmoid1(x); return s * (1.f - s); }
  case RUNNEL_TANH: { float t = 2.f * sigmoid1(2.f * x) - 1.f; return 1.f - t * t; }
  case RUNNEL_SOFTPLUS: return sigmoid1(x);
  case RUNNEL_EXP: return exp1(x);
  case RUNNEL_ELU1: return x > 0 ? 1 : exp1(x);
  case RUNNEL_RELU: return x > 0 ? 1 : 0;
  case RUNNEL_RELU2: return x > 0 ? 2.f * x : 0;
  }
}
