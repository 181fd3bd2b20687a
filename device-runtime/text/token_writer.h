// Writes a token file in one pass and bounded memory: what stands behind the ids is collected in files
// without a name meanwhile.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "text/token_layout.h"

namespace mft {

class TokenWriter {
 public:
  // wide: 4 bytes an id, else 2. with_records: learned bits and ends of records follow.
  TokenWriter(const std::string& path, bool wide, bool with_records);

  // ids: not negative; below 65536 unless wide.
  void append(const std::int32_t* ids, std::size_t count);
  // One record; learned: as many.
  void append_record(const std::vector<std::int32_t>& ids, const std::vector<bool>& learned);
  std::uint64_t count() const { return count_; }
  std::uint64_t records() const { return records_; }

  // Fills in what it knows of the header; then the file is under its name.
  void commit(TokenHeader header);

 private:
  // Collects small writes.
  class Part {
   public:
    explicit Part(File& file) : file_(file) {}
    void write(const void* data, std::size_t bytes);
    void flush();
    std::uint64_t bytes() const { return bytes_; }

   private:
    File& file_;
    std::vector<char> buffer_;
    std::uint64_t bytes_ = 0;
  };

  void append_part(File& from, std::uint64_t bytes);
  void pad();

  bool wide_;
  bool with_records_;
  AtomicFile out_;
  File learned_file_;
  File ends_file_;
  Part ids_;
  Part learned_;
  Part ends_;
  std::vector<std::uint16_t> narrow_;
  std::uint8_t bits_ = 0;  // learned bits of the last tokens, count_ % 8 of them
  std::uint64_t count_ = 0;
  std::uint64_t records_ = 0;
};

}  // namespace mft
