// Rounds of multiplications and additions with nothing else in their way, at the widest instructions of the level.
//
// A round adds to each of so many sums, none of which waits for another: as many as hide the latency of the instruction on
// every port, and as the registers hold beside the two operands.
#include "runnel_peak.h"
#include "runnel_gemm.h"
#include "vector.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define EACH _Pragma("clang loop unroll(full)") for (int i = 0; i < count; i++)

// `target` gives the instruction set, `type` the vector, `sums` how many.
#define FLOAT_ROUNDS(name, target, type, sums)                                     \
  target static void name(ptrdiff_t rounds, float *numbers) {                      \
    enum { count = sums };                                                         \
    type sum[count], x = (type){0} + numbers[0], y = (type){0} + numbers[1];       \
    EACH sum[i] = (type){0} + numbers[2] * (float)i;                               \
    for (ptrdiff_t round = 0; round < rounds; round++) EACH sum[i] = sum[i] * x + y; \
    type total = {0};                                                              \
    EACH total += sum[i];                                                          \
    numbers[2] = total[0];                                                         \
  }

typedef float v4 __attribute__((vector_size(16)));
#if defined(__aarch64__)
enum { PORTABLE_SUMS = 24 };
#else
enum { PORTABLE_SUMS = 14 };
#endif
FLOAT_ROUNDS(float_portable, , v4, PORTABLE_SUMS)

#if defined(__x86_64__)
typedef float v8 __attribute__((vector_size(32)));
#define WIDE(features) __attribute__((target(features), min_vector_width(512)))
enum { AVX2_SUMS = 12, AVX512_SUMS = 24 };
FLOAT_ROUNDS(float_avx2, __attribute__((target(V3))), v8, AVX2_SUMS)
FLOAT_ROUNDS(float_avx512, WIDE(V4), v16, AVX512_SUMS)

WIDE(V4 ",avx512bf16") static void bf16_avx512(ptrdiff_t rounds, float *numbers) {
  enum { count = AVX512_SUMS };
  __m512 sum[count];
  __m512bh x = (__m512bh)_mm512_set1_ps(numbers[0]), y = (__m512bh)_mm512_set1_ps(numbers[1]);
  EACH sum[i] = _mm512_set1_ps(numbers[2] * (float)i);
  for (ptrdiff_t round = 0; round < rounds; round++) EACH sum[i] = _mm512_dpbf16_ps(sum[i], x, y);
  __m512 total = _mm512_setzero_ps();
  EACH total = _mm512_add_ps(total, sum[i]);
  numbers[2] = _mm512_cvtss_f32(total);
}

WIDE(V4 ",avx512vnni") static void int8_avx512(ptrdiff_t rounds, float *numbers) {
  enum { count = AVX512_SUMS };
  __m512i sum[count];
  __m512i x = _mm512_castps_si512(_mm512_set1_ps(numbers[0]));
  __m512i y = _mm512_castps_si512(_mm512_set1_ps(numbers[1]));
  EACH sum[i] = _mm512_set1_epi32((int)numbers[2] * i);
  for (ptrdiff_t round = 0; round < rounds; round++) EACH sum[i] = _mm512_dpbusd_epi32(sum[i], x, y);
  __m512i total = _mm512_setzero_si512();
  EACH total = _mm512_add_epi32(total, sum[i]);
  numbers[2] = (float)_mm512_cvtsi512_si32(total);
}
#endif

ptrdiff_t runnel_peak_operations(enum runnel_peak kind) {
#if defined(__x86_64__)
  if (kind == RUNNEL_PEAK_INT8) return runnel_chosen_level >= RUNNEL_AVX512_VNNI ? 2 * 64 * AVX512_SUMS : 0;
  if (kind == RUNNEL_PEAK_BF16) return runnel_has_gemm_bf16() ? 2 * 32 * AVX512_SUMS : 0;
  if (runnel_chosen_level >= RUNNEL_AVX512) return 2 * 16 * AVX512_SUMS;
  if (runnel_chosen_level >= RUNNEL_AVX2) return 2 * 8 * AVX2_SUMS;
#endif
  return kind == RUNNEL_PEAK_F32 ? 2 * 4 * PORTABLE_SUMS : 0;
}

void runnel_peak_run(enum runnel_peak kind, ptrdiff_t rounds, float *numbers) {
  if (runnel_peak_operations(kind) == 0) return;
#if defined(__x86_64__)
  if (kind == RUNNEL_PEAK_INT8) return int8_avx512(rounds, numbers);
  if (kind == RUNNEL_PEAK_BF16) return bf16_avx512(rounds, numbers);
  if (runnel_chosen_level >= RUNNEL_AVX512) return float_avx512(rounds, numbers);
  if (runnel_chosen_level >= RUNNEL_AVX2) return float_avx2(rounds, numbers);
#endif
  float_portable(rounds, numbers);
}
