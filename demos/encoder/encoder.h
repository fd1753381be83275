// BERT as a LibTorch module, from a directory as model hubs have them.
#ifndef EQUIPOISE_DEMOS_ENCODER_ENCODER_H_
#define EQUIPOISE_DEMOS_ENCODER_ENCODER_H_

#include <ATen/core/ivalue.h>  // first: in C++20 clang 14 rejects LibTorch 1.13's headers otherwise
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <filesystem>

namespace equipoise::demos {

/// The sizes of an encoder, as config.json has them.
struct EncoderOptions {
  std::int64_t vocabulary = 0;
  std::int64_t width = 0;
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t inner_width = 0;
  std::int64_t positions = 0;  ///< the most pieces of an input
  std::int64_t types = 2;
  double epsilon = 1e-12;  ///< of layer normalisation
  double dropout = 0.1;    ///< in training
  double attention_dropout = 0.1;
};

/// @throws InputError for a file that cannot be read or lacks a number, for numbers out of range,
/// and for another activation than the exact GELU or other positions than absolute ones.
EncoderOptions read_encoder_options(const std::filesystem::path& file);

/// The encoder of Devlin et al. 2019 (arXiv:1810.04805) without its pooler: the sum of three
/// embeddings, then layers of self-attention (Vaswani et al. 2017, arXiv:1706.03762) and of a
/// network of two products with GELU between, each with a residual and a layer normalisation behind
/// it. Parameters have the names of the reference implementation.
class EncoderImpl : public torch::nn::Module {
 public:
  explicit EncoderImpl(const EncoderOptions& options);

  /// The hidden states [N, T, width] of pieces [N, T] of int64; mask [N, T] of bool says which are
  /// there, the others are padding. Pieces that are there have states that no padding changes.
  torch::Tensor forward(const torch::Tensor& ids, const torch::Tensor& types,
                        const torch::Tensor& mask);

  const EncoderOptions& options() const { return options_; }

 private:
  torch::Tensor drop(const torch::Tensor& states) const;

  EncoderOptions options_;
  torch::nn::Embedding words_ = nullptr;
  torch::nn::Embedding positions_ = nullptr;
  torch::nn::Embedding types_ = nullptr;
  torch::nn::LayerNorm norm_ = nullptr;
  torch::nn::ModuleList layers_ = nullptr;
};
TORCH_MODULE(Encoder);

/// The encoder in a directory: config.json and model.safetensors, whose tensors may all begin with
/// "bert.", and whose normalisations may have gamma and beta in place of weight and bias. What a
/// head or the pooler has there is not used. In evaluation mode.
/// @throws InputError as read_encoder_options() and parse_safetensors(), for sizes that the file
/// cannot have the numbers of, and for a parameter that is missing or has another shape.
Encoder load_encoder(const std::filesystem::path& directory);

/// The mean of the states of the pieces that are there: [N, width] of [N, T, width] and [N, T].
torch::Tensor mean_of_pieces(const torch::Tensor& states, const torch::Tensor& mask);

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_ENCODER_ENCODER_H_
