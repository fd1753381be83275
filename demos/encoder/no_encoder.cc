#include "demos/common/input_error.h"
#include "demos/encoder/encoder_learner.h"

namespace equipoise::demos {

namespace {

[[noreturn]] void refuse() {
  throw InputError("--encoder: this program was built without LibTorch");
}

}  // namespace

std::shared_ptr<FrozenStates> make_frozen_states() { refuse(); }
std::unique_ptr<Learner> make_encoder_learner(const EncoderLearnerOptions&) { refuse(); }

}  // namespace equipoise::demos
