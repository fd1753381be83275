// How far long work has come.
#ifndef EQUIPOISE_DEMOS_COMMON_PROGRESS_H_
#define EQUIPOISE_DEMOS_COMMON_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

namespace equipoise::demos {

/// Shows how much of some work is done, its rate and the time left. On a terminal that is one line,
/// drawn anew a few times a second; in a log it is one line for each note().
class Progress {
 public:
  /// `total` steps of work; `unit` names them ("batches").
  Progress(std::ostream& stream, bool terminal, std::uint64_t total, std::string_view unit);
  /// On standard error, which is a terminal or a log.
  Progress(std::uint64_t total, std::string_view unit);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// Clears the line.
  ~Progress();

  void set_label(std::string_view label) { label_ = label; }
  void advance(std::uint64_t steps);
  /// Steps that will not be done after all.
  void skip(std::uint64_t steps) { total_ -= steps; }
  /// A line that stays.
  void note(std::string_view text);

 private:
  using Clock = std::chrono::steady_clock;

  void clear_line();
  void draw_line();

  std::ostream& stream_;
  bool terminal_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
  std::string unit_;
  std::string label_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point drawn_{};
};

}  // namespace equipoise::demos

#endif  // EQUIPOISE_DEMOS_COMMON_PROGRESS_H_
