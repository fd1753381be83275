#include "demos/common/progress.h"

#include <absl/strings/str_format.h>
#include <unistd.h>

#include <iostream>

namespace equipoise::demos {

Progress::Progress(std::ostream& stream, bool terminal, std::uint64_t total, std::string_view unit)
    : stream_(stream), terminal_(terminal), total_(total), unit_(unit) {}

Progress::Progress(std::uint64_t total, std::string_view unit)
    : Progress(std::cerr, isatty(STDERR_FILENO) == 1, total, unit) {}

Progress::~Progress() { clear_line(); }

void Progress::advance(std::uint64_t steps) {
  done_ += steps;
  constexpr auto kInterval = std::chrono::milliseconds(200);
  const Clock::time_point now = Clock::now();
  if (!terminal_ || now - drawn_ < kInterval) return;
  drawn_ = now;
  draw_line();
}

void Progress::note(std::string_view text) {
  clear_line();
  stream_ << text << std::endl;
}

void Progress::clear_line() {
  if (terminal_) stream_ << "\r\033[K" << std::flush;
}

void Progress::draw_line() {
  const double seconds = std::chrono::duration<double>(drawn_ - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(done_) / seconds : 0;
  const double left = rate > 0 ? static_cast<double>(total_ - done_) / rate : 0;
  const double share = total_ > 0 ? static_cast<double>(done_) / static_cast<double>(total_) : 1;
  clear_line();
  stream_ << absl::StrFormat("%3.0f %%  %.0f %s/s  %.0f s left  %s", 100 * share, rate, unit_, left,
                             label_)
          << std::flush;
}

}  // namespace equipoise::demos
