// Products of matrices for each instruction set, and the choice among them.
#include "runnel_gemm.h"
#include "vector.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define FEWER_ROWS CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)

// Of eight lanes those before the n-th; n may be negative, or more than eight.
#define LANES_BEFORE(n) \
  _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
#define LOW_HALF(x) ((__m256)__builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7))
#define HIGH_HALF(x) ((__m256)__builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15))

#define NAME(f) f##_avx2
#define TARGET __attribute__((target(V3)))
#define MR 6
#define NV 1
#define ROW_CASES FEWER_ROWS
#define KC 256
#define NC 128
#define MULTIPLY_ADD(sum, a, b) ((sum) + (a) * (b))
#define LOAD_PART(p, n)                                                                             \
  ((v16)__builtin_shufflevector(                                                                    \
      _mm256_maskload_ps(p, LANES_BEFORE(n)), _mm256_maskload_ps((p) + 8, LANES_BEFORE((n) - 8)), 0, 1, 2, 3, 4, 5, \
      6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
#define STORE_PART(p, x, n)                                            \
  do {                                                                 \
    _mm256_maskstore_ps(p, LANES_BEFORE(n), LOW_HALF(x));              \
    _mm256_maskstore_ps((p) + 8, LANES_BEFORE((n) - 8), HIGH_HALF(x)); \
  } while (0)
#include "gemm_level.h"

#define LANES_TO(n) ((__mmask16)((1u << (n)) - 1))
#define MORE_ROWS FEWER_ROWS CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)

#define NAME(f) f##_avx512
#define TARGET __attribute__((target(V4), min_vector_width(512)))
#define MR 14
#define NV 2
#define ROW_CASES MORE_ROWS
#define KC 256
#define NC 256
#define MULTIPLY_ADD(sum, a, b) ((sum) + (a) * (b))
#define LOAD_PART(p, n) ((v16)_mm512_maskz_loadu_ps(LANES_TO(n), p))
#define STORE_PART(p, x, n) _mm512_mask_storeu_ps(p, LANES_TO(n), (__m512)(x))
#include "gemm_level.h"

#define NAME(f) f##_bf16
#define TARGET __attribute__((target(V4 ",avx512bf16"), min_vector_width(512)))
#define MR 14
#define NV 2
#define ROW_CASES MORE_ROWS
#define KC 256
#define NC 256
#define PAIRS
#define MULTIPLY_ADD(sum, a, b) ((v16)_mm512_dpbf16_ps((__m512)(sum), (__m512bh)(a), (__m512bh)(b)))
#define LOAD_PART(p, n) ((v16)_mm512_maskz_loadu_ps(LANES_TO(n), p))
#define STORE_PART(p, x, n) _mm512_mask_storeu_ps(p, LANES_TO(n), (__m512)(x))
#include "gemm_level.h"

int runnel_has_gemm(void) { return runnel_chosen_level >= RUNNEL_AVX2; }

int runnel_has_gemm_bf16(void) {
  __builtin_cpu_init();
  return runnel_chosen_level >= RUNNEL_AVX512_VNNI && __builtin_cpu_supports("avx512bf16");
}

void runnel_gemm(const struct runnel_gemm *product, void *room) {
  if (runnel_chosen_level >= RUNNEL_AVX512) gemm_avx512(product, room);
  else gemm_avx2(product, room);
}
void runnel_gemm_bf16(const struct runnel_gemm *product, void *room) { gemm_bf16(product, room); }
#else
int runnel_has_gemm(void) { return 0; }
int runnel_has_gemm_bf16(void) { return 0; }
void runnel_gemm(const struct runnel_gemm *product, void *room) {}
void runnel_gemm_bf16(const struct runnel_gemm *product, void *room) {}
#endif
