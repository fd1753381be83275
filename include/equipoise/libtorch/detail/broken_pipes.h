// Connections whose other end has gone.
#ifndef EQUIPOISE_LIBTORCH_DETAIL_BROKEN_PIPES_H_
#define EQUIPOISE_LIBTORCH_DETAIL_BROKEN_PIPES_H_

#include <pthread.h>

#include <csignal>

namespace equipoise::libtorch::detail {

/// From now on this thread, and those that it starts, get an error where they write to a connection
/// whose other end has gone. By default they get SIGPIPE, which ends the process without a word: a
/// worker whose neighbour was killed could not say so. Other threads keep their signals.
inline void refuse_broken_pipe_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace equipoise::libtorch::detail

#endif  // EQUIPOISE_LIBTORCH_DETAIL_BROKEN_PIPES_H_
