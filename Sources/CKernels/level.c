// The choice of the instruction set, made once, before main.
#include <stdlib.h>
#include <string.h>

#include "vector.h"

enum runnel_level runnel_chosen_level;

const char *runnel_level_name(enum runnel_level level) {
  static const char *const names[RUNNEL_LEVELS] = {"portable", "avx2", "avx512", "avx512-vnni"};
  return names[level];
}

enum runnel_level runnel_best_level(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("x86-64-v3")) return RUNNEL_PORTABLE;
  if (!__builtin_cpu_supports("x86-64-v4")) return RUNNEL_AVX2;
  return __builtin_cpu_supports("avx512vnni") ? RUNNEL_AVX512_VNNI : RUNNEL_AVX512;
#else
  return RUNNEL_PORTABLE;
#endif
}

enum runnel_level runnel_current_level(void) { return runnel_chosen_level; }

__attribute__((constructor)) static void choose(void) {
  const char *name = getenv("RUNNEL_INSTRUCTIONS");
  runnel_chosen_level = runnel_best_level();
  for (int level = 0; name && level < (int)runnel_chosen_level; level++)
    if (strcmp(name, runnel_level_name((enum runnel_level)level)) == 0)
      runnel_chosen_level = (enum runnel_level)level;
}
