// Softmax cross-entropy by rows of logits.
#include "runnel_losses.h"
#include "sums.h"
#include "vector.h"

INLINE float sum_of_exp(ptrdiff_t n, const float *x, float largest) {
  SUMS
  float sum = 0;
  for (ptrdiff_t i = 0; i < n; i++) sum += exp1(x[i] - largest);
  return sum;
}

// The maximum first: the second pass over the row then finds it in the cache.
LEAF(float, runnel_max_and_sum_of_exp, (ptrdiff_t n, const float *x, float *sum), (n, x, sum)) {
  float top[4 * LANES], largest = x[0];
  for (int j = 0; j < 4 * LANES; j++) top[j] = x[0];
  ptrdiff_t i = 0;
  for (; i + 4 * LANES <= n; i += 4 * LANES)
    for (int j = 0; j < 4 * LANES; j++) top[j] = x[i + j] > top[j] ? x[i + j] : top[j];
  for (; i < n; i++) largest = x[i] > largest ? x[i] : largest;
  for (int j = 0; j < 4 * LANES; j++) largest = top[j] > largest ? top[j] : largest;
  *sum = sum_of_exp(n, x, largest);
  return largest;
}

LEAF(void, runnel_cross_entropy_backward,
    (ptrdiff_t n, const float *x, float log_sum, ptrdiff_t target, float a, float *dx),
    (n, x, log_sum, target, a, dx)) {
  for (ptrdiff_t i = 0; i < n; i++) dx[i] = a * exp1(x[i] - log_sum);
  dx[target] -= a;
}
