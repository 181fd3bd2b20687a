// One block of memory from which buffers are taken in a stack-like manner, so that the peak is known before
// the first step. Every buffer starts at a multiple of kAlignment bytes. What this file does not do: free
// single buffers, grow, share between threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace mft {

class Arena {
 public:
  static constexpr std::size_t kAlignment =
      128;  // two cache lines: neighbours never share one, nor a prefetched pair

  // capacity in bytes; zeroed, reserved at once, touched only as it is used. Failure "memory.arena" if there
  // is none.
  explicit Arena(std::size_t capacity);
  // An arena that holds nothing and counts: take() returns spans of a null pointer with the right size. Run
  // the same planning code over it to learn high_water(), then make the real arena.
  static Arena measuring();
  ~Arena();
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&&) = delete;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // count elements, not initialised (fresh pages are zero). Failure "memory.arena" if the arena is exhausted.
  template <class T>
  std::span<T> take(std::int64_t count) {
    static_assert(alignof(T) <= kAlignment);
    if (count < 0 ||
        static_cast<std::uint64_t>(count) > std::numeric_limits<std::size_t>::max() / 2 / sizeof(T)) {
      fail_size();
    }
    const std::size_t size = static_cast<std::size_t>(count);
    return {static_cast<T*>(take_bytes(size * sizeof(T))), size};
  }

  // A place to come back to: release(mark) gives back everything taken after it.
  std::size_t mark() const { return used_; }
  void release(std::size_t mark);

  std::size_t used() const { return used_; }
  std::size_t high_water() const { return high_water_; }
  std::size_t capacity() const { return capacity_; }

 private:
  Arena() = default;
  void* take_bytes(std::size_t bytes);
  [[noreturn]] static void fail_size();

  std::byte* base_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t used_ = 0;
  std::size_t high_water_ = 0;
  bool measuring_ = false;
};

// Gives back on scope exit what was taken inside the scope.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena) : arena_(arena), mark_(arena.mark()) {}
  ~ArenaScope() { arena_.release(mark_); }
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;

 private:
  Arena& arena_;
  std::size_t mark_;
};

}  // namespace mft
