// Mamba's selective scan, fused: h_t = exp(delta_t A) h_{t-1} + delta_t u_t B_t, y_t = C_t h_t + D u_t.
//
// u, delta, y: rows of one batch row, `width` channels, rows `stride` floats apart; A [width N]; B, C [steps N];
// D [width] or NULL; state [width N], in and out.
#pragma once
#include <stddef.h>

// Channel by channel, for a stream: the N states of one are in the lanes.
void runnel_selective_step(
    ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, const float *u, const float *delta,
    const float *A, const float *B, const float *C, const float *D, float *state, float *y);

// The same for one token, with what stands around it in Mamba: delta = softplus(raw + bias), and y is gated by silu(gate).
// u, raw, bias, gate, y [width].
void runnel_selective_gated_step(
    ptrdiff_t width, ptrdiff_t N, const float *u, const float *raw, const float *bias, const float *A,
    const float *B, const float *C, const float *D, const float *gate, float *state, float *y);

// At most sixteen channels in the lanes; A, state [N 16] and D [16] are in lanes, too.
void runnel_selective_scan(
    ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, const float *u, const float *delta,
    const float *A, const float *B, const float *C, const float *D, float *state, float *y);

// The backward of one chunk for at most sixteen channels.
// start [N 16]: the state before the chunk. dstate: gradient of the state after the chunk in, before it out. du, ddelta
// written; dA [N 16] and dD [16] added to; dB_lanes, dC_lanes [steps N 16]: added to, still to be summed over the lanes.
// scratch: (2 steps + 1) * 16 N floats.
void runnel_selective_backward(
    ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, const float *u, const float *delta,
    const float *A, const float *B, const float *C, const float *D, const float *start, const float *dy,
    float *dstate, float *du, float *ddelta, float *dA, float *dD, float *dB_lanes, float *dC_lanes,
    float *scratch);

// Between [width N] and [N 16] with the channels in the lanes; missing lanes are zero.
void runnel_to_lanes(ptrdiff_t width, ptrdiff_t N, const float *x, float *lanes);
void runnel_from_lanes(ptrdiff_t width, ptrdiff_t N, const float *lanes, float *x);
// x [n] = sums of n vectors of sixteen lanes.
void runnel_sum_lanes(ptrdiff_t n, const float *lanes, float *x);
