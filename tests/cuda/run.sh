#!/usr/bin/env bash
# Compiles the library as CUDA and runs its losses on a GPU, as far as this machine has what that needs:
#   tests/cuda/run.sh
# Without nvcc (12 or later) it says SKIPPED. With it the core's headers are compiled; with a LibTorch for CUDA, which
# LIBTORCH=DIR names, the losses' kernels as well; with a GPU these are run against the CPU, and timed beside LibTorch's.
# EQUIPOISE_REQUIRE_GPU=1 makes each of these missing an error. CUDA_ARCH is for GPUs below sm_80.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() {
  if [[ -n "${EQUIPOISE_REQUIRE_GPU:-}" ]]; then
    echo "cuda: FAILED: $1"
    exit 1
  fi
  echo "cuda: SKIPPED: $1"
  exit 0
}

nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
[[ -x "$nvcc" ]] || skip "no nvcc here"
release=$("$nvcc" --version | sed -n 's/.*release \([0-9]*\).*/\1/p')
((release >= 12)) || skip "nvcc is of CUDA $release, 12 is the first that is C++20"

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
options=(-std=c++20 -O1 -arch="${CUDA_ARCH:-sm_80}" -I include)

"$nvcc" "${options[@]}" -Werror all-warnings tests/cuda/core.cu -o "$out/core"
echo "cuda: the core's headers and a kernel of its modulators compile with CUDA $release"

libtorch=${LIBTORCH:-}
[[ -f "$libtorch/include/c10/cuda/CUDAStream.h" && -f "$libtorch/lib/libtorch_cuda.so" ]] ||
  skip "LIBTORCH names no LibTorch for CUDA: its kernels were not compiled"
# Policies are templates over tensors as well, which are host code; the others are false alarms.
"$nvcc" "${options[@]}" -diag-suppress=20011,20014,836,177 -isystem "$libtorch/include" -isystem "$libtorch/include/torch/csrc/api/include" \
  -c tests/cuda/device_test.cu -o "$out/device_test.o"
echo "cuda: the losses' kernels compile with CUDA $release"
# What of CUDA LibTorch itself needs may lie beside it, as Python's packages.
"$nvcc" "$out/device_test.o" -o "$out/device_test" -L"$libtorch/lib" -Xlinker -rpath="$libtorch/lib" \
  -Xlinker --no-as-needed -ltorch -ltorch_cpu -ltorch_cuda -lc10 -lc10_cuda \
  -Xlinker --unresolved-symbols=ignore-in-shared-libs
nvidia-smi -L > /dev/null 2>&1 || skip "no GPU here: the kernels were not run"
"$out/device_test"
