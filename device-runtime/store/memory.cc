#include "store/memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "base/error.h"

namespace mft::store {
namespace {

#ifdef MADV_HUGEPAGE
constexpr uint64_t kHugeFrom = uint64_t{8} << 20;
#endif

}  // namespace

Memory::Memory(uint64_t bytes, const char* what, bool sparse) : bytes_(bytes) {
  if (bytes == 0) return;
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    throw Failure(
        "memory.too-little",
        "no " + std::to_string(bytes) + " bytes of memory for " + what + ": " + std::strerror(errno),
        "Use LoRA, a smaller batch, a shorter sequence or a smaller model.");
  }
  data_ = static_cast<std::byte*>(data);
#ifdef MADV_HUGEPAGE
  // Advice: a kernel without huge pages says EINVAL, which changes nothing.
  if (!sparse && bytes >= kHugeFrom) (void)madvise(data, bytes, MADV_HUGEPAGE);
#else
  (void)sparse;
#endif
}

Memory::Memory(Memory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Memory& Memory::operator=(Memory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

void Memory::discard() {
  if (data_ != nullptr && madvise(data_, bytes_, MADV_DONTNEED) != 0) std::memset(data_, 0, bytes_);
}

Memory::~Memory() {
  if (data_ != nullptr) munmap(data_, bytes_);  // fails only for arguments that are not ours
}

}  // namespace mft::store
