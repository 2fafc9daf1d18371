// HiPPO-LegS: c_t = (I + a A / t)^-1 ((I - (1 - a) A / t) c_{t-1} + B f_t / t), A and B those of scaled Legendre.
//
// A is lower triangular, of rank one below its diagonal, so the product and the solve are one running sum W:
//   W_0 = -f,  c'_n = c_n - ((n + 1) c_n + r_n W_n) / (t + a (n + 1)),  W_{n+1} = W_n + r_n (a c'_n + (1 - a) c_n)
// with r_n = sqrt(2n + 1). root [N] holds r; time is the t of the first sample.
#pragma once
#include <stddef.h>

// One signal in double. t grows by `advance` with every sample: 1, or 0 for the time-invariant system of step 1 / t.
void runnel_legs(
    ptrdiff_t steps, ptrdiff_t N, double time, double advance, double alpha, const double *root, const double *f,
    double *c);

// At most sixteen channels in the lanes, with y = C . c + D f. f, y: rows `stride` floats apart; C, c [N 16], D [16].
// scratch: 4 N floats.
void runnel_legs_scan(
    ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, float time, float alpha, const float *root,
    const float *f, const float *C, const float *D, float *c, float *y, float *scratch);

// The backward of one chunk: see runnel_selective_backward. scratch: (steps + 1) * 16 N + 4 steps N floats.
void runnel_legs_backward(
    ptrdiff_t steps, ptrdiff_t width, ptrdiff_t stride, ptrdiff_t N, float time, float alpha, const float *root,
    const float *f, const float *C, const float *D, const float *start, const float *dy, float *dstate, float *df,
    float *dC, float *dD, float *scratch);
