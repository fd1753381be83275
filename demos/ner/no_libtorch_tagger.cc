#include "demos/common/input_error.h"
#include "demos/ner/token_features.h"

namespace equipoise::demos {

std::unique_ptr<Learner> make_neural_tagger(const std::string& model, const LearnerShape&,
                                            const std::string&, std::uint64_t,
                                            std::shared_ptr<const Workers>) {
  throw InputError("--model=" + model + ": this program was built without LibTorch");
}

}  // namespace equipoise::demos
