#pragma once
// Debian keeps the headers of OpenBLAS in the multiarch include folder, which clang searches by itself.
#include <cblas.h>

// The routines of LAPACK that OpenBLAS carries and the models use; Debian's package declares none.
// Eigenvalues of a Hermitian matrix in packed complex doubles.
void zheev_(const char *job, const char *part, const int *n, double *a, const int *lda, double *w, double *work,
            const int *work_size, double *real_work, int *info);
// Solves A X = B by elimination, for column-major A [n n] and B [n columns].
void dgesv_(const int *n, const int *columns, double *a, const int *lda, int *pivots, double *b, const int *ldb,
            int *info);
// Eigenvalues of a real matrix; with job "N" neither of the vector arguments is touched.
void dgeev_(const char *left, const char *right, const int *n, double *a, const int *lda, double *real,
            double *imaginary, double *vl, const int *ldvl, double *vr, const int *ldvr, double *work,
            const int *work_size, int *info);
// QR by Householder reflections, and Q itself from them.
void dgeqrf_(const int *m, const int *n, double *a, const int *lda, double *tau, double *work,
             const int *work_size, int *info);
void dorgqr_(const int *m, const int *n, const int *k, double *a, const int *lda, const double *tau, double *work,
             const int *work_size, int *info);
// Singular values and vectors.
void dgesdd_(const char *job, const int *m, const int *n, double *a, const int *lda, double *s, double *u,
             const int *ldu, double *vt, const int *ldvt, double *work, const int *work_size, int *int_work,
             int *info);
// Least squares of smallest norm by singular values, those below rcond times the largest taken as zero.
void dgelsd_(const int *m, const int *n, const int *columns, double *a, const int *lda, double *b, const int *ldb,
             double *s, const double *rcond, int *rank, double *work, const int *work_size, int *int_work,
             int *info);
