#include "demos/common/input_error.h"
#include "demos/common/learner.h"

namespace equipoise::demos {

std::unique_ptr<Learner> make_libtorch_learner(const LearnerShape&, const std::string&,
                                               std::uint64_t, std::shared_ptr<const Workers>) {
  throw InputError("--backend=libtorch: this program was built without LibTorch");
}

void set_threads(int) {}

}  // namespace equipoise::demos
