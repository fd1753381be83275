#include "demos/common/input_error.h"
#include "demos/ner/tagger.h"

namespace equipoise::demos {

std::unique_ptr<Tagger> make_neural_tagger(const TaggerOptions& options, const TaggingTask&) {
  throw InputError("--model=" + options.model + ": this program was built without LibTorch");
}

}  // namespace equipoise::demos
