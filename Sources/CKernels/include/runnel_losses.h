// Softmax cross-entropy by rows of logits. See README.md: not an API.
#pragma once
#include <stddef.h>
#include <stdint.h>

// The largest of n logits, and the sum of exp(x - largest) in *sum; n > 0.
float runnel_max_and_sum_of_exp(ptrdiff_t n, const float *x, float *sum);
// dx = a exp(x - log_sum), and then dx[target] -= a. dx may be x.
void runnel_cross_entropy_backward(
    ptrdiff_t n, const float *x, float log_sum, ptrdiff_t target, float a, float *dx);
