// RWKV-4's weighted mean of values over independent channels, on the scale of a running maximum.
//
// A memory is [3 BLOCK]: for at most BLOCK channels the numerator a = A exp(-p), the denominator b = B exp(-p), and p.
// k, v, y, dy, dk, dv: [steps] rows `stride` apart; w: the logarithm of the decay, u: the bonus, both [width].
#pragma once
#include <stddef.h>

enum { RUNNEL_WKV_BLOCK = 64 };

void runnel_wkv(
    ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, const float *k, const float *v, const float *w,
    const float *u, float *memory, float *y);

// start: the memory before the first step; scratch [steps 3 BLOCK]. dmemory: the gradients of the sums behind the last
// step in, of the memory before the first one out. dk, dv are written, dw, du [width] added to.
void runnel_wkv_backward(
    ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, const float *k, const float *v, const float *w,
    const float *u, const float *start, float *scratch, const float *dy, float *dmemory, float *dk, float *dv,
    float *dw, float *du);
