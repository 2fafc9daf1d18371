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
