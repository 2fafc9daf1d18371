// Rows combined with one vector, or with one number each. See README.md: not an API.
//
// x, y, z and their gradients are [rows width], v is [width], n is [rows]. Gradients of v are added to what the array
// holds, so that a caller can sum over blocks of rows.
#pragma once
#include <stddef.h>

// y = x v; y = x + v; z = y + x v; z = x + (y - x) v; y = x / n.
void runnel_scale_rows(ptrdiff_t rows, ptrdiff_t width, const float *x, const float *v, float *y);
void runnel_shift_rows(ptrdiff_t rows, ptrdiff_t width, const float *x, const float *v, float *y);
void runnel_skip_rows(
    ptrdiff_t rows, ptrdiff_t width, const float *y, const float *x, const float *v, float *z);
void runnel_mix_rows(
    ptrdiff_t rows, ptrdiff_t width, const float *x, const float *y, const float *v, float *z);
void runnel_divide_rows(ptrdiff_t rows, ptrdiff_t width, const float *x, const float *n, float *y);

// dx = dy v and dv += dy x, which is also what the skip needs.
void runnel_scale_rows_backward(
    ptrdiff_t rows, ptrdiff_t width, const float *x, const float *v, const float *dy, float *dx, float *dv);
void runnel_mix_rows_backward(
    ptrdiff_t rows, ptrdiff_t width, const float *x, const float *y, const float *v, const float *dz, float *dx,
    float *dy, float *dv);
void runnel_divide_rows_backward(
    ptrdiff_t rows, ptrdiff_t width, const float *x, const float *n, const float *dy, float *dx, float *dn);

double runnel_sum(ptrdiff_t n, const float *x);

// y [columns rows] = x' of x [rows columns], rows of each a stride of floats apart.
void runnel_transpose(
    ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t x_stride, ptrdiff_t y_stride, const float *x, float *y);
