// Products for one instruction set: included once for each. Before, it defines
//
//   NAME(f), TARGET      the name of a function at this level, and its instructions
//   MR, NV, ROW_CASES    a tile of c: rows, vectors of sixteen columns, and CASE(r) for each number of rows
//   KC, NC               units of k and columns of a block of b, which stays in the second cache
//   MULTIPLY_ADD(sum, a, b)
//   LOAD_PART(p, n), STORE_PART(p, x, n)     the first n <= 16 lanes
//
// A unit of k is 32 bits: one number, or two of bf16 where PAIRS is defined. A block of b is copied into panels [KC PANEL], which
// stay in the first cache, and met by one tile of a after the other.
#define PANEL (NV * LANES)
#define COPY_STRIDE (KC + LANES)
#define UNROLL _Pragma("clang loop unroll(full)")
#define EACH_ROW UNROLL for (int i = 0; i < rows; i++)
#define EACH_VECTOR UNROLL for (int j = 0; j < vectors; j++)

// What a tile is made of: k units of some rows of a and of a panel of b.
typedef struct {
  ptrdiff_t k;
  const float *a;
  ptrdiff_t a_row, a_column;
  const float *b;
  ptrdiff_t b_row;
  float alpha, beta;
  const float *bias;
  float *c;
  ptrdiff_t c_row;
  // Columns in the last vector.
  int last;
} NAME(tile);

TARGET INLINE void NAME(multiply)(const int rows, const int vectors, const NAME(tile) *tile) {
  // Every third row has a pointer: x86 adds once or twice a distance to an address by itself.
  const float *a[(MR + 2) / 3], *b = tile->b;
  const ptrdiff_t row = tile->a_row, column = tile->a_column, b_row = tile->b_row;
  v16 sums[MR * NV];
  EACH_ROW EACH_VECTOR sums[i * NV + j] = splat16(0.f);
  UNROLL for (int g = 0; g < (rows + 2) / 3; g++) a[g] = tile->a + 3 * g * row;
  for (ptrdiff_t k = tile->k; k > 0; k--) {
    v16 x[NV];
    EACH_VECTOR x[j] = load16(b + j * LANES);
    EACH_ROW {
      v16 w = splat16(a[i / 3][i % 3 * row]);
      EACH_VECTOR sums[i * NV + j] = MULTIPLY_ADD(sums[i * NV + j], w, x[j]);
    }
    UNROLL for (int g = 0; g < (rows + 2) / 3; g++) a[g] += column;
    b += b_row;
  }
  EACH_ROW EACH_VECTOR {
    float *c = tile->c + i * tile->c_row + j * LANES;
    const float *bias = tile->bias + j * LANES;
    v16 sum = sums[i * NV + j] * tile->alpha;
    if (j + 1 < vectors || tile->last == LANES) {
      if (tile->bias) sum += load16(bias);
      if (tile->beta != 0) sum += tile->beta * load16(c);
      store16(c, sum);
    } else {
      if (tile->bias) sum += LOAD_PART(bias, tile->last);
      if (tile->beta != 0) sum += tile->beta * LOAD_PART(c, tile->last);
      STORE_PART(c, sum, tile->last);
    }
  }
}

#define CASE(r)                                        \
  case r:                                              \
    if (vectors == NV) NAME(multiply)(r, NV, tile);    \
    else NAME(multiply)(r, 1, tile);                   \
    break;
TARGET static void NAME(multiply_rows)(int rows, int vectors, const NAME(tile) *tile) {
  switch (rows) { ROW_CASES }
}

#ifdef PAIRS
// Two numbers of each row from p on, rounded; zeros behind the last of `left`.
TARGET INLINE v16 NAME(neighbours)(const float *p, ptrdiff_t left) {
  v16 low = LOAD_PART(p, left < LANES ? left : LANES), high = splat16(0.f);
  if (left > LANES) high = left >= 2 * LANES ? load16(p + LANES) : LOAD_PART(p + LANES, left - LANES);
  return (v16)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
}
// Of sixteen columns of two rows; the second may be missing.
TARGET INLINE v16 NAME(pairs)(const float *p, ptrdiff_t row, int has_second, int width) {
  v16 first = width == LANES ? load16(p) : LOAD_PART(p, width), second = splat16(0.f);
  if (has_second) second = width == LANES ? load16(p + row) : LOAD_PART(p + row, width);
  static const uint16_t order[32] = {0,  16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                     8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return (v16)_mm512_permutexvar_epi16(
      _mm512_loadu_si512(order), (__m512i)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first));
}
#define UNITS(k) (((k) + 1) / 2)
#define NUMBERS(units) (2 * (units))
#define IN_PLACE(is_whole, m, k) 0
#else
#define UNITS(k) (k)
#define NUMBERS(units) (units)
// Whether b is met where it lies: few rows do not pay for a copy.
#define IN_PLACE(is_whole, m, k) ((is_whole) && (m) <= 64 && (k) <= 128)
#endif

// k numbers of n columns of b as panels, zeros behind the last column.
TARGET static void NAME(pack)(
    ptrdiff_t k, ptrdiff_t n, const float *b, ptrdiff_t b_row, ptrdiff_t b_column, float *panels) {
  ptrdiff_t units = UNITS(k);
  for (ptrdiff_t j = 0; j < n; j += LANES) {
    int width = n - j < LANES ? (int)(n - j) : LANES;
    float *to = panels + j / PANEL * PANEL * units + j % PANEL;
    const float *from = b + j * b_column;
    if (b_column == 1) {
#ifdef PAIRS
      for (ptrdiff_t u = 0; u < units; u++)
        store16(to + u * PANEL, NAME(pairs)(from + 2 * u * b_row, b_row, 2 * u + 1 < k, width));
#else
      for (ptrdiff_t u = 0; u < units; u++)
        store16(to + u * PANEL, width == LANES ? load16(from + u * b_row) : LOAD_PART(from + u * b_row, width));
#endif
      continue;
    }
    for (ptrdiff_t u = 0; u < units; u += LANES) {
      v16 rows[LANES];
      for (int r = 0; r < LANES; r++) {
        const float *p = from + r * b_column + NUMBERS(u);
        ptrdiff_t left = k - NUMBERS(u);
#ifdef PAIRS
        rows[r] = r < width ? NAME(neighbours)(p, left) : splat16(0.f);
#else
        rows[r] = r >= width ? splat16(0.f) : left >= LANES ? load16(p) : LOAD_PART(p, left);
#endif
      }
      TRANSPOSE16(rows);
      ptrdiff_t count = units - u < LANES ? units - u : LANES;
      for (ptrdiff_t r = 0; r < count; r++) store16(to + (u + r) * PANEL, rows[r]);
    }
  }
}

// Rows of a, k numbers of each, from where a tile can be multiplied: where they are, or a copy.
TARGET INLINE void NAME(take_rows)(
    NAME(tile) *tile, int rows, ptrdiff_t k, const float *a, ptrdiff_t a_row, ptrdiff_t a_column, float *copy) {
#ifdef PAIRS
  tile->a = copy;
  if (a_column == 1) {
    tile->a_row = COPY_STRIDE, tile->a_column = 1;
    for (int i = 0; i < rows; i++)
      for (ptrdiff_t u = 0; u < tile->k; u += LANES)
        store16(copy + i * COPY_STRIDE + u, NAME(neighbours)(a + i * a_row + 2 * u, k - 2 * u));
  } else {
    tile->a_row = 1, tile->a_column = LANES;
    for (ptrdiff_t u = 0; u < tile->k; u++)
      store16(copy + u * LANES, NAME(pairs)(a + 2 * u * a_column, a_column, 2 * u + 1 < k, rows));
  }
#else
  tile->a = a, tile->a_row = a_row, tile->a_column = a_column;
  // Rows a multiple of a page apart would have to share a few lines of the first cache; of columns so far apart a wide tile takes
  // whole lines, which do not have to stay.
  if (a_row % 1024 != 0 && (NV > 1 || a_column % 1024 != 0)) return;
  tile->a = copy;
  if (a_column == 1) {
    tile->a_row = COPY_STRIDE;
    for (int i = 0; i < rows; i++) memcpy(copy + i * COPY_STRIDE, a + i * a_row, (size_t)k * sizeof(float));
  } else {
    tile->a_column = LANES;
    for (ptrdiff_t s = 0; s < k; s++) STORE_PART(copy + s * LANES, LOAD_PART(a + s * a_column, rows), rows);
  }
#endif
}

_Static_assert(KC * NC * sizeof(float) <= RUNNEL_GEMM_ROOM && NC % PANEL == 0, "a block of b fits into the room");

TARGET static void NAME(gemm)(const struct runnel_gemm *product, float *panels) {
  struct runnel_gemm p = *product;
  float copy[(MR > LANES ? MR : LANES) * COPY_STRIDE] __attribute__((aligned(64)));
  ptrdiff_t tiles = (p.m + MR - 1) / MR, block = NUMBERS(KC);
  for (ptrdiff_t j0 = 0; j0 < p.n; j0 += NC)
    // A product of no numbers is zero.
    for (ptrdiff_t k0 = 0; k0 < p.k || k0 == 0; k0 += block) {
      ptrdiff_t k = p.k - k0 < block ? p.k - k0 : block, n = p.n - j0 < NC ? p.n - j0 : NC, units = UNITS(k);
      const float *b = p.b + k0 * p.b_row + j0 * p.b_column;
      NAME(tile) tile = {
          .k = units, .b_row = PANEL, .alpha = p.alpha, .beta = k0 > 0 ? 1 : p.beta, .c_row = p.c_row};
      ptrdiff_t next = PANEL * units;
      if (IN_PLACE(p.b_column == 1 && n % LANES == 0, p.m, k)) tile.b_row = p.b_row, next = PANEL;
      else NAME(pack)(k, n, b, p.b_row, p.b_column, panels), b = panels;
      for (ptrdiff_t t = 0; t < tiles; t++) {
        // Of almost equal height, so that none is too low to be fast.
        ptrdiff_t first = p.m * t / tiles, rows = p.m * (t + 1) / tiles - first;
        NAME(take_rows)(&tile, (int)rows, k, p.a + first * p.a_row + k0 * p.a_column, p.a_row, p.a_column, copy);
        // The rows of the next tile are more streams than a processor foresees.
        ptrdiff_t coming = p.a_column == 1 && t + 1 < tiles ? p.m * (t + 2) / tiles - first - rows : 0;
        const float *next_rows = p.a + (first + rows) * p.a_row + k0;
        for (ptrdiff_t j = 0; j < n; j += PANEL) {
          ptrdiff_t panels_left = (n - j + PANEL - 1) / PANEL;
          for (ptrdiff_t i = (coming + panels_left - 1) / panels_left; i > 0; i--, coming--, next_rows += p.a_row)
            for (ptrdiff_t s = 0; s < k; s += LANES) __builtin_prefetch(next_rows + s);
          ptrdiff_t width = n - j < PANEL ? n - j : PANEL;
          int vectors = (int)((width + LANES - 1) / LANES);
          tile.last = (int)(width - (vectors - 1) * LANES);
          tile.b = b + j / PANEL * next;
          tile.bias = p.bias && k0 == 0 ? p.bias + j0 + j : NULL;
          tile.c = p.c + first * p.c_row + j0 + j;
          NAME(multiply_rows)((int)rows, vectors, &tile);
        }
      }
    }
}

#undef PANEL
#undef COPY_STRIDE
#undef UNROLL
#undef EACH_ROW
#undef EACH_VECTOR
#undef CASE
#undef UNITS
#undef NUMBERS
#undef IN_PLACE
#undef NAME
#undef TARGET
#undef MR
#undef NV
#undef ROW_CASES
#undef KC
#undef NC
#undef MULTIPLY_ADD
#undef LOAD_PART
#undef STORE_PART
#undef PAIRS
