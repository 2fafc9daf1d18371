// A time-invariant system per channel, complex with the conjugate half of the states left out: diagonal (S4D), or diagonal
// plus rank one (S4): h_t = d h_{t-1} + r 2 Re(w . h_{t-1}) + b u_t, y_t = 2 Re(c . h_t) + D u_t.
#pragma once
#include <stddef.h>

// Each N real parts, then N imaginary ones. Where r is NULL the system is diagonal: b is one, and w and b are not read.
struct runnel_system {
  ptrdiff_t N;
  float *d, *r, *w, *b, *c, *D;
};

// u, y: rows of one batch row, rows `stride` floats apart.
//
// Channel by channel, for a stream: each of d to c of the next channel is `row` floats on; state [width 2N]. D may be NULL.
void runnel_system_step(
    ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t row, const struct runnel_system *system, const float *u,
    float *state, float *y);

// At most sixteen channels in the lanes: d to c and the state [2N 16], D [16].
void runnel_system_scan(
    ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, const struct runnel_system *system, const float *u, float *state,
    float *y);

// The backward of one chunk: see runnel_selective_backward. scratch: (steps + 1) * 32 N + steps * 16 floats.
void runnel_system_backward(
    ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, const struct runnel_system *system,
    const struct runnel_system *gradients, const float *u, const float *start, const float *dy, float *dstate, float *du,
    float *scratch);
