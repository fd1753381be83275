// In place of libtorch_distributed.cc where the program is built without LibTorch or Gloo.
#include "demos/common/input_error.h"
#include "demos/sentiment/distributed.h"

namespace equipoise::demos {

void run_distributed_worker(const Task&, const DistributedOptions&, std::ostream&) {
  throw InputError(
      "--distributed: this program was built without LibTorch or without Gloo's headers; see "
      "LIBTORCH in bazel/libtorch.bzl");
}

}  // namespace equipoise::demos
