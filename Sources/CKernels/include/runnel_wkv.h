// RWKV-4's weighted mean of values over independent channels, on the scale of a running maximum.
//
// The sums are numerator a = A exp(-p) and denominator b = B exp(-p). k, v, y, dy, dk, dv: [steps] rows
// `stride` apart; w: the logarithm of the decay, u: the bonus, both [width].
#pragma once
#include <stddef.h>

// a, b, p [width]: in and out.
void runnel_wkv(
    ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, const float *k, const float *v, const float *w,
    const float *u, float *a, float *b, float *p, float *y);

// a, b, p before the first step; scratch [steps 3 width]. da, db: the gradients of the sums behind the last step in,
// before the first one out; dp: that of the exponent before it, written as dk and dv are. dw, du [width] are added to.
void runnel_wkv_backward(
    ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, const float *k, const float *v, const float *w, const float *u,
    const float *a, const float *b, const float *p, float *scratch, const float *dy, float *da, float *db, float *dp,
    float *dk, float *dv, float *dw, float *du);
