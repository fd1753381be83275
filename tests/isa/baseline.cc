// Compiled for any processor of the architecture.
#include "tests/isa/kernels.h"

EQUIPOISE_TEST_KERNELS(right_on_every_processor)
