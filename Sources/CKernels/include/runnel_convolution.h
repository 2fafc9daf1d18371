// Short causal convolutions, one filter per channel. See README.md: not an API.
#pragma once
#include <stddef.h>
#include "runnel_kernels.h"

// y [n width], y_t = f(bias + sum over k of weight[k] rows[t + k]): rows are n + taps - 1 pointers to [width], so that
// windows, zeros and a segment need not lie in one piece; weight is [taps width]. The rows are never y.
void runnel_causal_convolution(
    enum runnel_activation f, ptrdiff_t n, ptrdiff_t width, ptrdiff_t taps, const float *const *rows,
    const float *weight, const float *bias, float *y);
// dp [n width] = dy f'(p) with p what f was applied to; the gradients of weight and bias are added to. With the
// identity, dp is not written.
void runnel_causal_convolution_backward(
    enum runnel_activation f, ptrdiff_t n, ptrdiff_t width, ptrdiff_t taps, const float *const *rows,
    const float *weight, const float *bias, const float *dy, float *dp, float *dweight, float *dbias);
// One token: y [width] from the window [taps - 1, width] and x, which then moves into the window. The weight is
// [width taps], as it is stored.
void runnel_causal_convolution_step(
    enum runnel_activation f, ptrdiff_t width, ptrdiff_t taps, const float *weight, const float *bias,
    const float *x, float *window, float *y);
