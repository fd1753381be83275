#include "equipoise/kernels/dispatch.h"
#include "tests/isa/kernels.h"

int main() {
  const bool recent = equipoise::kernels::widest_cpu() == equipoise::kernels::Cpu::kAvx512;
  return right_on_every_processor() && (!recent || right_on_recent_processors()) ? 0 : 1;
}
