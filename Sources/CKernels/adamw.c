// The update of AdamW in one pass over its four arrays.
#include "runnel_adamw.h"
#include "vector.h"

LEAF(void, runnel_adamw,
    (ptrdiff_t n, float *restrict w, const float *restrict g, float *restrict m, float *restrict v, double lr,
     double beta1, double beta2, double eps, double weight_decay, double correction1, double correction2,
     double gradient_scale),
    (n, w, g, m, v, lr, beta1, beta2, eps, weight_decay, correction1, correction2, gradient_scale)) {
  float b1 = (float)beta1, rest1 = (float)(1 - beta1), b2 = (float)beta2, rest2 = (float)(1 - beta2);
  float keep = (float)(1 - lr * weight_decay), rate = (float)(lr / correction1);
  float inverse2 = (float)(1 / correction2), e = (float)eps, scale = (float)gradient_scale;
  for (ptrdiff_t i = 0; i < n; i++) {
    float gradient = scale * g[i];
    float first = b1 * m[i] + rest1 * gradient;
    float second = b2 * v[i] + rest2 * (gradient * gradient);
    m[i] = first;
    v[i] = second;
    w[i] = keep * w[i] - rate * first / (__builtin_elementwise_sqrt(second * inverse2) + e);
  }
}
