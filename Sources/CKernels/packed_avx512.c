// Packed products with AVX-512 and its VNNI, whose instruction adds four products of unsigned and signed bytes to each
// lane. Weights go in as they are stored, 128 or 8 too large, and the sum begins with what that is too much.
#include "packed.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define NAME(f) f##_avx512
#define TARGET __attribute__((target("arch=x86-64-v4,avx512vnni"), min_vector_width(512)))
#define TILES 2
#define FLOAT_VECTORS 4

#define BYTES __m512i
#define LOAD_BYTES(p) _mm512_loadu_si512(p)
#define LOW(a) _mm512_and_si512(a, _mm512_set1_epi8(15))
#define HIGH(a) _mm512_and_si512(_mm512_srli_epi16(a, 4), _mm512_set1_epi8(15))
#define WORD __m512i
#define WORDS(x) _mm512_set1_epi32(x)

#define SUM8 __m512i
#define BEGIN8(s) _mm512_set1_epi32(-128 * (s))
#define DOT8(sum, w, x) _mm512_dpbusd_epi32(sum, w, x)
#define END8(sum, s) ((int16lanes)(sum))
#define SUM4 __m512i
#define BEGIN4(s) _mm512_set1_epi32(-8 * (s))
#define DOT4(sum, w, x) _mm512_dpbusd_epi32(sum, w, x)
#define END4(sum, s) ((int16lanes)(sum))

#include "packed_level.h"
#endif
