// Reads a journal from some frame on, in bounded memory.
//
// A journal is a row of frames: length (varint), payload (a serialized v1::Event), CRC-32C of both
// (little-endian). A row of zeros, which file systems leave behind after a power cut, is not a frame: the CRC
// of a zero length is not zero.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/file.h"

namespace mft::session {

class JournalReader {
 public:
  enum class Next {
    kFrame,  // payload() is the next event
    kEnd,    // nothing more before `limit`
    kTorn,   // what stands here is no whole frame: the end of a write that was cut off, or damage
  };

  // Frames from `offset` on. The file outlives the reader.
  explicit JournalReader(const File& file, std::uint64_t offset = 0) : file_(&file), offset_(offset) {}

  // limit: how much of the file counts (it may be growing).
  Next next(std::uint64_t limit);

  std::string_view payload() const { return payload_; }  // valid until the next call
  std::uint64_t offset() const { return offset_; }       // where the next frame starts

 private:
  std::string_view window(std::size_t bytes, std::uint64_t limit);

  const File* file_;
  std::uint64_t offset_;
  std::string buffer_;  // file bytes from buffer_offset_ on
  std::uint64_t buffer_offset_ = 0;
  std::string_view payload_;
};

}  // namespace mft::session
