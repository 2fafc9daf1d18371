// Arithmetic for the leaf loops, and the macro that compiles them per instruction set.
//
// Simple loops are written with the scalar functions and vectorised by the compiler. Where registers have to be placed
// by hand, sixteen lanes are a compiler vector: one register on AVX-512, two on AVX2, four on SSE2 and NEON. Vector
// helpers are macros, because a function that takes or returns a vector has another ABI in every instruction set.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "runnel_level.h"

#define INLINE static inline __attribute__((always_inline))

// LEAF(result, name, (parameters), (arguments)) { body }: a leaf loop, compiled once for each instruction set and run in
// that of the level which level.c chose.
extern enum runnel_level runnel_chosen_level __attribute__((visibility("hidden")));
#if defined(__x86_64__)
// x86-64-v3 and x86-64-v4, by their features: as architectures they would be tuned to prefer half registers.
#define V3 "avx2,bmi,bmi2,f16c,fma,lzcnt,movbe,popcnt"
#define V4 V3 ",avx512f,avx512bw,avx512cd,avx512dq,avx512vl"
#define LEAF(result, name, parameters, arguments)                                                            \
  INLINE result name##_body parameters;                                                                      \
  __attribute__((target(V4))) static result name##_v4 parameters { return name##_body arguments; }           \
  __attribute__((target(V3))) static result name##_v3 parameters { return name##_body arguments; }           \
  static result name##_v1 parameters { return name##_body arguments; }                                       \
  result name parameters {                                                                                   \
    if (runnel_chosen_level >= RUNNEL_AVX512) return name##_v4 arguments;                                    \
    if (runnel_chosen_level >= RUNNEL_AVX2) return name##_v3 arguments;                                      \
    return name##_v1 arguments;                                                                              \
  }                                                                                                          \
  INLINE result name##_body parameters
#else
#define LEAF(result, name, parameters, arguments) result name parameters
#endif

enum { LANES = 16 };
typedef float v16 __attribute__((vector_size(64)));
// Unsigned, so that shifts and sums of exponents wrap.
typedef uint32_t i16 __attribute__((vector_size(64)));
typedef float v16_unaligned __attribute__((vector_size(64), aligned(4)));

#define load16(p) ((v16) * (const v16_unaligned *)(p))
#define store16(p, x) (*(v16_unaligned *)(p) = (x))
// Not {0} + x, an addition that stays since it turns -0 into 0.
#define splat16(x)                                                         \
  ({                                                                       \
    float x_ = (x);                                                        \
    (v16){x_, x_, x_, x_, x_, x_, x_, x_, x_, x_, x_, x_, x_, x_, x_, x_}; \
  })
#define bits(F, I, x) (((union { F f; I i; }){.f = (x)}).i)
#define unbits(F, I, x) (((union { F f; I i; }){.i = (x)}).f)
#define select16(mask, yes, no)                                                             \
  ({                                                                                        \
    i16 mask_ = (mask);                                                                     \
    unbits(v16, i16, (mask_ & bits(v16, i16, yes)) | (~mask_ & bits(v16, i16, no)));        \
  })

// The first n < 16 lanes; the others read as zero and are not written.
#define load16_part(p, n)                                \
  ({                                                     \
    v16 part_ = {0};                                     \
    memcpy(&part_, (p), (size_t)(n) * sizeof(float));    \
    part_;                                               \
  })
#define store16_part(p, x, n)                            \
  ({                                                     \
    v16 part_ = (x);                                     \
    memcpy((p), &part_, (size_t)(n) * sizeof(float));    \
  })

// A vector of which only the first `width` lanes exist in memory.
#define LOAD_WIDTH(p) (width == LANES ? load16(p) : load16_part(p, width))
#define STORE_WIDTH(p, x)                    \
  do {                                       \
    v16 stored_ = (x);                       \
    if (width == LANES) store16(p, stored_); \
    else store16_part(p, stored_, width);    \
  } while (0)

#define INTERLEAVE(a, b, low, high)                                                                  \
  do {                                                                                               \
    low = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);      \
    high = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31); \
  } while (0)

// Sixteen rows of sixteen are transposed: four times, rows i and i + 8 are interleaved into rows 2i and 2i + 1.
#define TRANSPOSE16(rows)                                                                                \
  do {                                                                                                   \
    v16 other_[LANES];                                                                                   \
    for (int round_ = 0; round_ < 2; round_++) {                                                         \
      for (int r_ = 0; r_ < 8; r_++)                                                                     \
        INTERLEAVE((rows)[r_], (rows)[r_ + 8], other_[2 * r_], other_[2 * r_ + 1]);                      \
      for (int r_ = 0; r_ < 8; r_++)                                                                     \
        INTERLEAVE(other_[r_], other_[r_ + 8], (rows)[2 * r_], (rows)[2 * r_ + 1]);                      \
    }                                                                                                    \
  } while (0)

INLINE float sum_lanes(float *a) {
  for (int w = LANES / 2; w > 0; w /= 2)
    for (int i = 0; i < w; i++) a[i] += a[i + w];
  return a[0];
}
#define sum16(x)                  \
  ({                              \
    v16 lanes_ = (x);             \
    float a_[LANES];              \
    memcpy(a_, &lanes_, sizeof a_); \
    sum_lanes(a_);                \
  })

// The sums of neighbours, those of a in front of those of b; and the sums of sixteen vectors, in their order. Four rounds of
// it take as many shuffles as three vectors would summed one by one.
#define neighbours16(a, b)                                                                                  \
  ({                                                                                                        \
    v16 a_ = (a), b_ = (b);                                                                                 \
    __builtin_shufflevector(a_, b_, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) +            \
        __builtin_shufflevector(a_, b_, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);         \
  })
#define sums16(vectors)                                                                     \
  ({                                                                                        \
    v16 s_[LANES];                                                                          \
    memcpy(s_, (vectors), sizeof s_);                                                       \
    for (int count_ = LANES / 2; count_ > 0; count_ /= 2)                                   \
      for (int i_ = 0; i_ < count_; i_++) s_[i_] = neighbours16(s_[2 * i_], s_[2 * i_ + 1]); \
    s_[0];                                                                                  \
  })

// exp on [-87, 88], relative error below 2e-7; outside it saturates, and a NaN stays one. Range reduction by the nearest
// multiple n of ln 2: adding 1.5 * 2^23 rounds in every instruction set and leaves n in the low bits, ready to be
// added to the exponent. Then the Taylor polynomial of degree 7 on |r| <= ln 2 / 2.
#define EXP(F, I, clamped)                              \
  ({                                                    \
    F x_ = (clamped);                                   \
    F t_ = x_ * 1.44269504f + 12582912.f;               \
    F n_ = t_ - 12582912.f;                             \
    F r_ = x_ - n_ * 0.693359375f;                      \
    r_ = r_ + n_ * 2.12194440e-4f;                      \
    F p_ = r_ * (1.f / 5040) + 1.f / 720;               \
    p_ = p_ * r_ + 1.f / 120;                           \
    p_ = p_ * r_ + 1.f / 24;                            \
    p_ = p_ * r_ + 1.f / 6;                             \
    p_ = p_ * r_ + 0.5f;                                \
    p_ = p_ * r_ + 1.f;                                 \
    p_ = p_ * r_ + 1.f;                                 \
    unbits(F, I, bits(F, I, p_) + (bits(F, I, t_) << 23)); \
  })
#define exp16(x)                                                                     \
  ({                                                                                 \
    v16 e_ = (x);                                                                    \
    e_ = select16(e_ < -87.f, splat16(-87.f), e_);                                   \
    e_ = select16(e_ > 88.f, splat16(88.f), e_);                                     \
    EXP(v16, i16, e_);                                                               \
  })
// 2^x for x <= 127, relative error below 2e-7; below -126 it saturates, and a NaN stays one. For decays: a product that
// needs no reduction by ln 2, and a polynomial 1 + r q(r) that is exact at 0 and tight near it, since an error of a decay
// near one adds up over its memory. q has degree 5, fitted at Chebyshev nodes on |r| <= 1/2 (error 2e-8).
#define exp2_16(x)                                                         \
  ({                                                                       \
    v16 e_ = (x);                                                          \
    e_ = select16(e_ < -126.f, splat16(-126.f), e_);                       \
    v16 t_ = e_ + 12582912.f;                                              \
    v16 r_ = e_ - (t_ - 12582912.f);                                       \
    v16 p_ = r_ * 0x1.44400p-13f + 0x1.5f0896p-10f;                        \
    p_ = p_ * r_ + 0x1.3b2a1cp-7f;                                         \
    p_ = p_ * r_ + 0x1.c6af6cp-5f;                                         \
    p_ = p_ * r_ + 0x1.ebfbe0p-3f;                                         \
    p_ = p_ * r_ + 0x1.62e430p-1f;                                         \
    p_ = p_ * r_ + 1.f;                                                    \
    unbits(v16, i16, bits(v16, i16, p_) + (bits(v16, i16, t_) << 23));     \
  })
#define LOG2_E 1.44269504f
INLINE float exp1(float x) {
  x = x < -87.f ? -87.f : x;
  x = x > 88.f ? 88.f : x;
  return EXP(float, uint32_t, x);
}

// exp(x) - 1: the Taylor series near zero, where the difference would cancel.
INLINE float expm1_1(float x) {
  float p = 1.f / 40320;
  p = p * x + 1.f / 5040;
  p = p * x + 1.f / 720;
  p = p * x + 1.f / 120;
  p = p * x + 1.f / 24;
  p = p * x + 1.f / 6;
  p = p * x + 0.5f;
  p = p * x + 1.f;
  return x > -0.5f && x < 0.5f ? x * p : exp1(x) - 1.f;
}

// Never quite zero nor one: below x = -87 it stays at 1e-38.
INLINE float sigmoid1(float x) { return 1.f / (1.f + exp1(-x)); }
// What sigmoid(x) is multiplied with in silu: below x = -87, where that stays, x must stay, too.
INLINE float bounded(float x) { return x < -87.f ? -87.f : x; }
INLINE float silu1(float x) { return bounded(x) * sigmoid1(x); }

// log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)); log1p(y) = 2 atanh(y / (2 + y)), whose argument is at most 1/3. Where exp
// saturates it is zero: steps of nothing must be nothing beside the largest rates.
INLINE float softplus1(float x) {
  float y = exp1(x < 0 ? x : -x);
  y = x < -87.f ? 0.f : y;
  float s = y / (2.f + y), q = s * s;
  float p = 1.f / 17;
  p = p * q + 1.f / 15;
  p = p * q + 1.f / 13;
  p = p * q + 1.f / 11;
  p = p * q + 1.f / 9;
  p = p * q + 1.f / 7;
  p = p * q + 1.f / 5;
  p = p * q + 1.f / 3;
  p = p * q + 1.f;
  return (x > 0 ? x : 0) + 2.f * s * p;
}
