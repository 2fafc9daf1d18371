// The delta rule of one head: S_t = diag(w_t) S_{t-1} + b_t' (a_t S_{t-1}) + k_t' v_t with decays w_t in
// [0, 1] for every key, and the recurrence without a and b.
//
// q, k, a, b: rows of K floats; v, y: rows of V floats; S [K V]. Decays come as logarithms, one for each key
// (key_step 1) or one for all of them (key_step 0); below -87 they count as zero.
//
// The chunkwise functions work on packed rows: P floats for K keys, P being K rounded up to sixteen, with
// zeros in the rest. Scores are rows of n rounded up to sixteen floats, a stride from each other.
#pragma once
#include <stddef.h>

// Token by token: the definition. log_decay may be NULL; a and b are both NULL or neither. `before`: y_t
// reads S_{t-1}, and of the own token q (bonus k)' v if bonus [K] is not NULL. scratch: K + V floats.
void runnel_delta_step(
    ptrdiff_t steps, ptrdiff_t K, ptrdiff_t V, ptrdiff_t key_stride, ptrdiff_t value_stride,
    ptrdiff_t decay_stride, ptrdiff_t key_step, int before, const float *q, const float *k, const float *v,
    const float *a, const float *b, const float *log_decay, const float *bonus, float *state, float *y,
    float *scratch);

// y [rows padded]: n rows of x, zeros after them and in what is padded. `ahead`, here and below: how many
// rows from here those of the next call lie, or 0; they are fetched into the cache.
void runnel_delta_pack(
    ptrdiff_t n, ptrdiff_t rows, ptrdiff_t width, ptrdiff_t padded, ptrdiff_t stride, ptrdiff_t ahead,
    const float *x, float *y);
// n rows of y, each a stride from the next, from packed x; the same added to what is there.
void runnel_delta_unpack(
    ptrdiff_t n, ptrdiff_t width, ptrdiff_t padded, ptrdiff_t stride, const float *x, float *y);
void runnel_delta_add(
    ptrdiff_t n, ptrdiff_t width, ptrdiff_t padded, ptrdiff_t stride, const float *x, float *y);

// w [n P] of a chunk; from_start [n+1 P]: row t the product of w_u over u < t; to_end [n P]: of u > t.
void runnel_delta_decays(
    ptrdiff_t n, ptrdiff_t K, ptrdiff_t P, ptrdiff_t decay_stride, ptrdiff_t key_step, ptrdiff_t ahead,
    const float *log_decay, float *w, float *from_start, float *to_end);
// S_i *= scale_i for every row, after a copy to `copy`; either may be NULL.
void runnel_delta_scale_state(ptrdiff_t K, ptrdiff_t V, const float *scale, float *state, float *copy);

// Scores of every pair of tokens, rows t and columns s, for D_ts = the product of w_u over s < u <= t - lag:
//     M[t, s] = sum of x_t D_ts y_s over the keys, for s <= t - lag, else 0, with y = k and with y = b.
// b and Mb may be NULL, and w, for decays of one. The products run from token to token, so nothing overflows
// and nothing is divided.
void runnel_delta_scores(
    ptrdiff_t n, ptrdiff_t P, ptrdiff_t lag, ptrdiff_t stride, const float *x, const float *k, const float *b,
    const float *w, float *Mk, float *Mb);
// From dMk and dMb, adds to dx, dk, db [n P], and to dlog [n P] the gradient of log w. scratch: 64 n floats.
void runnel_delta_scores_backward(
    ptrdiff_t n, ptrdiff_t P, ptrdiff_t lag, ptrdiff_t stride, const float *x, const float *k, const float *b,
    const float *w, const float *dMk, const float *dMb, float *dx, float *dk, float *db, float *dlog,
    float *scratch);
// M[t, t] = sum of q_t bonus k_t; dbonus [K] is added to.
void runnel_delta_bonus(
    ptrdiff_t n, ptrdiff_t K, ptrdiff_t P, ptrdiff_t stride, const float *q, const float *k, const float *bonus,
    float *M);
void runnel_delta_bonus_backward(
    ptrdiff_t n, ptrdiff_t K, ptrdiff_t P, ptrdiff_t stride, const float *q, const float *k, const float *bonus,
    const float *dM, float *dq, float *dk, float *dbonus);

// U = (I - M)^-1 U in place for strictly lower M, and with M' instead of M. U [n V], rows V_stride apart.
void runnel_delta_solve(
    ptrdiff_t n, ptrdiff_t V, ptrdiff_t V_stride, ptrdiff_t stride, const float *M, float *U);
void runnel_delta_solve_transposed(
    ptrdiff_t n, ptrdiff_t V, ptrdiff_t V_stride, ptrdiff_t stride, const float *M, float *U);

// dx += scale g; terms += x scale g. [n P]; scale and terms may be NULL.
void runnel_delta_scaled_backward(
    ptrdiff_t n, ptrdiff_t P, const float *scale, const float *g, const float *x, float *dx, float *terms);
// total [P]: scale_i <S_i, dS_i>.
void runnel_delta_boundary(
    ptrdiff_t K, ptrdiff_t V, const float *scale, const float *state, const float *dstate, float *total);
// dlog_u += total + the sum of from_start_t over t >= u + that of to_end_s over s < u. [n P]; total [P] is
// overwritten.
void runnel_delta_decay_backward(
    ptrdiff_t n, ptrdiff_t P, const float *from_start, const float *to_end, float *total, float *dlog);
// y_t = the sum of row t of x [n P].
void runnel_delta_row_sums(ptrdiff_t n, ptrdiff_t P, ptrdiff_t stride, const float *x, float *y);
