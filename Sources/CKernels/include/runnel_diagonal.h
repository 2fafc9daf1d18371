// Diagonal recurrences h_t = a_t h_{t-1} + b_t over independent channels, real and complex.
#pragma once
#include <stddef.h>

// One row of a batch over `steps` tokens and the channels of one stretch. Complex rows are `width` real parts followed,
// `plane` floats later, by the imaginary ones, which states have on their own; `plane` is zero for real channels.
// a: per token [steps stride], or one row [width] where `a_stride` is 0; b, h: [steps] rows `stride` apart; state: in and
// out.
void runnel_diagonal(
    ptrdiff_t steps, ptrdiff_t width, ptrdiff_t plane, ptrdiff_t stride, ptrdiff_t a_stride, const float *a,
    const float *b, float *state, float *state_im, float *h);

// dh: gradient of every h_t; dstate: gradient of the final state in, of the initial state out. h as computed. db [steps]
// rows, written; da: per token written, or one row that is added to.
void runnel_diagonal_backward(
    ptrdiff_t steps, ptrdiff_t width, ptrdiff_t plane, ptrdiff_t stride, ptrdiff_t a_stride, const float *a,
    const float *h, const float *initial, const float *initial_im, const float *dh, float *dstate, float *dstate_im,
    float *db, float *da);

// One level of the associative scan over [steps] rows: (a, b)_t = (a, b)_t after (a, b)_{t - distance}, that is
// b'_t = b_t + a_t b_{t - distance}, a'_t = a_t a_{t - distance}; rows before `distance` are copied. A row is `width` reals
// (plane = 0), or `width` real parts and, `plane` floats later, the imaginary ones.
void runnel_diagonal_level(
    ptrdiff_t steps, ptrdiff_t distance, ptrdiff_t width, ptrdiff_t plane, const float *a,
    const float *b, float *a_next, float *b_next);
