// A diagonal time-invariant system per channel (S4D): h_t = a h_{t-1} + u_t, y_t = 2 Re(c . h_t) + D u_t, complex a, c.
//
// u, y: rows of one batch row, rows `stride` floats apart; a, c, state [width 2 N]: N real parts, then N imaginary ones.
#pragma once
#include <stddef.h>

// Channel by channel, the states of one in the lanes: the definition, and the step of a stream.
void runnel_lti_step(
    ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, const float *u, const float *a,
    const float *c, const float *D, float *state, float *y);

// At most sixteen channels in the lanes. scratch: 3 * 32 N floats. starts: the state at the start of every chunk of
// RUNNEL_LTI_CHUNK tokens, 32 N floats each, for the backward; or NULL.
enum { RUNNEL_LTI_CHUNK = 16 };
void runnel_lti_scan(
    ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, const float *u, const float *a,
    const float *c, const float *D, float *state, float *y, float *scratch, float *starts);

// The backward of one chunk for at most sixteen channels: see runnel_selective_backward. dstate, da, dc [2 N 16] in
// lanes. scratch: (CHUNK + 3) * 32 N floats.
void runnel_lti_backward(
    ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, const float *u, const float *a,
    const float *c, const float *D, const float *start, const float *dy, float *dstate, float *du, float *da,
    float *dc, float *dD, float *scratch);
