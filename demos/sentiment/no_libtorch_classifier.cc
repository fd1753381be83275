// In place of libtorch_classifier.cc where the program is built without LibTorch.
#include "demos/common/input_error.h"
#include "demos/sentiment/classifier.h"

namespace equipoise::demos {

std::unique_ptr<Classifier> make_libtorch_classifier(std::size_t, const TrainingOptions&,
                                                     const std::string&, std::uint64_t) {
  throw InputError(
      "--backend=libtorch: this program was built without LibTorch; see LIBTORCH in "
      "bazel/libtorch.bzl");
}

}  // namespace equipoise::demos
