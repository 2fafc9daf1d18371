// A diagonal plus rank one time-invariant system per channel (S4), complex with the conjugate half of the
// states left out: h_t = d h_{t-1} + r 2 Re(w . h_{t-1}) + b u_t, y_t = 2 Re(c . h_t) + D u_t.
//
// u, y: rows of one batch row, rows `stride` floats apart; system [width 5 2N]: d, r, w, b, c, each N real
// parts, then N imaginary ones; state [width 2N].
#pragma once
#include <stddef.h>

// Channel by channel, the states of one in the lanes: the definition, and the step of a stream.
void runnel_low_rank_step(
    ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, const float *u, const float *system,
    const float *D, float *state, float *y);

// At most sixteen channels in the lanes. scratch: 6 * 32 N floats. starts: the state at the start of every
// chunk of RUNNEL_LOW_RANK_CHUNK tokens, 32 N floats each, for the backward; or NULL.
enum { RUNNEL_LOW_RANK_CHUNK = 16 };
void runnel_low_rank_scan(
    ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, const float *u, const float *system,
    const float *D, float *state, float *y, float *scratch, float *starts);

// The backward of one chunk for at most sixteen channels: see runnel_selective_backward. system [5 2N 16] and
// start, dstate [2N 16] in lanes; dsystem [5 2N 16] in lanes and dD [16] or NULL are added to. scratch:
// (CHUNK + 1) * 32 N + CHUNK * 16 floats.
void runnel_low_rank_backward(
    ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, const float *u, const float *system,
    const float *D, const float *start, const float *dy, float *dstate, float *du, float *dsystem, float *dD,
    float *scratch);
