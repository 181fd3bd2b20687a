#include "session/journal_reader.h"

#include <algorithm>
#include <cstring>

#include "base/crc32c.h"
#include "base/error.h"
#include "session/frames.h"

namespace mft::session {
namespace {

constexpr std::size_t kPiece = 64 * 1024;
constexpr std::size_t kCrcBytes = 4;

std::uint32_t load32(const char* p) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(p[i]);
  return value;
}

}  // namespace

// Up to `bytes` of the file at offset_, fewer at the limit.
std::string_view JournalReader::window(std::size_t bytes, std::uint64_t limit) {
  bytes = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, limit - offset_));
  if (offset_ < buffer_offset_ || offset_ + bytes > buffer_offset_ + buffer_.size()) {
    const std::size_t want =
        static_cast<std::size_t>(std::min<std::uint64_t>(std::max(bytes, kPiece), limit - offset_));
    buffer_.resize(want);
    buffer_.resize(file_->read_at(buffer_.data(), want, offset_));
    buffer_offset_ = offset_;
  }
  const std::size_t from = static_cast<std::size_t>(offset_ - buffer_offset_);
  return std::string_view(buffer_).substr(from, bytes);
}

JournalReader::Next JournalReader::next(std::uint64_t limit) {
  if (offset_ >= limit) return Next::kEnd;
  try {
    const std::optional<FrameHead> head = read_head(window(kMaxHead, limit));
    if (!head) return Next::kTorn;
    const std::size_t covered = head->bytes + head->length;
    const std::string_view frame = window(covered + kCrcBytes, limit);
    if (frame.size() < covered + kCrcBytes) return Next::kTorn;
    if (crc32c(frame.data(), covered) != load32(frame.data() + covered)) return Next::kTorn;
    payload_ = frame.substr(head->bytes, head->length);
    offset_ += frame.size();
    return Next::kFrame;
  } catch (const Failure& failure) {
    if (failure.code() != "session.malformed") throw;
    return Next::kTorn;
  }
}

}  // namespace mft::session
