// Products of matrices in memory, on one thread, with kernels of our own where there are some for the level.
#pragma once
#include <stddef.h>

// c [m n] = alpha a [m k] b [k n] + beta c, which is not read where beta is 0, plus a bias [n] on every row where there is one.
// Of the distances between rows and between columns of a, and of b, one is 1; in c columns are neighbours.
//
// An element is summed in the order of k, in blocks whose size depends on the level alone: a row of c has the same bits however
// many rows there are, and a column however many columns.
struct runnel_gemm {
  ptrdiff_t m, n, k;
  float alpha, beta;
  const float *a;
  ptrdiff_t a_row, a_column;
  const float *b;
  ptrdiff_t b_row, b_column;
  const float *bias;
  float *c;
  ptrdiff_t c_row;
};

// What a product needs to work in, aligned to 64 bytes; its contents mean nothing before and after.
enum { RUNNEL_GEMM_ROOM = 1 << 18 };

// Whether the level has kernels, and those for bf16; the products of each are called where it has.
int runnel_has_gemm(void);
int runnel_has_gemm_bf16(void);

void runnel_gemm(const struct runnel_gemm *product, void *room);
// The same of numbers rounded to bf16, with sums in single precision.
void runnel_gemm_bf16(const struct runnel_gemm *product, void *room);
