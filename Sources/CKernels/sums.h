// Sums that the compiler may keep in several registers.
#pragma once

// Stands first in a block: sums inside it may be taken in another order, fixed when the library is built.
#define SUMS _Pragma("clang fp reassociate(on)")
