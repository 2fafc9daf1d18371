// Feature maps of linear attention, row by row of `width` floats. See README.md: not an API.
#pragma once
#include <stddef.h>

// y = softmax(x); dx from y and dy.
void runnel_softmax_rows(ptrdiff_t rows, ptrdiff_t width, const float *x, float *y);
void runnel_softmax_rows_backward(
    ptrdiff_t rows, ptrdiff_t width, const float *y, const float *dy, float *dx);

// Rows of 1 + width + width (width + 1) / 2 features whose products are 1 + s + s^2 / 2 for s = a x1 . a x2:
// one; a x_i; and for i <= j the product a^2 x_i x_j, those with i = j over the root of two.
void runnel_taylor_features(ptrdiff_t rows, ptrdiff_t width, float a, const float *x, float *y);
void runnel_taylor_features_backward(
    ptrdiff_t rows, ptrdiff_t width, float a, const float *x, const float *dy, float *dx);
