// A file mapped read-only. For files that nobody shortens while they are in use (the store, token caches): a
// file cut under a mapping is a SIGBUS. What may shrink or fail is read with File::read_at instead.
#pragma once

#include <cstddef>
#include <string>

#include "base/file.h"

namespace mft {

class MappedFile {
 public:
  enum class Access { kNormal, kSequential, kRandom };

  explicit MappedFile(const std::string& path, Access access = Access::kNormal);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  const unsigned char* data() const { return data_; }  // page aligned; nullptr for an empty file
  std::size_t size() const { return size_; }
  const std::string& path() const { return path_; }
  // The pages may be dropped from memory (MADV_DONTNEED); reading brings them back.
  void drop(std::size_t offset, std::size_t bytes) const;

 private:
  std::string path_;
  const unsigned char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace mft
