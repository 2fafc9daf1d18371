// The updates of optimisers, each in one pass over its arrays.
#include "runnel_updates.h"
#include "vector.h"

LEAF(void, runnel_adam,
    (ptrdiff_t n, float *restrict w, const float *restrict g, float *restrict m, float *restrict v, double lr,
     double beta1, double beta2, double eps, double weight_decay, double coupled_decay, double correction1,
     double correction2, double gradient_scale),
    (n, w, g, m, v, lr, beta1, beta2, eps, weight_decay, coupled_decay, correction1, correction2, gradient_scale)) {
  float b1 = (float)beta1, rest1 = (float)(1 - beta1), b2 = (float)beta2, rest2 = (float)(1 - beta2);
  float keep = (float)(1 - lr * weight_decay), rate = (float)(lr / correction1);
  float inverse2 = (float)(1 / correction2), e = (float)eps, scale = (float)gradient_scale;
  float coupled = (float)coupled_decay;
  for (ptrdiff_t i = 0; i < n; i++) {
    float gradient = scale * g[i] + coupled * w[i];
    float first = b1 * m[i] + rest1 * gradient;
    float second = b2 * v[i] + rest2 * (gradient * gradient);
    m[i] = first;
    v[i] = second;
    w[i] = keep * w[i] - rate * first / (__builtin_elementwise_sqrt(second * inverse2) + e);
  }
}

LEAF(void, runnel_sgd,
    (ptrdiff_t n, float *restrict w, const float *restrict g, float *restrict m, double lr, double momentum,
     int is_nesterov, double coupled_decay, double gradient_scale),
    (n, w, g, m, lr, momentum, is_nesterov, coupled_decay, gradient_scale)) {
  float rate = (float)lr, mu = (float)momentum, coupled = (float)coupled_decay, scale = (float)gradient_scale;
  if (!m) {
    for (ptrdiff_t i = 0; i < n; i++) w[i] -= rate * (scale * g[i] + coupled * w[i]);
    return;
  }
  float of_gradient = is_nesterov ? 1 : 0, of_velocity = is_nesterov ? mu : 1;
  for (ptrdiff_t i = 0; i < n; i++) {
    float gradient = scale * g[i] + coupled * w[i], velocity = mu * m[i] + gradient;
    m[i] = velocity;
    w[i] -= rate * (of_gradient * gradient + of_velocity * velocity);
  }
}

LEAF(void, runnel_lion,
    (ptrdiff_t n, float *restrict w, const float *restrict g, float *restrict m, double lr, double beta1, double beta2,
     double weight_decay, double gradient_scale),
    (n, w, g, m, lr, beta1, beta2, weight_decay, gradient_scale)) {
  float b1 = (float)beta1, rest1 = (float)(1 - beta1), b2 = (float)beta2, rest2 = (float)(1 - beta2);
  float keep = (float)(1 - lr * weight_decay), rate = (float)lr, scale = (float)gradient_scale;
  for (ptrdiff_t i = 0; i < n; i++) {
    float gradient = scale * g[i], mixed = b1 * m[i] + rest1 * gradient;
    w[i] = keep * w[i] - rate * (float)((mixed > 0) - (mixed < 0));
    m[i] = b2 * m[i] + rest2 * gradient;
  }
}

LEAF(void, runnel_nesterov,
    (ptrdiff_t n, const float *restrict g, float *restrict m, float *restrict u, double momentum,
     double gradient_scale),
    (n, g, m, u, momentum, gradient_scale)) {
  float mu = (float)momentum, rest = (float)((1 - momentum) * gradient_scale);
  for (ptrdiff_t i = 0; i < n; i++) {
    float mean = mu * m[i] + rest * g[i];
    m[i] = mean;
    u[i] = mu * mean + rest * g[i];
  }
}

LEAF(void, runnel_move,
    (ptrdiff_t n, float *restrict w, const float *restrict u, double keep, double rate), (n, w, u, keep, rate)) {
  float k = (float)keep, r = (float)rate;
  for (ptrdiff_t i = 0; i < n; i++) w[i] = k * w[i] - r * u[i];
}

LEAF(void, runnel_approach,
    (ptrdiff_t n, float *restrict a, const float *restrict x, double share), (n, a, x, share)) {
  float s = (float)share;
  for (ptrdiff_t i = 0; i < n; i++) a[i] += s * (x[i] - a[i]);
}
