// Packing of weights and vectors for packed products, and those at a level that the caller names.
#include "packed.h"

void runnel_packed_product(
    enum runnel_level level, enum runnel_packed type, ptrdiff_t rows, ptrdiff_t columns, const void *w,
    ptrdiff_t first, ptrdiff_t end, ptrdiff_t count, const void *panels, int add, float *y) {
  packed_job job = {type, rows, columns, count, runnel_packed_tile_bytes(type, columns), w, panels, add, y};
  switch (level) {
#if defined(__x86_64__)
    case RUNNEL_AVX512_VNNI: return runnel_product_avx512(&job, first, end);
    case RUNNEL_AVX512:
    case RUNNEL_AVX2: return runnel_product_avx2(&job, first, end);
#endif
    default: return runnel_product_portable(&job, first, end);
  }
}

// Sizes ------------------------------------------------------------------------------------------------------------

ptrdiff_t runnel_packed_tile_bytes(enum runnel_packed type, ptrdiff_t columns) {
  if (type == RUNNEL_F32) return columns * ROWS * 4;
  if (type == RUNNEL_BF16) return (columns + 1) / 2 * ROWS * 4;
  ptrdiff_t blocks = block_count(columns);
  return (blocks + 1) / 2 * SCALES + blocks * block_bytes(type);
}

ptrdiff_t runnel_packed_vector_bytes(enum runnel_packed type, ptrdiff_t count, ptrdiff_t columns) {
  ptrdiff_t last = count % PANEL;
  return 4 * panel_length(type, columns) * (count - last + (last > 1 ? PANEL : last));
}

// bf16 -------------------------------------------------------------------------------------------------------------

// The nearest bf16 but never an infinity, ties to even.
INLINE uint16_t bf16(float x) {
  uint32_t b = bits_of_float(x);
  uint32_t rounded = (b + 0x7fff + (b >> 16 & 1)) >> 16;
  return (rounded & 0x7fff) == 0x7f80 ? rounded - 1 : rounded;
}
INLINE float float_of_bf16(uint16_t x) { return float_of_bits((uint32_t)x << 16); }
// The next bf16 of x >= 0, upwards.
INLINE uint16_t bf16_above(float x) { return (bits_of_float(x) + 0xffff) >> 16; }

// Quantisation of weights -------------------------------------------------------------------------------------------

// To the nearest integer, ties to even, for |x| < 2^51.
#define NEAREST(x) (((x) + 0x1.8p52) - 0x1.8p52)

// q = w / scale, to the nearest of low ... high; the sum of the squares of what is lost.
INLINE double quantise(const double *w, double scale, double low, double high, double *q) {
  double lost = 0;
  for (int k = 0; k < BLOCK; k++) {
    double x = w[k] / scale;
    x = x < low ? low : x;
    x = x > high ? high : x;
    q[k] = NEAREST(x);
    double d = w[k] - scale * q[k];
    lost += d * d;
  }
  return lost;
}

// For int8 the scale is the smallest bf16 with which the largest weight is at most 127, so an error is at most half of it.
INLINE uint16_t quantise8(const double *w, double largest, double *q) {
  uint16_t scale = bf16_above((float)(largest / 127));
  // Weights next to the largest float: dequantised, they must not be infinite.
  if (float_of_bf16(scale) > 0x1.fffffep127f / 127) scale--;
  quantise(w, float_of_bf16(scale), -127, 127, q);
  return scale;
}

// For int4, -8 ... 7 with a scale of either sign, the best of several in the sum of squares: large ones reach the largest
// weight, smaller ones cut it off and are finer for the others. Each is followed by that which suits its integers best.
INLINE uint16_t quantise4(const double *w, double largest, double *q) {
  double least = INFINITY, trial[BLOCK];
  uint16_t best = 0;
  for (int sign = -1; sign <= 1; sign += 2) {
    for (int step = 0; step < 10; step++) {
      double reach = 6 + 0.25 * step, scale = sign * largest / reach;
      for (int pass = 0; pass < 2; pass++) {
        uint16_t rounded = bf16((float)scale);
        // None that vanishes, nor one with which the largest integer is an infinity.
        if ((rounded & 0x7fff) == 0 || float_of_bf16(rounded & 0x7fff) > 0x1.fffffep124f) break;
        double lost = quantise(w, float_of_bf16(rounded), -8, 7, trial);
        if (lost < least) {
          least = lost, best = rounded;
          memcpy(q, trial, sizeof trial);
        }
        double wq = 0, qq = 0;
        for (int k = 0; k < BLOCK; k++) wq += w[k] * trial[k], qq += trial[k] * trial[k];
        if (!(qq > 0)) break;
        scale = wq / qq;
      }
    }
  }
  return best;
}

// Tiles ------------------------------------------------------------------------------------------------------------

// The byte of column k of a block in row r, and the place in it.
#define BYTE8(block, r, k) (block)[((k) / 4 * ROWS + (r)) * 4 + (k) % 4]
#define BYTE4(block, r, k) (block)[((k) / 8 * ROWS + (r)) * 4 + (k) % 4]
#define HALF4(k) ((k) / 4 % 2 * 4)

INLINE void pack_block(
    enum runnel_packed type, ptrdiff_t r, ptrdiff_t count, const float *w, uint16_t *scale, uint8_t *block) {
  double values[BLOCK] = {0}, q[BLOCK] = {0}, largest = 0;
  for (ptrdiff_t k = 0; k < count; k++) {
    values[k] = w[k];
    double size = w[k] < 0 ? -values[k] : values[k];
    largest = size > largest ? size : largest;
  }
  *scale = largest == 0 ? 0 : type == RUNNEL_INT8 ? quantise8(values, largest, q) : quantise4(values, largest, q);
  for (int k = 0; k < BLOCK; k++) {
    if (type == RUNNEL_INT8) BYTE8(block, r, k) = (uint8_t)((int)q[k] + 128);
    else BYTE4(block, r, k) |= (uint8_t)((int)q[k] + 8) << HALF4(k);
  }
}

LEAF(void, runnel_pack_tile,
    (enum runnel_packed type, ptrdiff_t rows, ptrdiff_t columns, const float *w, ptrdiff_t stride,
     void *tile),
    (type, rows, columns, w, stride, tile)) {
  memset(tile, 0, (size_t)runnel_packed_tile_bytes(type, columns));
  float *floats = tile;
  uint16_t *halves = tile;
  uint8_t *bytes = tile;
  if (type == RUNNEL_F32) {
    for (ptrdiff_t r = 0; r < rows; r++)
      for (ptrdiff_t k = 0; k < columns; k++) floats[k * ROWS + r] = w[r * stride + k];
    return;
  }
  if (type == RUNNEL_BF16) {
    for (ptrdiff_t r = 0; r < rows; r++)
      for (ptrdiff_t k = 0; k < columns; k++) halves[(k / 2 * ROWS + r) * 2 + k % 2] = bf16(w[r * stride + k]);
    return;
  }
  static const float zeros[BLOCK];
  for (ptrdiff_t b = 0; b < block_count(columns); b++) {
    ptrdiff_t k = b * BLOCK, count = columns - k < BLOCK ? columns - k : BLOCK;
    uint16_t *scales = (uint16_t *)(bytes + scale_offset(type, b));
    for (ptrdiff_t r = 0; r < ROWS; r++)
      pack_block(
          type, r, count, r < rows ? w + r * stride + k : zeros, scales + r, bytes + block_offset(type, b));
  }
}

LEAF(void, runnel_unpack_tile,
    (enum runnel_packed type, ptrdiff_t first, ptrdiff_t end, ptrdiff_t columns, const void *tile, float *w,
     ptrdiff_t stride),
    (type, first, end, columns, tile, w, stride)) {
  const float *floats = tile;
  const uint16_t *halves = tile;
  const uint8_t *bytes = tile;
  for (ptrdiff_t r = first; r < end; r++) {
    for (ptrdiff_t k = 0; k < columns; k++) {
      float *to = w + (r - first) * stride + k;
      if (type == RUNNEL_F32) {
        *to = floats[k * ROWS + r];
      } else if (type == RUNNEL_BF16) {
        *to = float_of_bf16(halves[(k / 2 * ROWS + r) * 2 + k % 2]);
      } else {
        ptrdiff_t b = k / BLOCK, i = k % BLOCK;
        const uint8_t *block = bytes + block_offset(type, b);
        int q = type == RUNNEL_INT8 ? BYTE8(block, r, i) - 128 : (BYTE4(block, r, i) >> HALF4(i) & 15) - 8;
        *to = (float)q * float_of_bf16(((const uint16_t *)(bytes + scale_offset(type, b)))[r]);
      }
    }
  }
}

// Vectors ----------------------------------------------------------------------------------------------------------

// q [BLOCK] = x / scale; the scale, and the sum of q.
INLINE float quantise_block(const float *x, int8_t *q, int32_t *total) {
  _Pragma("clang fp contract(off)");
  uint32_t largest = 0;
  for (int k = 0; k < BLOCK; k++) {
    uint32_t size = bits_of_float(x[k]) & 0x7fffffff;
    largest = size > largest ? size : largest;
  }
  // As bits, what is not finite is larger than any number.
  float reach = float_of_bits(largest);
  int usable = largest < 0x7f800000 && reach >= 1e-36f;
  float factor = usable ? 127.f / reach : 0;
  int32_t sum = 0;
  for (int k = 0; k < BLOCK; k++) {
    // Adding 1.5 * 2^23 rounds to the nearest integer, which then stands in the low bits.
    int32_t n = (int32_t)(bits_of_float((usable ? x[k] : 0) * factor + 12582912.f) - 0x4b400000u);
    q[k] = (int8_t)n, sum += n;
  }
  *total = sum;
  return usable ? reach / 127.f : largest < 0x7f800000 ? 0 : NAN;
}

// Four vectors side by side, to [columns 4]. A function of its own, because only parameters tell the compiler that `to`
// overlaps none of them.
INLINE void interleave(
    ptrdiff_t columns, const float *restrict a, const float *restrict b, const float *restrict c,
    const float *restrict d, float *restrict to) {
  for (ptrdiff_t k = 0; k < columns; k++) {
    to[PANEL * k] = a[k], to[PANEL * k + 1] = b[k];
    to[PANEL * k + 2] = c[k], to[PANEL * k + 3] = d[k];
  }
}

LEAF(void, runnel_pack_vectors,
    (enum runnel_packed type, ptrdiff_t count, ptrdiff_t columns, const float *x, void *panels),
    (type, count, columns, x, panels)) {
  float *to = panels;
  for (ptrdiff_t v = 0, width; v < count; v += width, to += width * panel_length(type, columns)) {
    width = panel_width(count - v);
    // A wide panel's vectors beyond the last repeat that one; their products are not stored.
    const float *rows[PANEL];
    for (ptrdiff_t j = 0; j < PANEL; j++) rows[j] = x + (v + j < count ? v + j : count - 1) * columns;
    if (type <= RUNNEL_BF16) {
      if (width == 1) memcpy(to, rows[0], (size_t)columns * sizeof(float));
      else interleave(columns, rows[0], rows[1], rows[2], rows[3], to);
      if (columns % 2) memset(to + columns * width, 0, (size_t)width * sizeof(float));
      continue;
    }
    for (ptrdiff_t j = 0; j < width; j++) {
      const float *from = rows[j];
      for (ptrdiff_t b = 0; b < block_count(columns); b++) {
        ptrdiff_t k = b * BLOCK, present = columns - k < BLOCK ? columns - k : BLOCK;
        float part[BLOCK] = {0};
        if (present < BLOCK) memcpy(part, from + k, (size_t)present * sizeof(float));
        int8_t q[BLOCK];
        int32_t total;
        float *block = to + b * (BLOCK / 4 + 2) * width;
        block[BLOCK / 4 * width + j] = quantise_block(present < BLOCK ? part : from + k, q, &total);
        for (int g = 0; g < BLOCK / 4; g++) memcpy(block + g * width + j, q + 4 * g, 4);
        memcpy(block + (BLOCK / 4 + 1) * width + j, &total, 4);
      }
    }
  }
}
