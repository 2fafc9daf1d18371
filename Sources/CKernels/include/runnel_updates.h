// The updates of optimisers, each in one pass over its arrays. See README.md: not an API. Scalars are double, since 1 - beta
// loses most of its digits in float. Everywhere g' = gradient_scale g.
#pragma once
#include <stddef.h>

// With g'' = g' + coupled_decay w: m = beta1 m + (1 - beta1) g'', v = beta2 v + (1 - beta2) g''^2, then
// w = (1 - lr weight_decay) w - lr (m / correction1) / (sqrt(v / correction2) + eps). A correction is 1 - beta^step.
void runnel_adam(
    ptrdiff_t n, float *w, const float *g, float *m, float *v, double lr, double beta1, double beta2, double eps,
    double weight_decay, double coupled_decay, double correction1, double correction2, double gradient_scale);

// With g'' = g' + coupled_decay w: m = momentum m + g'', then w = w - lr m, or w - lr (g'' + momentum m) with Nesterov's
// momentum. Without momentum m is null, and w = w - lr g''.
void runnel_sgd(
    ptrdiff_t n, float *w, const float *g, float *m, double lr, double momentum, int is_nesterov, double coupled_decay,
    double gradient_scale);

// w = (1 - lr weight_decay) w - lr sign(beta1 m + (1 - beta1) g'), then m = beta2 m + (1 - beta2) g'.
void runnel_lion(
    ptrdiff_t n, float *w, const float *g, float *m, double lr, double beta1, double beta2, double weight_decay,
    double gradient_scale);

// m = momentum m + (1 - momentum) g', then u = momentum m + (1 - momentum) g'.
void runnel_nesterov(ptrdiff_t n, const float *g, float *m, float *u, double momentum, double gradient_scale);

// w = keep w - rate u.
void runnel_move(ptrdiff_t n, float *w, const float *u, double keep, double rate);

// a = a + share (x - a).
void runnel_approach(ptrdiff_t n, float *a, const float *x, double share);
