// Zeroed private memory straight from the kernel: page aligned, given back on destruction, resident only
// where touched.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mft::store {

class Memory {
 public:
  Memory() = default;
  // Failure memory.too-little; what: for the message, e.g. "the gradients". sparse: only few pages will be
  // touched, so they stay small; otherwise the kernel is asked for large ones, which the matrix products walk
  // faster.
  Memory(uint64_t bytes, const char* what, bool sparse = false);
  Memory(Memory&& other) noexcept;
  Memory& operator=(Memory&& other) noexcept;
  ~Memory();

  // Gives the pages back; the content is zero again.
  void discard();

  std::byte* data() const { return data_; }
  uint64_t size() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace mft::store
