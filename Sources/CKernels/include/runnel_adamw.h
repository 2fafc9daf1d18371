// The update of AdamW in one pass over its four arrays. See README.md: not an API.
#pragma once
#include <stddef.h>

// With g' = gradient_scale g: m = beta1 m + (1 - beta1) g', v = beta2 v + (1 - beta2) g'^2, then
// w = (1 - lr weight_decay) w - lr (m / correction1) / (sqrt(v / correction2) + eps). A correction is 1 - beta^step.
// Scalars are double, since 1 - beta loses most of its digits in float.
void runnel_adamw(
    ptrdiff_t n, float *w, const float *g, float *m, float *v, double lr, double beta1, double beta2, double eps,
    double weight_decay, double correction1, double correction2, double gradient_scale);
