#pragma once
// Debian keeps the headers of OpenBLAS in the multiarch include folder, which clang searches by itself.
#include <cblas.h>
