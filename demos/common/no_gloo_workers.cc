#include "demos/common/input_error.h"
#include "demos/common/learner.h"

namespace equipoise::demos {

std::shared_ptr<const Workers> connect_workers(std::chrono::seconds) {
  if (is_worker()) {
    throw InputError("--distributed: this program was built without LibTorch and Gloo");
  }
  return nullptr;
}

}  // namespace equipoise::demos
