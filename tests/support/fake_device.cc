#include "tests/support/fake_device.h"

#include <torch/version.h>

#include <stdexcept>

#if TORCH_VERSION_MAJOR < 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR < 1)

namespace equipoise::testing::fake_device {

bool available() { return false; }
c10::Device card(int) { throw std::logic_error("the fake device needs LibTorch 2.1"); }
int current_card() { return 0; }
void set_has_doubles(bool) {}
Counts counts() { return {}; }
void reset_counts() {}

}  // namespace equipoise::testing::fake_device

#else

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/Allocator.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <sys/mman.h>
#include <torch/library.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

namespace equipoise::testing::fake_device {
namespace {

constexpr int kCards = 2;
constexpr auto kType = c10::DeviceType::PrivateUse1;

// Sizes of the blocks of memory that are there, by address, and the counts.
struct Shared {
  std::mutex mutex;
  std::unordered_map<void*, std::size_t> blocks;
  double used = 0;
  double used_at_start = 0;
  Counts counts;

  void use(double bytes) {
    used += bytes;
    counts.peak_bytes = std::max(counts.peak_bytes, used - used_at_start);
  }
};
Shared& shared() {
  // Never destroyed: threads of LibTorch may free tensors when the program has ended.
  static Shared& instance = *new Shared;
  return instance;
}

bool& holds_doubles() {
  static bool value = true;
  return value;
}

thread_local int current = 0;
// How many of our own functions are running: what they ask for in turn is not the program's.
thread_local int depth = 0;
struct Inside {
  Inside() { ++depth; }
  ~Inside() { --depth; }
};

template <class F>
void count(const F& f) {
  if (depth > 0) return;
  const std::lock_guard lock(shared().mutex);
  f(shared().counts);
}

std::size_t whole_pages(std::size_t bytes) {
  constexpr std::size_t kPage = 4096;
  return (bytes + kPage - 1) / kPage * kPage;
}

void release(void* block) {
  if (block == nullptr) return;
  const std::lock_guard lock(shared().mutex);
  const std::size_t size = shared().blocks.at(block);
  munmap(block, size);
  shared().use(-static_cast<double>(size));
  shared().blocks.erase(block);
}

struct ProtectedMemory final : c10::Allocator {
  c10::DataPtr allocate(std::size_t bytes) override {
    const c10::Device device(kType, static_cast<c10::DeviceIndex>(current));
    if (bytes == 0) return {nullptr, nullptr, &release, device};
    const std::size_t size = whole_pages(bytes);
    void* const block = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const std::lock_guard lock(shared().mutex);
    shared().blocks[block] = size;
    shared().use(static_cast<double>(size));
    return {block, block, &release, device};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
};
ProtectedMemory memory;
REGISTER_ALLOCATOR(kType, &memory);

// While it lives, the host may use the memory of a tensor.
class Unprotected {
 public:
  explicit Unprotected(const at::Tensor& tensor) {
    if (!tensor.is_privateuseone() || !tensor.has_storage()) return;
    block_ = tensor.storage().mutable_data_ptr().get();
    if (block_ == nullptr) return;
    const std::lock_guard lock(shared().mutex);
    size_ = shared().blocks.at(block_);
    mprotect(block_, size_, PROT_READ | PROT_WRITE);
  }
  ~Unprotected() {
    if (block_ != nullptr) mprotect(block_, size_, PROT_NONE);
  }
  Unprotected(const Unprotected&) = delete;
  Unprotected& operator=(const Unprotected&) = delete;

 private:
  void* block_ = nullptr;
  std::size_t size_ = 0;
};

at::Tensor seen_by_host(const at::Tensor& tensor) {
  if (!tensor.is_privateuseone()) return tensor;
  return at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(),
                       tensor.options().device(at::kCPU).requires_grad(false));
}

// Elements that are apart in memory.
double bytes_of(const at::Tensor& tensor) {
  double elements = 1;
  for (std::int64_t d = 0; d < tensor.dim(); ++d) {
    if (tensor.stride(d) != 0) elements *= static_cast<double>(tensor.size(d));
  }
  return elements * static_cast<double>(tensor.element_size());
}

// The bytes that an operation reads and writes.
class Traffic {
 public:
  Traffic(const c10::OperatorHandle& operation, const torch::jit::Stack& stack)
      : schema_(operation.schema()) {
    const std::size_t count = schema_.arguments().size();
    changes_first_ = changes_first(stack);
    for (std::size_t i = 0; i < count; ++i) {
      const c10::IValue& value = stack[stack.size() - count + i];
      if (value.isTensor()) {
        read(value.toTensor(), i);
      } else if (value.isTensorList()) {
        for (const at::Tensor& each : value.toTensorVector()) read(each, i);
      }
    }
  }

  // What it comes to, with the results of the operation.
  double bytes(const torch::jit::Stack& stack) {
    const std::size_t count = schema_.returns().size();
    for (std::size_t i = 0; i < count; ++i) {
      const c10::IValue& value = stack[stack.size() - count + i];
      // What is picked by indices and changed in place is written there alone: little, and not
      // counted.
      if (value.isTensor() && value.toTensor().defined() && !(picks() && changes_first_)) {
        bytes_ += bytes_of(value.toTensor());
      }
    }
    return bytes_;
  }

 private:
  bool is(std::initializer_list<const char*> names) const {
    return std::any_of(names.begin(), names.end(),
                       [&](const char* name) { return schema_.name() == name; });
  }
  // Elements of the first tensor are picked by indices. Out of place, scattering copies the rest.
  bool picks() const {
    if (is({"aten::gather", "aten::index_select", "aten::nll_loss_forward"})) return true;
    return changes_first_ && is({"aten::scatter_", "aten::scatter_add_", "aten::index_add_",
                                 "aten::scatter", "aten::scatter_add", "aten::index_add"});
  }
  // The values of the first tensors do not matter.
  bool ignores(std::size_t argument) const {
    if (is({"aten::fill_", "aten::zero_", "aten::nll_loss_backward"})) return argument < 2;
    return false;
  }
  // In place, or with the first tensor as the one to write to.
  bool changes_first(const torch::jit::Stack& stack) const {
    const auto& arguments = schema_.arguments();
    if (arguments.empty()) return false;
    const auto* alias = arguments[0].alias_info();
    if (alias != nullptr && alias->isWrite()) return true;
    const c10::IValue& first = stack[stack.size() - arguments.size()];
    const c10::IValue& last = stack.back();
    return arguments.back().is_out() && first.isTensor() && last.isTensor() &&
           first.toTensor().const_data_ptr() == last.toTensor().const_data_ptr();
  }

  void read(const at::Tensor& tensor, std::size_t argument) {
    if (!tensor.defined() || !tensor.is_privateuseone()) return;
    if (schema_.arguments()[argument].is_out() || ignores(argument)) return;
    if (picks() && argument == 0) return;
    if (!seen_.insert(tensor.const_data_ptr()).second) return;  // read once
    bytes_ += bytes_of(tensor);
  }

  const c10::FunctionSchema& schema_;
  bool changes_first_ = false;
  std::set<const void*> seen_;
  double bytes_ = 0;
};

using Type = std::optional<c10::ScalarType>;
using Place = std::optional<c10::Device>;

void require_type(Type type) {
  TORCH_CHECK_TYPE(holds_doubles() || c10::dtype_or_default(type) != at::kDouble,
                   "the fake device holds no doubles");
}

at::Tensor empty(c10::IntArrayRef sizes, Type type, std::optional<c10::Layout>, Place place,
                 std::optional<bool>, std::optional<c10::MemoryFormat> format) {
  require_type(type);
  const c10::DeviceGuard guard(c10::device_or_default(place));
  return at::detail::empty_generic(sizes, &memory,
                                   c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                   c10::dtype_or_default(type), format);
}
at::Tensor empty_strided(c10::IntArrayRef sizes, c10::IntArrayRef strides, Type type,
                         std::optional<c10::Layout>, Place place, std::optional<bool>) {
  require_type(type);
  const c10::DeviceGuard guard(c10::device_or_default(place));
  return at::detail::empty_strided_generic(sizes, strides, &memory,
                                           c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                           c10::dtype_or_default(type));
}
at::Tensor as_strided(const at::Tensor& tensor, c10::IntArrayRef sizes, c10::IntArrayRef strides,
                      std::optional<std::int64_t> offset) {
  return at::native::as_strided_tensorimpl(tensor, sizes, strides, offset);
}
at::Tensor view(const at::Tensor& tensor, c10::IntArrayRef sizes) {
  return at::native::view(tensor, sizes);
}
at::Tensor reshape_alias(const at::Tensor& tensor, c10::IntArrayRef sizes,
                         c10::IntArrayRef strides) {
  return at::native::_reshape_alias(tensor, sizes, strides);
}
const at::Tensor& resize(const at::Tensor& tensor, c10::IntArrayRef sizes,
                         std::optional<at::MemoryFormat> format) {
  return at::native::resize_(tensor, sizes, format);
}
at::Tensor& set_storage(at::Tensor& tensor, at::Storage storage) {
  return at::native::set_(tensor, std::move(storage));
}
at::Tensor& set_storage_and_shape(at::Tensor& tensor, at::Storage storage, std::int64_t offset,
                                  c10::IntArrayRef sizes, c10::IntArrayRef strides) {
  at::TensorImpl* const impl = tensor.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(std::move(storage));
  impl->set_storage_offset(offset);
  impl->set_sizes_and_strides(sizes, strides);
  return tensor;
}

at::Tensor copy_tensor(const at::Tensor& from, const at::Tensor& to, bool) {
  count([&](Counts& counts) {
    if (!from.is_privateuseone()) {
      ++counts.uploads;
    } else if (!to.is_privateuseone()) {
      ++counts.downloads;
    } else {
      ++counts.launches;
      ++counts.operations["aten::copy_"];
      counts.bytes_moved += bytes_of(from) + bytes_of(to);
    }
  });
  const Inside inside;
  const Unprotected source(from);
  const Unprotected target(to);
  seen_by_host(to.detach()).copy_(seen_by_host(from.detach()));
  return to;
}
at::Tensor copy_and_resize(const at::Tensor& from, const at::Tensor& to) {
  if (to.sizes() != from.sizes()) at::native::resize_(to, from.sizes(), std::nullopt);
  return copy_tensor(from, to, false);
}
at::Scalar read_number(const at::Tensor& tensor) {
  count([](Counts& counts) { ++counts.downloads; });
  const Inside inside;
  const at::Tensor number = at::empty({}, tensor.options().device(at::kCPU));
  copy_tensor(tensor, number, false);
  return number.item();
}
bool may_share_identity(const at::Tensor&, const at::Tensor&) { return true; }

// Every other operation: the CPU's, on copies.
void run_on_host(const c10::OperatorHandle& operation, torch::jit::Stack* stack) {
  count([&](Counts& counts) {
    ++counts.launches;
    ++counts.operations[operation.schema().name()];
  });
  const bool is_counted = depth == 0;
  const Inside inside;
  Traffic traffic(operation, *stack);
  at::native::cpu_fallback(operation, stack);
  if (!is_counted) return;
  const double bytes = traffic.bytes(*stack);
  const std::lock_guard lock(shared().mutex);
  shared().counts.bytes_moved += bytes;
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", empty_strided);
  library.impl("as_strided", as_strided);
  library.impl("view", view);
  library.impl("_reshape_alias", reshape_alias);
  library.impl("resize_", resize);
  library.impl("set_.source_Storage", set_storage);
  library.impl("set_.source_Storage_storage_offset", set_storage_and_shape);
  library.impl("_copy_from", copy_tensor);
  library.impl("_copy_from_and_resize", copy_and_resize);
  library.impl("_local_scalar_dense", read_number);
  library.impl("_has_compatible_shallow_copy_type", may_share_identity);
}
// LibTorch 2.6 has no kernel of its own above one of a backend's.
TORCH_LIBRARY_IMPL(aten, AutogradPrivateUse1, library) {
  library.impl("_has_compatible_shallow_copy_type", torch::CppFunction::makeFallthrough());
}
TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
}

struct Guard final : c10::impl::DeviceGuardImplInterface {
  Guard() = default;
  explicit Guard(c10::DeviceType) {}
  c10::DeviceType type() const override { return kType; }
  c10::Device exchangeDevice(c10::Device device) const override {
    const c10::Device before = getDevice();
    setDevice(device);
    return before;
  }
  c10::Device getDevice() const override { return card(current); }
  void setDevice(c10::Device device) const override {
    if (device.index() >= 0) current = device.index();
  }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    if (device.index() >= 0) current = device.index();
  }
  c10::Stream getStream(c10::Device device) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, device.index() < 0 ? getDevice() : device);
  }
  c10::Stream exchangeStream(c10::Stream stream) const noexcept override { return stream; }
  c10::DeviceIndex deviceCount() const noexcept override { return kCards; }
  bool queryStream(const c10::Stream&) const override { return true; }
  void synchronizeStream(const c10::Stream&) const override {
    count([](Counts& counts) { ++counts.downloads; });
  }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

struct Hooks final : at::PrivateUse1HooksInterface {
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override {
    return at::detail::getDefaultCPUGenerator();
  }
  void resizePrivateUse1Bytes(const c10::Storage& storage, std::size_t bytes) const override {
    storage.set_data_ptr_noswap(memory.allocate(bytes));
    storage.set_nbytes(bytes);
  }
};

}  // namespace

bool available() {
  static const bool registered = [] {
    static Hooks hooks;
    c10::register_privateuse1_backend("fake");
    at::RegisterPrivateUse1HooksInterface(&hooks);
    return true;
  }();
  return registered;
}
c10::Device card(int index) { return {kType, static_cast<c10::DeviceIndex>(index)}; }
int current_card() { return current; }
void set_has_doubles(bool value) { holds_doubles() = value; }
Counts counts() {
  const std::lock_guard lock(shared().mutex);
  return shared().counts;
}
void reset_counts() {
  const std::lock_guard lock(shared().mutex);
  shared().counts = {};
  shared().used_at_start = shared().used;
}

}  // namespace equipoise::testing::fake_device

#endif
