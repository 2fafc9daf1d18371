// The gates of diagonal recurrences h = a h + b, fused with what they scale. See README.md: not an API.
#pragma once
#include <stddef.h>

// minGRU: a = 1 - sigmoid(gate), b = sigmoid(gate) g(x) with g(x) = x + 1/2 for x >= 0, else sigmoid(x).
void runnel_min_gru(ptrdiff_t n, const float *gate, const float *x, float *a, float *b);
void runnel_min_gru_backward(
    ptrdiff_t n, const float *gate, const float *x, const float *da, const float *db, float *dgate,
    float *dx);

// The decay of a head in Mamba-2, for rows [width] with one A per head: y = log a = -exp(A) softplus(z), at least -100.
// Gradients of A are added to what dA holds.
void runnel_log_decay(ptrdiff_t rows, ptrdiff_t width, const float *A, const float *z, float *y);
void runnel_log_decay_backward(
    ptrdiff_t rows, ptrdiff_t width, const float *A, const float *z, const float *y, const float *dy, float *dA,
    float *dz);

// RG-LRU, for rows [width] with one rate s >= 0 per channel: log a = -s sigmoid(r), b = m sigmoid(i) x with
// m = sqrt(1 - a^2), or m = 1 in a row whose `first` is not zero. Gradients of s are added to what ds holds.
void runnel_rg_lru(
    ptrdiff_t rows, ptrdiff_t width, const float *first, const float *s, const float *r, const float *i,
    const float *x, float *a, float *b);
void runnel_rg_lru_backward(
    ptrdiff_t rows, ptrdiff_t width, const float *first, const float *s, const float *r, const float *i,
    const float *x, const float *da, const float *db, float *ds, float *dr, float *di, float *dx);
