// Packed products with AVX2 and FMA.
//
// maddubs multiplies unsigned by signed bytes and adds pairs in 16 bits. Weights of eight bits go in as signed, with the
// sign of x moved to them, since 255 * 127 * 2 would saturate. Those of four bits go in as they are, and a block of them
// fits into 16 bits: 8 * 2 * 15 * 127 < 32768.
#include "packed.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define NAME(f) f##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define TILES 1
#define FLOAT_VECTORS 2

// Sixteen lanes are two registers.
typedef struct {
  __m256i a, b;
} pair;
#define BYTES pair
#define LOAD_BYTES(p) \
  ((pair){_mm256_loadu_si256((const __m256i *)(p)), _mm256_loadu_si256((const __m256i *)(p) + 1)})
#define NIBBLE _mm256_set1_epi8(15)
#define LOW(w) ((pair){_mm256_and_si256((w).a, NIBBLE), _mm256_and_si256((w).b, NIBBLE)})
#define HIGH(w)                                                  \
  ((pair){_mm256_and_si256(_mm256_srli_epi16((w).a, 4), NIBBLE), \
          _mm256_and_si256(_mm256_srli_epi16((w).b, 4), NIBBLE)})
#define WORD __m256i
#define WORDS(x) _mm256_set1_epi32(x)

#define ONES _mm256_set1_epi16(1)
#define LANES_OF(p)                                                                       \
  ({                                                                                      \
    pair lanes_ = (p);                                                                    \
    int16lanes all_;                                                                      \
    memcpy(&all_, &lanes_, sizeof all_);                                                  \
    all_;                                                                                 \
  })
#define SIGNED_WEIGHTS(w, x) _mm256_sign_epi8(_mm256_xor_si256(w, _mm256_set1_epi8(-128)), x)
#define DOT8_HALF(sum, w, x) \
  _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(x), SIGNED_WEIGHTS(w, x)), ONES))

#define SUM8 pair
#define BEGIN8(s) ((pair){_mm256_setzero_si256(), _mm256_setzero_si256()})
#define DOT8(sum, w, x) ((pair){DOT8_HALF((sum).a, (w).a, x), DOT8_HALF((sum).b, (w).b, x)})
#define END8(sum, s) LANES_OF(sum)
#define SUM4 pair
#define BEGIN4(s) BEGIN8(s)
#define DOT4(sum, w, x)                                             \
  ((pair){_mm256_add_epi16((sum).a, _mm256_maddubs_epi16((w).a, x)), \
          _mm256_add_epi16((sum).b, _mm256_maddubs_epi16((w).b, x))})
#define END4(sum, s)                                                                                \
  (LANES_OF(((pair){_mm256_madd_epi16((sum).a, ONES), _mm256_madd_epi16((sum).b, ONES)})) - 8 * (s))

#include "packed_level.h"
#endif
