// Passes over the logits of a vocabulary, to draw from. See README.md: not an API.
//
// Unlike elsewhere, every instruction set gives the same bits: nothing is contracted, and sums have one order.
#pragma once
#include <stddef.h>

enum { RUNNEL_SAMPLING_BLOCK = 64 };

// largest [ceil(n / 64)]: the largest logit of each block of 64; a NaN counts as -inf.
void runnel_block_maxima(ptrdiff_t n, const float *x, float *largest);
// 1 where all of x [n] are finite numbers, else 0.
int runnel_is_finite(ptrdiff_t n, const float *x);
// w [n] = exp((x - top) scale), but 0 where x < floor, where x is a NaN and below e^-87; returns their sum.
float runnel_sampling_weights(ptrdiff_t n, const float *x, float top, float scale, float floor, float *w);
// sums [ceil(n / 64)]: the same sums of every block of 64; blocks whose maximum lies below the floor are not looked at.
void runnel_block_weights(
    ptrdiff_t n, const float *x, const float *largest, float top, float scale, float floor, float *sums);
