#include "text/line_source.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace mft {
namespace {

constexpr std::size_t kBufferBytes = 1 << 16;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

ByteReader reader_of(std::string_view bytes) {
  return [bytes](char* buffer, std::size_t capacity) mutable {
    const std::size_t count = std::min(capacity, bytes.size());
    std::copy_n(bytes.data(), count, buffer);
    bytes.remove_prefix(count);
    return count;
  };
}

LineSource::LineSource(ByteReader read, std::string name, std::size_t max_line_bytes)
    : read_(std::move(read)), name_(std::move(name)), max_line_bytes_(max_line_bytes), buffer_(kBufferBytes) {
  while (end_ < kByteOrderMark.size() && !ended_) {
    const std::size_t got = read_(buffer_.data() + end_, kBufferBytes - end_);
    ended_ = got == 0;
    end_ += got;
  }
  if (std::string_view(buffer_.data(), end_).starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
  line_end_ = at_;
}

bool LineSource::fill() {
  if (at_ < end_) return true;
  if (ended_) return false;
  at_ = 0;
  end_ = read_(buffer_.data(), kBufferBytes);
  ended_ = end_ == 0;
  line_end_ = 0;
  return !ended_;
}

bool LineSource::next_line() {
  if (line_ > 0) {
    if (!at_hand().empty()) throw Failure("internal", "a line is left before its end");
    if (!fill()) return false;
    at_ += 1;  // the line feed
  }
  if (!fill()) return false;
  line_ += 1;
  taken_ = 0;
  line_end_ = at_;
  return true;
}

std::string_view LineSource::at_hand() {
  if (at_ == line_end_) {
    if (!fill() || buffer_[at_] == '\n') return {};
    const void* const feed = std::memchr(buffer_.data() + at_, '\n', end_ - at_);
    line_end_ =
        feed == nullptr ? end_ : static_cast<std::size_t>(static_cast<const char*>(feed) - buffer_.data());
  }
  // Not beyond the first byte that is too many: what is wrong behind it must not be found before it.
  const std::size_t allowed = max_line_bytes_ + 1 - static_cast<std::size_t>(taken_);
  return {buffer_.data() + at_, std::min(line_end_ - at_, allowed)};
}

void LineSource::take(std::size_t bytes) {
  at_ += bytes;
  taken_ += bytes;
  if (taken_ > max_line_bytes_)
    fail("a line of at most " + std::to_string(max_line_bytes_) + " bytes", "a longer one");
}

void LineSource::fail(const std::string& expected, const std::string& found) const {
  throw Failure("data.bad-record",
                name_ + " line " + std::to_string(line_) + ": expected " + expected + ", found " + found,
                "Each line holds one record in JSON; docs/data.md has an example of each format.");
}

}  // namespace mft
