// The leaf loops of Runnel. See README.md: not an API. Arrays never overlap unless a line says that they may.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Elementwise -----------------------------------------------------------------------------------------------------

// GELU is the tanh form; ELU1 is elu(x) + 1; RELU2 is relu(x) squared.
enum runnel_activation {
  RUNNEL_IDENTITY, RUNNEL_SILU, RUNNEL_GELU, RUNNEL_SIGMOID, RUNNEL_TANH, RUNNEL_SOFTPLUS, RUNNEL_EXP,
  RUNNEL_ELU1, RUNNEL_RELU, RUNNEL_RELU2
};
// y = f(x); dx = dy f'(x).
void runnel_activate(enum runnel_activation f, ptrdiff_t n, const float *x, float *y);
void runnel_activate_backward(
    enum runnel_activation f, ptrdiff_t n, const float *x, const float *dy, float *dx);
// y = f(g) x, and its gradients.
void runnel_gate(enum runnel_activation f, ptrdiff_t n, const float *g, const float *x, float *y);
void runnel_gate_backward(
    enum runnel_activation f, ptrdiff_t n, const float *g, const float *x, const float *dy, float *dg,
    float *dx);

// z = x + y; z = x y; z = a x; z = x + a y. z may be any input.
void runnel_add(ptrdiff_t n, const float *x, const float *y, float *z);
void runnel_multiply(ptrdiff_t n, const float *x, const float *y, float *z);
void runnel_scale(ptrdiff_t n, float a, const float *x, float *z);
void runnel_add_scaled(ptrdiff_t n, float a, const float *x, const float *y, float *z);
float runnel_dot(ptrdiff_t n, const float *x, const float *y);
double runnel_sum_of_squares(ptrdiff_t n, const float *x);

// Tells the processor that this thread is spinning.
static inline void runnel_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Asks for the cache lines of `bytes` bytes from p on, without waiting for them.
static inline void runnel_prefetch(const void *p, ptrdiff_t bytes) {
  for (ptrdiff_t i = 0; i < bytes; i += 64) __builtin_prefetch((const char *)p + i, 0, 2);
}

// y [rows] = w [rows columns] x [columns] + beta y. With beta = 0, y may be uninitialised.
void runnel_gemv(
    ptrdiff_t rows, ptrdiff_t columns, const float *w, const float *x, float beta, float *y);
// y [columns] = x [rows] w [rows columns] + beta y, for rows of w that are `stride` apart. The sum of a column runs over the
// rows in their order, so it does not depend on which columns there are beside it.
void runnel_gevm(
    ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t stride, const float *w, const float *x, float beta, float *y);
