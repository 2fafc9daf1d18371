// Products with a packed weight matrix, y [N rows] = x [N columns] Wᵀ. See README.md: not an API.
//
// Packed weights, the same bytes on every machine (little-endian). Sixteen rows of W make a tile; tiles follow one
// another, rows beyond the last are zeros, and so are columns beyond the last. In a tile, r is the row 0..<16:
//
//   f32   for each column: [r] of float
//   bf16  for each pair of columns: [r][2] of bf16
//   int8  for each two blocks of 32 columns: scales [2][r] of bf16, and for each of the blocks
//         [8][r][4] of uint8, the quantised weight plus 128, in the order of its columns
//   int4  the same, but a block is [4][r][4] of uint8, the quantised weight plus 8: in the low half of byte [g][r][i]
//         that of column 8 g + i of the block, in the high half that of column 8 g + 4 + i
//
// A last block that has no partner follows its scales alone. A tile is a multiple of 64 bytes, and a weight takes 32, 16,
// 8.5 or 4.5 bits. A quantised weight is its integer times its scale.
//
// Prepared vectors: panels of four vectors, of one for a single last one: for f32 and bf16 [columns, even][width] of float;
// for int8 and int4, for each block of 32 columns, [8][width] words of four int8, [width] scales, [width] sums.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "runnel_level.h"

enum runnel_packed { RUNNEL_F32, RUNNEL_BF16, RUNNEL_INT8, RUNNEL_INT4 };

// Bytes of one tile, and of all panels of `count` vectors.
ptrdiff_t runnel_packed_tile_bytes(enum runnel_packed type, ptrdiff_t columns);
ptrdiff_t runnel_packed_vector_bytes(enum runnel_packed type, ptrdiff_t count, ptrdiff_t columns);

// One tile from `rows` <= 16 rows of w, which are `stride` floats apart and finite; its rows first ..< end back to w.
void runnel_pack_tile(
    enum runnel_packed type, ptrdiff_t rows, ptrdiff_t columns, const float *w, ptrdiff_t stride, void *tile);
void runnel_unpack_tile(
    enum runnel_packed type, ptrdiff_t first, ptrdiff_t end, ptrdiff_t columns, const void *tile, float *w,
    ptrdiff_t stride);

// The vectors x [count columns] as panels. For int8 and int4 each block of 32 is quantised, symmetric about zero; what is
// below 1e-36 counts as zero there, and a block that holds a NaN or an infinity gives NaN.
void runnel_pack_vectors(
    enum runnel_packed type, ptrdiff_t count, ptrdiff_t columns, const float *x, void *panels);

// Columns 16 first ..< min(16 end, rows) of y [count rows], the products with tiles first ..< end; added to what y holds,
// or not. The sums run over the columns in the same order for every count, so the numbers do not depend on it.
void runnel_packed_product(
    enum runnel_level level, enum runnel_packed type, ptrdiff_t rows, ptrdiff_t columns, const void *w,
    ptrdiff_t first, ptrdiff_t end, ptrdiff_t count, const void *panels, int add, float *y);
