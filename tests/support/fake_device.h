// A device of two cards whose memory the host cannot read: LibTorch's PrivateUse1, named "fake".
// Memory is protected, so that a read by the host is a fault, but while the CPU's kernels stand in
// for those of the device. It counts what a program asks of a device.
//
// Needs LibTorch 2.1; available() is false before. Link fake_device.cc.
#ifndef EQUIPOISE_TESTS_SUPPORT_FAKE_DEVICE_H_
#define EQUIPOISE_TESTS_SUPPORT_FAKE_DEVICE_H_

#include <c10/core/Device.h>

#include <map>
#include <string>

namespace equipoise::testing::fake_device {

struct Counts {
  int uploads = 0;  // copies from the host
  // Copies to the host, and numbers that were asked for: each waits for the device.
  int downloads = 0;
  int launches = 0;                       // operations on the device
  std::map<std::string, int> operations;  // by name
  // What operations read and write: of each tensor the elements that are apart in memory, of one
  // that is picked from by indices those that are picked.
  double bytes_moved = 0;
  double peak_bytes = 0;  // the most memory in use, above that at the start
};

bool available();
/// Card 0 or 1.
c10::Device card(int index);
/// The card that operations without one go to.
int current_card();
/// Whether the device holds doubles, as it does at the start. Before anything has asked.
void set_has_doubles(bool has_doubles);
/// What has been counted since the last reset_counts().
Counts counts();
void reset_counts();

}  // namespace equipoise::testing::fake_device

#endif  // EQUIPOISE_TESTS_SUPPORT_FAKE_DEVICE_H_
