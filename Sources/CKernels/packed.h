// What the files of packed products share: sizes of the layout (runnel_packed.h), and bf16.
#pragma once
#include "runnel_packed.h"
#include "vector.h"
#include <math.h>

enum { ROWS = 16, BLOCK = 32, SCALES = 64, PANEL = 4 };

typedef int32_t int16lanes __attribute__((vector_size(64)));
typedef int16_t short32 __attribute__((vector_size(64)));
typedef uint16_t scale16 __attribute__((vector_size(32)));
typedef struct {
  enum runnel_packed type;
  ptrdiff_t rows, columns, count, tile;
  const uint8_t *w;
  const float *panels;
  int add;
  float *y;
} packed_job;

// Bytes of a block of 32 columns in a tile, without its scales.
INLINE ptrdiff_t block_bytes(enum runnel_packed type) {
  return type == RUNNEL_INT8 ? ROWS * BLOCK : ROWS * BLOCK / 2;
}
INLINE ptrdiff_t block_count(ptrdiff_t columns) { return (columns + BLOCK - 1) / BLOCK; }
// Where the integers of block b, and its scales, begin in a tile.
INLINE ptrdiff_t block_offset(enum runnel_packed type, ptrdiff_t b) {
  return (b / 2 + 1) * SCALES + b * block_bytes(type);
}
INLINE ptrdiff_t scale_offset(enum runnel_packed type, ptrdiff_t b) {
  return b / 2 * (SCALES + 2 * block_bytes(type)) + b % 2 * (SCALES / 2);
}
// Floats of a panel of one vector.
INLINE ptrdiff_t panel_length(enum runnel_packed type, ptrdiff_t columns) {
  return type <= RUNNEL_BF16 ? (columns + 1) / 2 * 2 : block_count(columns) * (BLOCK / 4 + 2);
}

// The vectors of the next panel when `left` are left; a wide one may have vectors beyond the last.
INLINE ptrdiff_t panel_width(ptrdiff_t left) { return left > 1 ? PANEL : 1; }

INLINE float float_of_bits(uint32_t bits) { return unbits(float, uint32_t, bits); }
INLINE uint32_t bits_of_float(float x) { return bits(float, uint32_t, x); }

// Tiles first ..< end of the job, in one instruction set each.
void runnel_product_portable(const packed_job *job, ptrdiff_t first, ptrdiff_t end);
void runnel_product_avx2(const packed_job *job, ptrdiff_t first, ptrdiff_t end);
void runnel_product_avx512(const packed_job *job, ptrdiff_t first, ptrdiff_t end);
