#include "demos/common/input_error.h"
#include "demos/encoder/encoder_learner.h"

namespace equipoise::demos {

std::unique_ptr<Learner> make_encoder_learner(const EncoderLearnerOptions&) {
  throw InputError("--encoder: this program was built without LibTorch");
}

}  // namespace equipoise::demos
