// The instruction sets that the leaf loops are built for, each including those before it. See README.md: not an API.
#pragma once

enum runnel_level {
  RUNNEL_PORTABLE,
  // x86-64-v3: AVX2 and FMA.
  RUNNEL_AVX2,
  // x86-64-v4: AVX-512 with F, BW, CD, DQ and VL.
  RUNNEL_AVX512,
  // And VNNI, for packed products of integers.
  RUNNEL_AVX512_VNNI
};
enum { RUNNEL_LEVELS = RUNNEL_AVX512_VNNI + 1 };

// What the environment variable RUNNEL_INSTRUCTIONS calls a level.
const char *runnel_level_name(enum runnel_level level);
// The best of this machine, and the one that the program runs at from before main to its end: the best, or what
// RUNNEL_INSTRUCTIONS names, where this machine has it.
enum runnel_level runnel_best_level(void);
enum runnel_level runnel_current_level(void);
