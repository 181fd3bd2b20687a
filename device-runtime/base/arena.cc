#include "base/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "base/error.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

namespace mft {

Arena::Arena(std::size_t capacity) : capacity_(capacity) {
  if (capacity_ == 0) return;
  void* memory = mmap(nullptr, capacity_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw Failure("memory.arena",
                  "cannot reserve " + std::to_string(capacity_ >> 20) + " MiB: " + std::strerror(errno),
                  "use a smaller micro-batch, sequence length or shard budget");
  }
  base_ = static_cast<std::byte*>(memory);
#ifdef MADV_HUGEPAGE
  // Fewer TLB misses in the matrix products; a kernel without huge pages says EINVAL, which changes nothing.
  if (capacity_ >= (std::size_t{8} << 20)) (void)madvise(base_, capacity_, MADV_HUGEPAGE);
#endif
  ASAN_POISON_MEMORY_REGION(base_, capacity_);
}

Arena Arena::measuring() {
  Arena arena;
  arena.capacity_ = std::numeric_limits<std::size_t>::max();
  arena.measuring_ = true;
  return arena;
}

Arena::Arena(Arena&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)),
      capacity_(std::exchange(other.capacity_, 0)),
      used_(std::exchange(other.used_, 0)),
      high_water_(other.high_water_),
      measuring_(other.measuring_) {}

Arena::~Arena() {
  if (base_ == nullptr) return;
  ASAN_UNPOISON_MEMORY_REGION(base_, capacity_);
  (void)munmap(base_, capacity_);  // can only fail for arguments that mmap did not return
}

void* Arena::take_bytes(std::size_t bytes) {
  const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (rounded > capacity_ - used_) {
    throw Failure("memory.arena", "the arena of " + std::to_string(capacity_) + " bytes has " +
                                      std::to_string(capacity_ - used_) + " left, " +
                                      std::to_string(rounded) + " are asked for");
  }
  std::byte* memory = measuring_ || base_ == nullptr ? nullptr : base_ + used_;
  if (memory != nullptr) ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
  used_ += rounded;
  high_water_ = std::max(high_water_, used_);
  return memory;
}

void Arena::release(std::size_t mark) {
  if (mark > used_) throw Failure("memory.arena", "release of a mark above what is in use");
  if (base_ != nullptr) ASAN_POISON_MEMORY_REGION(base_ + mark, used_ - mark);
  used_ = mark;
}

void Arena::fail_size() { throw Failure("memory.arena", "a buffer of impossible size is asked for"); }

}  // namespace mft
