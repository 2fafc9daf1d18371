// The gates of diagonal recurrences h = a h + b, fused with what they scale. See README.md: not an API.
#pragma once
#include <stddef.h>

// minGRU: a = 1 - sigmoid(gate), b = sigmoid(gate) g(x) with g(x) = x + 1/2 for x >= 0, else sigmoid(x).
void runnel_min_gru(ptrdiff_t n, const float *gate, const float *x, float *a, float *b);
void runnel_min_gru_backward(
    ptrdiff_t n, const float *gate, const float *x, const float *da, const float *db, float *dgate,
    float *dx);

// RG-LRU, for rows [width] with one rate s >= 0 per channel: log a = -s sigmoid(r), b = m sigmoid(i) x with
// m = sqrt(1 - a^2), or m = 1 in a row whose `first` is not zero. Gradients of s are added to what ds holds.
void runnel_rg_lru(
    ptrdiff_t rows, ptrdiff_t width, const float *first, const float *s, const float *r, const float *i,
    const float *x, float *a, float *b);
void runnel_rg_lru_backward(
    ptrdiff_t rows, ptrdiff_t width, const float *first, const float *s, const float *r, const float *i,
    const float *x, const float *da, const float *db, float *ds, float *dr, float *di, float *dx);
