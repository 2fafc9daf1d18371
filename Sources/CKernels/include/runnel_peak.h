// The fastest that a thread can multiply and add, in registers alone: what products are measured against. See README.md: not an API.
#pragma once
#include <stddef.h>

enum runnel_peak {
  // In single precision: fused where the level has it, else a product and a sum.
  RUNNEL_PEAK_F32,
  // Pairs of bf16 added in single precision (AVX512-BF16); groups of four bytes added in 32 bits (VNNI).
  RUNNEL_PEAK_BF16,
  RUNNEL_PEAK_INT8
};

// Multiplications and additions of one round at the level that the program runs at; 0 where it has no instruction for them.
ptrdiff_t runnel_peak_operations(enum runnel_peak kind);
// So many rounds. `numbers` [3] are what is multiplied, added and begun with; the last is written.
void runnel_peak_run(enum runnel_peak kind, ptrdiff_t rounds, float *numbers);
