// The matrix memory of one head: S_t = diag(w_t) S_{t-1} + b_t' (a_t S_{t-1}) + k_t' v_t with decays w_t in
// [0, 1], one for each key or one for all of them, and the same without a and b.
//
// q, k, a, b: rows of K floats; v, y: rows of V floats; S [K V]. Decays come as logarithms; below -87 they count
// as zero.
//
// The chunkwise functions work on packed rows: P floats for K keys, P being K rounded up to sixteen, with
// zeros in the rest. Scores are rows of n rounded up to sixteen floats, a stride from each other. `width` is how
// many floats the decay of a token has: P, or one for all keys.
#pragma once
#include <stddef.h>

// Token by token. log_decay, or NULL, has one number for each key (key_step 1) or one for all (key_step 0); a and b
// are both NULL or neither. `before`: y_t reads S_{t-1}, and of the own token q (bonus k)' v if bonus [K] is not
// NULL. scratch: K + V floats.
void runnel_matrix_step(
    ptrdiff_t steps, ptrdiff_t K, ptrdiff_t V, ptrdiff_t key_stride, ptrdiff_t value_stride,
    ptrdiff_t decay_stride, ptrdiff_t key_step, int before, const float *q, const float *k, const float *v,
    const float *a, const float *b, const float *log_decay, const float *bonus, float *state, float *y,
    float *scratch);

// y [rows padded]: n rows of x, zeros after them and in what is padded. `ahead`, here and below: how many
// rows from here those of the next call lie, or 0; they are fetched into the cache.
void runnel_matrix_pack(
    ptrdiff_t n, ptrdiff_t rows, ptrdiff_t width, ptrdiff_t padded, ptrdiff_t stride, ptrdiff_t ahead,
    const float *x, float *y);
// n rows of y, each a stride from the next, from packed x, or that added to them.
void runnel_matrix_unpack(
    ptrdiff_t n, ptrdiff_t width, ptrdiff_t padded, ptrdiff_t stride, int add, const float *x, float *y);

// Decays of a chunk, one for each key: w [n P]; from_start [n+1 P]: row t the product of w_u over u < t;
// to_end [n P]: of u > t.
void runnel_matrix_key_decays(
    ptrdiff_t n, ptrdiff_t K, ptrdiff_t P, ptrdiff_t log_stride, ptrdiff_t ahead, const float *log_decay,
    float *w, float *from_start, float *to_end);
// One for all keys, of all tokens one if log_decay is NULL: D [n D_stride], the product of w_u over s < u <= t, zero for s > t; from_start [n+1]. Sums of
// logarithms are held as two floats each: one would lose small decays that follow strong ones. D_stride: n or
// more, whole vectors; sums: 2 D_stride floats.
void runnel_matrix_scalar_decays(
    ptrdiff_t n, ptrdiff_t log_stride, ptrdiff_t D_stride, const float *log_decay, float *D, float *from_start,
    float *sums);

// y [rows P] = x, each row times its decay; zeros after n rows.
void runnel_matrix_scale(
    ptrdiff_t n, ptrdiff_t rows, ptrdiff_t P, ptrdiff_t width, const float *scale, const float *x, float *y);
// dx += scale g; terms [n width] += x scale g, summed over the keys that share a decay.
void runnel_matrix_scale_backward(
    ptrdiff_t n, ptrdiff_t P, ptrdiff_t width, const float *scale, const float *g, const float *x, float *dx,
    float *terms);

// Scores of every pair of tokens, rows t and columns s, for decays per key, with D_ts as the product of w_u over
// s < u <= t - lag:
//     M[t, s] = sum of x_t D_ts y_s over the keys, for s <= t - lag, else 0, with y = k and with y = b.
// b and Mb may be NULL. The products run from token to token, so nothing overflows and nothing is divided.
void runnel_matrix_scores(
    ptrdiff_t n, ptrdiff_t P, ptrdiff_t lag, ptrdiff_t stride, const float *x, const float *k, const float *b,
    const float *w, float *Mk, float *Mb);
// From dMk and dMb, adds to dx, dk, db [n P], and to dlog [n P] the gradient of log w. scratch: 64 n floats.
void runnel_matrix_scores_backward(
    ptrdiff_t n, ptrdiff_t P, ptrdiff_t lag, ptrdiff_t stride, const float *x, const float *k, const float *b,
    const float *w, const float *dMk, const float *dMb, float *dx, float *dk, float *db, float *dlog,
    float *scratch);
// The same for one decay for all keys, from products A[t, s] = x_t y_s: M[t, s] = A[t, s] D[t - lag, s], all
// `columns` of it. A is read up to the end of the vector in which column t lies.
void runnel_matrix_mask(
    ptrdiff_t n, ptrdiff_t lag, ptrdiff_t columns, ptrdiff_t stride, ptrdiff_t D_stride, const float *A,
    const float *D, float *M);
// dA is set or added to. dlog [n], or NULL, is added to. sums: `columns` floats.
void runnel_matrix_mask_backward(
    ptrdiff_t n, ptrdiff_t lag, ptrdiff_t columns, ptrdiff_t stride, ptrdiff_t D_stride, int add, const float *A,
    const float *D, const float *dM, float *dA, float *sums, float *dlog);
// M[t, t] = sum of q_t bonus k_t; dbonus [K] is added to.
void runnel_matrix_bonus(
    ptrdiff_t n, ptrdiff_t K, ptrdiff_t P, ptrdiff_t stride, const float *q, const float *k, const float *bonus,
    float *M);
void runnel_matrix_bonus_backward(
    ptrdiff_t n, ptrdiff_t K, ptrdiff_t P, ptrdiff_t stride, const float *q, const float *k, const float *bonus,
    const float *dM, float *dq, float *dk, float *dbonus);

// U = (I - M)^-1 U in place for strictly lower M, whose rows and columns are as far apart as said; U [n V]. With
// strides that run backwards from the last token it is (I - M')^-1 U.
void runnel_matrix_solve(
    ptrdiff_t n, ptrdiff_t V, ptrdiff_t U_stride, ptrdiff_t row, ptrdiff_t column, const float *M, float *U);

// S_i *= scale_i for every row.
void runnel_matrix_scale_state(ptrdiff_t K, ptrdiff_t V, const float *scale, float *state);
// total [width] = scale <S, dS>, summed over the keys that share a decay.
void runnel_matrix_boundary(
    ptrdiff_t K, ptrdiff_t V, ptrdiff_t width, const float *scale, const float *state, const float *dstate,
    float *total);
// dlog_u += total + the sum of from_start_t over t >= u + that of to_end_s over s < u. [n width]; total [width] is
// overwritten.
void runnel_matrix_decay_backward(
    ptrdiff_t n, ptrdiff_t width, const float *from_start, const float *to_end, float *total, float *dlog);
