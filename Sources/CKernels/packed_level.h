// The products for one instruction set: included once for each, inside its target. Before, it defines
//
//   NAME(f)                 the name of a function at this level
//   TILES                   tiles that several vectors are multiplied with at once
//   FLOAT_VECTORS           how many vectors of a panel that is for f32 and bf16; for int8 and int4 it is all of them
//   BYTES, LOAD_BYTES(p)    64 bytes of a block, and LOW(a), HIGH(a), the halves of each as bytes
//   WORD, WORDS(x)          four int8 of x for every row
//   DOT8(sum, w, x)         sum + the four products of each row; w is uint8, x a WORD
//   SUM8, BEGIN8(s), END8(sum, s)      a sum of a block, its beginning and its value, where s is the sum of x
//   SUM4, BEGIN4(s), DOT4(sum, w, x), END4(sum, s)      the same for w of four bits
//
// The sums of an element of y run over the columns in the same order for one vector and for many. One vector meets one
// tile after the other, so that weights are read in the order of memory, which is worth more than anything else; many
// meet several tiles at once.

#define UNROLL _Pragma("clang loop unroll(full)")
#define EACH_TILE UNROLL for (int i = 0; i < tiles; i++)
#define EACH_VECTOR UNROLL for (int j = 0; j < width; j++)

// sums [tiles width], w the first tile, x the first of `width` vectors of a panel of `panel`.
#define ARGUMENTS                                                                                            \
  const int tiles, const int width, const packed_job *job, const uint8_t *w, const float *x, const int panel, \
      v16 *sums

// Of two columns, the weights of the first and of the second.
#define FLOATS(p) load16((const float *)(p))
#define EVEN_COLUMN(p) (type == RUNNEL_F32 ? FLOATS(p) : unbits(v16, i16, bits(v16, i16, FLOATS(p)) << 16))
#define ODD_COLUMN(p) \
  (type == RUNNEL_F32 ? FLOATS((p) + 4 * ROWS) : unbits(v16, i16, bits(v16, i16, FLOATS(p)) & 0xffff0000u))

// f32 and bf16. Even and odd columns have a sum each: twice as many additions side by side, of half as many numbers.
TARGET INLINE void NAME(floats)(const enum runnel_packed type, ARGUMENTS) {
  ptrdiff_t tile = job->tile, k = 0;
  v16 others[TILES * PANEL];
  UNROLL for (int i = 0; i < tiles * width; i++) others[i] = splat16(0.f);
  for (; k + 1 < job->columns; k += 2) {
    v16 even[TILES], odd[TILES];
    EACH_TILE even[i] = EVEN_COLUMN(w + i * tile), odd[i] = ODD_COLUMN(w + i * tile);
    EACH_VECTOR EACH_TILE sums[i * width + j] += even[i] * x[j];
    EACH_VECTOR EACH_TILE others[i * width + j] += odd[i] * x[panel + j];
    w += (type == RUNNEL_F32 ? 8 : 4) * ROWS, x += 2 * panel;
  }
  if (k < job->columns) EACH_VECTOR EACH_TILE sums[i * width + j] += EVEN_COLUMN(w + i * tile) * x[j];
  UNROLL for (int i = 0; i < tiles * width; i++) sums[i] += others[i];
}

// sums += (float)sum · (scale of w · scale of x), rounded alike in every instruction set.
#define SCALE(total)                                                                               \
  do {                                                                                             \
    _Pragma("clang fp contract(off)");                                                             \
    EACH_TILE {                                                                                    \
      scale16 bits_;                                                                               \
      memcpy(&bits_, w + i * tile + scale_offset(type, b), sizeof bits_);                          \
      v16 scale_ = unbits(v16, i16, __builtin_convertvector(bits_, i16) << 16);                    \
      EACH_VECTOR {                                                                                \
        v16 product_ = __builtin_convertvector((total), v16) * (scale_ * x[BLOCK / 4 * panel + j]); \
        sums[i * width + j] += product_;                                                           \
      }                                                                                            \
    }                                                                                              \
  } while (0)
#define SUM_OF_X(j) words[(BLOCK / 4 + 1) * panel + (j)]

TARGET INLINE void NAME(int8)(ARGUMENTS) {
  const enum runnel_packed type = RUNNEL_INT8;
  ptrdiff_t tile = job->tile, blocks = block_count(job->columns);
  for (ptrdiff_t b = 0; b < blocks; b++) {
    const int32_t *words = (const int32_t *)x;
    const uint8_t *block = w + block_offset(type, b);
    SUM8 sum[TILES * PANEL];
    EACH_VECTOR EACH_TILE sum[i * width + j] = BEGIN8(SUM_OF_X(j));
    UNROLL for (int g = 0; g < BLOCK / 4; g++) {
      BYTES a[TILES];
      EACH_TILE a[i] = LOAD_BYTES(block + i * tile + g * 64);
      EACH_VECTOR {
        WORD word = WORDS(words[g * panel + j]);
        EACH_TILE sum[i * width + j] = DOT8(sum[i * width + j], a[i], word);
      }
    }
    SCALE(END8(sum[i * width + j], SUM_OF_X(j)));
    x += (BLOCK / 4 + 2) * panel;
  }
}

TARGET INLINE void NAME(int4)(ARGUMENTS) {
  const enum runnel_packed type = RUNNEL_INT4;
  ptrdiff_t tile = job->tile, blocks = block_count(job->columns);
  for (ptrdiff_t b = 0; b < blocks; b++) {
    const int32_t *words = (const int32_t *)x;
    const uint8_t *block = w + block_offset(type, b);
    SUM4 sum[TILES * PANEL];
    EACH_VECTOR EACH_TILE sum[i * width + j] = BEGIN4(SUM_OF_X(j));
    UNROLL for (int g = 0; g < BLOCK / 8; g++) {
      BYTES low[TILES], high[TILES];
      EACH_TILE {
        BYTES a = LOAD_BYTES(block + i * tile + g * 64);
        low[i] = LOW(a), high[i] = HIGH(a);
      }
      EACH_VECTOR {
        WORD word = WORDS(words[2 * g * panel + j]), next = WORDS(words[(2 * g + 1) * panel + j]);
        EACH_TILE sum[i * width + j] = DOT4(sum[i * width + j], low[i], word);
        EACH_TILE sum[i * width + j] = DOT4(sum[i * width + j], high[i], next);
      }
    }
    SCALE(END4(sum[i * width + j], SUM_OF_X(j)));
    x += (BLOCK / 4 + 2) * panel;
  }
}

// The products of `tiles` tiles from t on with vectors v ..< v + width, which are at x in a panel of `panel`.
TARGET INLINE void NAME(part)(
    const enum runnel_packed type, const int tiles, const int width, const packed_job *job, ptrdiff_t t,
    const float *x, const int panel, ptrdiff_t v) {
  v16 sums[TILES * PANEL];
  UNROLL for (int i = 0; i < tiles * width; i++) sums[i] = splat16(0.f);
  const uint8_t *w = job->w + t * job->tile;
  if (type <= RUNNEL_BF16) NAME(floats)(type, tiles, width, job, w, x, panel, sums);
  if (type == RUNNEL_INT8) NAME(int8)(tiles, width, job, w, x, panel, sums);
  if (type == RUNNEL_INT4) NAME(int4)(tiles, width, job, w, x, panel, sums);
  EACH_TILE {
    ptrdiff_t row = (t + i) * ROWS, rows = job->rows - row < ROWS ? job->rows - row : ROWS;
    EACH_VECTOR {
      if (v + j < job->count) {
        float *y = job->y + (v + j) * job->rows + row;
        v16 sum = sums[i * width + j];
        if (rows == ROWS) store16(y, job->add ? load16(y) + sum : sum);
        else store16_part(y, job->add ? load16_part(y, rows) + sum : sum, rows);
      }
    }
  }
}

// All vectors with as many tiles as are taken at once, so that weights come from memory once.
TARGET INLINE void NAME(tiles)(const enum runnel_packed type, const packed_job *job, ptrdiff_t first, ptrdiff_t end) {
  const int wide = TILES, together = type <= RUNNEL_BF16 ? FLOAT_VECTORS : PANEL;
  ptrdiff_t length = panel_length(type, job->columns);
  for (ptrdiff_t t = first; t < end; t += TILES) {
    ptrdiff_t stop = end - t < TILES ? end : t + TILES;
    const float *x = job->panels;
    for (ptrdiff_t v = 0, width; v < job->count; v += width, x += width * length) {
      width = panel_width(job->count - v);
      ptrdiff_t i = t;
      if (width == 1) {
        for (; i < stop; i++) NAME(part)(type, 1, 1, job, i, x, 1, v);
        continue;
      }
      for (; i + wide <= stop; i += wide)
        for (int j = 0; j < PANEL; j += together) NAME(part)(type, wide, together, job, i, x + j, PANEL, v + j);
      for (; i < stop; i++)
        for (int j = 0; j < PANEL; j += together) NAME(part)(type, 1, together, job, i, x + j, PANEL, v + j);
    }
  }
}

TARGET void NAME(runnel_product)(const packed_job *job, ptrdiff_t first, ptrdiff_t end) {
  switch (job->type) {
    case RUNNEL_F32: return NAME(tiles)(RUNNEL_F32, job, first, end);
    case RUNNEL_BF16: return NAME(tiles)(RUNNEL_BF16, job, first, end);
    case RUNNEL_INT8: return NAME(tiles)(RUNNEL_INT8, job, first, end);
    case RUNNEL_INT4: return NAME(tiles)(RUNNEL_INT4, job, first, end);
  }
}
