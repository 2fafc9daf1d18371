// Softmax attention over a window of tokens. See README.md: not an API.
//
// Rows of scores are `stride` floats apart; row i sees the columns from max(0, first + i - window + 1) to
// first + i.
#pragma once
#include <stddef.h>

// Each row becomes the softmax of what it sees, and zero elsewhere.
void runnel_window_softmax(
    ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, ptrdiff_t first, ptrdiff_t window, float *scores);
// dp, the gradient of the softmax p, becomes `scale` times that of the scores: p (dp - sum p dp).
void runnel_window_softmax_backward(
    ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, float scale, const float *p, float *dp);
// y [V] of one query q [K] over `count` slots, whose keys are k_stride floats apart and values v_stride;
// scores [count] is scratch.
void runnel_window_step(
    ptrdiff_t count, ptrdiff_t K, ptrdiff_t V, ptrdiff_t k_stride, ptrdiff_t v_stride, float scale,
    const float *q, const float *keys, const float *values, float *scores, float *y);
