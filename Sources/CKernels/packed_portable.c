// Packed products in plain C, for any machine.
//
// Bytes are taken as pairs of 16-bit numbers: a product of a byte and an int8 fits into 16 bits, and so does the sum of
// the sixteen products of four bits that one lane adds in a block.
#include "packed.h"

#define NAME(f) f##_portable
#define TARGET
#define TILES 1
#define FLOAT_VECTORS 1

#define BYTES i16
#define LOAD_BYTES(p) bits(v16, i16, load16((const float *)(p)))
#define LOW(a) ((a) & 0x0f0f0f0fu)
#define HIGH(a) (((a) >> 4) & 0x0f0f0f0fu)
#define EVEN(a) ((short32)((a) & 0x00ff00ffu))
#define ODD(a) ((short32)(((a) >> 8) & 0x00ff00ffu))
// The sum of the two 16-bit numbers of each lane.
#define PAIRS(a) (((int16lanes)((i16)(a) << 16) >> 16) + ((int16lanes)(a) >> 16))

typedef struct {
  short32 even, odd;
} word_pair;
#define WORD word_pair
#define WORDS(x)                                            \
  ({                                                        \
    i16 word_ = (i16){0} + (uint32_t)(x);                   \
    (word_pair){(short32)(word_ << 8) >> 8, (short32)word_ >> 8}; \
  })

#define SUM8 int16lanes
#define BEGIN8(s) ((int16lanes){0} - 128 * (s))
#define DOT8(sum, w, x) ((sum) + PAIRS(EVEN(w) * (x).even) + PAIRS(ODD(w) * (x).odd))
#define END8(sum, s) (sum)
#define SUM4 short32
#define BEGIN4(s) ((short32){0})
#define DOT4(sum, w, x) ((sum) + EVEN(w) * (x).even + ODD(w) * (x).odd)
#define END4(sum, s) (PAIRS(sum) - 8 * (s))

#include "packed_level.h"
