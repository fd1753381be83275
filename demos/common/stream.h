// Any sampler as one type.
#ifndef EQUIPOISE_DEMOS_COMMON_STREAM_H_
#define EQUIPOISE_DEMOS_COMMON_STREAM_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "equipoise/sampling/stream.h"

namespace equipoise::demos {

/// An IndexStream whose kind is known when the program runs: strategies differ in their samplers.
/// Copies share the sampler.
class Stream {
 public:
  template <class S>
  requires(!std::same_as<S, Stream> && sampling::IndexStream<S>) explicit Stream(S stream)
      : model_(std::make_shared<Model<S>>(std::move(stream))) {}

  std::size_t operator[](std::uint64_t t) const { return model_->at(t); }
  std::uint64_t seed() const { return model_->seed(); }
  std::uint64_t epoch_size() const { return model_->epoch_size(); }
  std::uint64_t fingerprint() const { return model_->fingerprint(); }

 private:
  struct Concept {
    virtual ~Concept() = default;
    virtual std::size_t at(std::uint64_t t) const = 0;
    virtual std::uint64_t seed() const = 0;
    virtual std::uint64_t epoch_size() const = 0;
    virtual std::uint64_t fingerprint() const = 0;
  };
  template <class S>
  struct Model final : Concept {
    explicit Model(S stream) : stream_(std::move(stream)) {}
    std::size_t at(std::uint64_t t) const override { return static_cast<std::size_t>(stream_[t]); }
    std::uint64_t seed() const override { return stream_.seed(); }
    std::uint64_t epoch_size() const override { return stream_.epoch_size(); }
    std::uint64_t fingerprint() const override { return stream_.fingerprint(); }
    S stream_;
  };

  std::shared_ptr<const Concept> model_;
};

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_STREAM_H_
