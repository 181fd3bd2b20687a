// A text as token ids on disk, made once and mapped by every attempt of a run. The header names its inputs by
// hash, so a file made from another text or another tokenizer is noticed; it is under its name only when
// whole.
//
// Layout, little-endian: 128 bytes of header (struct in token_file.cc: magic "MFTTOKS1", bytes an id (2 or
// 4), count, SHA-256 of tokenizer.bin, SHA-256 and size of the text), then the ids.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <utility>

#include "base/mapped_file.h"
#include "base/sha256.h"

namespace mft {

using TokenProgress = std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)>;

// A mapped token file. Immutable.
class TokenFile {
 public:
  // Failure data.bad-token-file.
  static TokenFile open(const std::string& path);

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
  const Sha256Digest& tokenizer_sha256() const { return tokenizer_sha256_; }
  const Sha256Digest& text_sha256() const { return text_sha256_; }
  std::uint64_t text_bytes() const { return text_bytes_; }

 private:
  explicit TokenFile(MappedFile file) : file_(std::move(file)) {}
  MappedFile file_;
  const unsigned char* ids_ = nullptr;
  std::uint64_t count_ = 0;
  std::uint64_t text_bytes_ = 0;
  bool wide_ = false;  // 4 bytes an id, else 2
  Sha256Digest tokenizer_sha256_{};
  Sha256Digest text_sha256_{};
};

// Tokenizes the text file `text_path` with the tables at `tokenizer_path` into `out_path`, unless `out_path`
// already is that (same tokenizer, same text, by hash). Streams: memory does not grow with the text.
// `progress` is called about once a MiB of text and may throw to cancel: nothing is then left under out_path.
// The whole file is one document: the tokenizer's prefix (BOS) stands once before it and its suffix once
// behind it, as `add_special_tokens` puts them around a text, and nothing between; "<|endoftext|>" in the
// text separates documents, as its special token. A byte order mark at the start is text like any other (as
// in Hugging Face). Failures: data.not-found, data.not-a-file, data.empty, data.not-utf8 (byte offset and
// line), data.word-too-long, io.*.
TokenFile tokenize_file(const std::string& text_path, const std::string& tokenizer_path,
                        const std::string& out_path, const TokenProgress& progress = {});

}  // namespace mft
