// The weights of mixed chunk attention. See README.md: not an API.
//
// Rows of scores are `stride` floats apart. Row i is the token `first` + i of those that the columns stand
// for; column 0 starts a chunk, and no token sees a later one.
#pragma once
#include <stddef.h>

// All columns lie in one chunk: scores s become relu(s / chunk)^2, and zero where they are not seen.
void runnel_chunk_weights(
    ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, ptrdiff_t first, ptrdiff_t chunk, float *s);
// s becomes the weights, and the gradient of the weights in ds that of the scores.
void runnel_chunk_weights_backward(
    ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, ptrdiff_t first, ptrdiff_t chunk, float *s,
    float *ds);
// Columns of several chunks: in the token's own chunk as above, linear / chunk in earlier ones.
void runnel_chunk_mixed_weights(
    ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, ptrdiff_t first, ptrdiff_t chunk, float *s,
    const float *linear);
