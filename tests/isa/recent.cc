// Compiled with -march=x86-64-v4.
#include "tests/isa/kernels.h"

EQUIPOISE_TEST_KERNELS(right_on_recent_processors)
