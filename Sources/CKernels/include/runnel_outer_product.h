// The outer-product recurrence of one head: S_t = w_t S_{t-1} + k_t' v_t, y_t = q_t S_t, with scalar decays
// w_t in (0, 1].
//
// q, k: rows of K floats; v, y: rows of V floats; S [K V]. Rows of one head lie a stride of floats apart.
// Decays are given by their logarithms; a decay below exp(-87) counts as zero.
#pragma once
#include <stddef.h>

// Token by token: the definition. log_decay: one number every decay_stride floats (0: a constant), or NULL.
void runnel_outer_step(
    ptrdiff_t steps, ptrdiff_t K, ptrdiff_t V, ptrdiff_t qk_stride, ptrdiff_t v_stride,
    ptrdiff_t decay_stride, const float *q, const float *k, const float *v, const float *log_decay,
    float *state, float *y);

// One token back. before, after [K V]: the state around it. dstate: gradient of `after` from later tokens in,
// of `before` out. dq, dk [K] and dv [V] are added to. Returns the gradient of the log decay.
float runnel_outer_step_backward(
    ptrdiff_t K, ptrdiff_t V, const float *q, const float *k, const float *v, const float *log_decay,
    const float *before, const float *after, const float *dy, float *dstate, float *dq, float *dk, float *dv);

// G_t, the inclusive sums of a chunk's log decays, as hi + lo: single floats would lose small decays that
// follow strong ones. from_start = exp(G_t), to_end = exp(G_last - G_t). All four hold `n` rounded up to
// sixteen.
void runnel_outer_cumulate(
    ptrdiff_t n, ptrdiff_t stride, const float *log_decay, float *hi, float *lo, float *from_start,
    float *to_end);
// D [rows d_stride]: row r belongs to token t = first + r; exp(G_t - G_s) for s <= t, else 0. d_stride: a
// multiple of sixteen, at least first + rows.
void runnel_outer_decays(
    ptrdiff_t rows, ptrdiff_t first, ptrdiff_t d_stride, const float *hi, const float *lo, float *D);

// P = A D, element by element. A, P [rows stride]; D has its own stride, which is -1 for a table of powers.
void runnel_outer_mask(
    ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, ptrdiff_t d_stride, const float *A, const float *D,
    float *P);
// From dP: P = A D again (or P is NULL), and dA = dP D, added to what is there if `add`. column_sums and dlog
// (or both NULL): with M = A D dP, column_sums[s] is added the sum of M_ts over the rows, from the last to
// the first, and dlog[t] is set to the sum of column_sums[s] over s < t as it stands after row t.
void runnel_outer_mask_backward(
    ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t first, ptrdiff_t stride, ptrdiff_t d_stride, int add,
    const float *A, const float *D, const float *dP, float *P, float *dA, float *column_sums, float *dlog);

// y [n width] = rows of x, each times its scale.
void runnel_outer_scale_rows(
    ptrdiff_t n, ptrdiff_t width, ptrdiff_t stride, const float *scale, const float *x, float *y);
// dx = (or += if `add`) rows of g [n width], each times its scale (1 if NULL); dots[t] = <x_t, the scaled
// g_t>. dx and dots may be NULL.
void runnel_outer_add_rows(
    ptrdiff_t n, ptrdiff_t width, ptrdiff_t stride, int add, const float *scale, const float *g,
    const float *x, float *dx, float *dots);

// y [columns rows] = x' of x [rows columns], rows of each a stride of floats apart.
void runnel_outer_transpose(
    ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t x_stride, ptrdiff_t y_stride, const float *x, float *y);
