// Rotation of pairs of features by the angles of their position. See README.md: not an API.
#pragma once
#include <stddef.h>

// x, y [rows heads 2 half]; cosines and sines in angles [rows 2 half], the cosines first. A pair is (2 i, 2 i + 1) if
// interleaved, else (i, half + i); sign is 1, or -1 for the inverse rotation.
void runnel_rotate(
    int interleaved, float sign, ptrdiff_t rows, ptrdiff_t heads, ptrdiff_t half, const float *angles,
    const float *x, float *y);
