// Normalisation of rows. See README.md: not an API.
//
// A row holds groups x width elements; each group is normalised by itself. x, y, gate, dy, dx, dgate are
// [rows groups width]; scale, bias and their gradients [groups width]. Gradients of scale and bias are added to what
// the array holds, so that a caller can sum over blocks of rows.
#pragma once
#include <stddef.h>

// y = x scale / sqrt(mean(x^2) + epsilon).
void runnel_rms_norm(
    ptrdiff_t rows, ptrdiff_t groups, ptrdiff_t width, float epsilon, const float *x, const float *scale, float *y);
void runnel_rms_norm_backward(
    ptrdiff_t rows, ptrdiff_t groups, ptrdiff_t width, float epsilon, const float *x, const float *scale,
    const float *dy, float *dx, float *dscale);

// y = (x - mean(x)) scale / sqrt(variance(x) + epsilon) + bias.
void runnel_layer_norm(
    ptrdiff_t rows, ptrdiff_t groups, ptrdiff_t width, float epsilon, const float *x, const float *scale,
    const float *bias, float *y);
void runnel_layer_norm_backward(
    ptrdiff_t rows, ptrdiff_t groups, ptrdiff_t width, float epsilon, const float *x, const float *scale,
    const float *dy, float *dx, float *dscale, float *dbias);

// With norm_first, y = rms_norm(x) silu(gate), else y = rms_norm(x silu(gate)).
void runnel_gated_rms_norm(
    int norm_first, ptrdiff_t rows, ptrdiff_t groups, ptrdiff_t width, float epsilon, const float *x,
    const float *gate, const float *scale, float *y);
void runnel_gated_rms_norm_backward(
    int norm_first, ptrdiff_t rows, ptrdiff_t groups, ptrdiff_t width, float epsilon, const float *x,
    const float *gate, const float *scale, const float *dy, float *dx, float *dgate, float *dscale);
