// A data file as token ids on disk, made once (tokenize.h) and mapped by every attempt of a run. The header
// names its inputs by hash, so a file made from another text, with another tokenizer or other options is
// noticed; it is under its name only when whole. Layout: token_layout.h.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "base/mapped_file.h"
#include "base/sha256.h"
#include "mft/v1/run.pb.h"

namespace mft {

// A mapped token file. Immutable.
class TokenFile {
 public:
  // Failure data.bad-token-file.
  static TokenFile open(const std::string& path);

  v1::DataFormat format() const { return format_; }  // as recognised
  std::uint64_t size() const { return count_; }
  // index < size(), not checked. Whether an id is below the vocabulary's size is for the reader to check
  // (dataset.h).
  std::uint32_t at(std::uint64_t index) const {
    if (wide_) {
      std::uint32_t id;
      std::memcpy(&id, ids_ + 4 * index, 4);
      return id;
    }
    std::uint16_t id;
    std::memcpy(&id, ids_ + 2 * index, 2);
    return id;
  }
  // Whether the token is learned where it is a target. index < size(), not checked. All of a plain text are.
  bool learned(std::uint64_t index) const {
    return learned_ == nullptr || (learned_[index / 8] >> (index % 8) & 1) != 0;
  }

  // A plain text has no records.
  bool has_records() const { return learned_ != nullptr; }
  std::uint64_t records() const { return records_; }
  // Tokens [first, second) of a record; record < records(). Failure data.bad-token-file when they are none.
  std::pair<std::uint64_t, std::uint64_t> record(std::uint64_t record) const;
  std::uint64_t truncated() const { return truncated_; }  // records whose end was cut off
  std::uint64_t skipped() const { return skipped_; }      // records that are left out: nothing to learn in them

  const Sha256Digest& tokenizer_sha256() const { return tokenizer_sha256_; }
  const Sha256Digest& text_sha256() const { return text_sha256_; }
  const Sha256Digest& options_sha256() const { return options_sha256_; }
  std::uint64_t text_bytes() const { return text_bytes_; }

 private:
  explicit TokenFile(MappedFile file) : file_(std::move(file)) {}
  std::uint64_t record_end(std::uint64_t record) const;

  MappedFile file_;
  v1::DataFormat format_ = v1::DATA_FORMAT_TEXT;
  const unsigned char* ids_ = nullptr;
  const unsigned char* learned_ = nullptr;
  const unsigned char* ends_ = nullptr;
  std::uint64_t count_ = 0;
  std::uint64_t records_ = 0;
  std::uint64_t truncated_ = 0;
  std::uint64_t skipped_ = 0;
  std::uint64_t text_bytes_ = 0;
  bool wide_ = false;  // 4 bytes an id, else 2
  Sha256Digest tokenizer_sha256_{};
  Sha256Digest text_sha256_{};
  Sha256Digest options_sha256_{};
};

}  // namespace mft
