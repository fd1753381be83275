// Models that tag tokens.
#ifndef EQUIPOISE_DEMOS_NER_TAGGER_H_
#define EQUIPOISE_DEMOS_NER_TAGGER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "demos/common/examples.h"
#include "demos/common/learner.h"
#include "demos/common/objective.h"
#include "demos/common/progress.h"
#include "demos/common/training.h"
#include "demos/encoder/encoder_flags.h"
#include "demos/ner/task.h"

namespace equipoise::demos {

struct SavedModel;  // see model_file.h

class Tagger {
 public:
  virtual ~Tagger() = default;

  /// Trains on sentences that the objective's stream draws; `weights` are of the training tokens,
  /// or empty. See Learner::fit().
  virtual Fit fit(const TaggedPart& train, const TaggedPart& validation,
                  const std::vector<double>& weights, const Objective& objective,
                  const TrainingOptions& options, const Validate& validate, Progress& progress) = 0;
  /// Trains the head alone, which starts anew.
  /// @throws InputError for a model without one.
  virtual Fit fit_head(const TaggedPart& train, const TaggedPart& validation,
                       const Objective& objective, const TrainingOptions& options,
                       const Validate& validate, Progress& progress) = 0;

  /// A row a token.
  virtual Logits logits(const TaggedPart& part) const = 0;

  /// The model as facts and tensors, which restore() of a tagger of the same kind takes.
  virtual SavedModel save() const = 0;
  /// @throws std::invalid_argument for what does not fit, nlohmann::json::exception for facts that
  /// are missing.
  virtual void restore(const SavedModel& model) = 0;
};

/// Which tagger, and where it computes.
struct TaggerOptions {
  std::string model = "linear";  ///< linear, bilstm, cnn or encoder
  std::string backend = "eigen";
  std::string device = "cpu";
  std::uint64_t seed = 0;
  std::shared_ptr<const Workers> workers{};
  std::optional<Encoding> encoding{};  ///< of the model encoder
};

/// Tokens as places of pieces, sentences as units: a token is read where its first piece stands
/// (Devlin et al. 2019, section 5.3). A sentence of more than `most` pieces is cut between tokens.
Examples piece_examples(const TaggedPart& part, const WordPiece& tokenizer, std::size_t most,
                        std::vector<double> weights = {});

/// An untrained tagger. The words of a neural one are those of the training sentences.
/// @throws InputError for a neural model without LibTorch, and where there is no such device.
std::unique_ptr<Tagger> make_tagger(const TaggerOptions& options, const TaggingTask& task);

/// A bidirectional LSTM (Hochreiter & Schmidhuber 1997) or a convolutional network over embeddings
/// of words and of their parts (prefixes, suffixes, shape, groups of three characters).
/// @throws InputError where the program was built without LibTorch.
std::unique_ptr<Tagger> make_neural_tagger(const TaggerOptions& options, const TaggingTask& task);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_NER_TAGGER_H_
