// The lines of a text that comes in pieces, each looked at where it is: a line of any length takes no memory
// here. JSON Lines (docs/data.md) is read through it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace mft {

// Writes up to `capacity` bytes to `buffer` and returns how many; 0 at the end.
using ByteReader = std::function<std::size_t(char* buffer, std::size_t capacity)>;

// Of bytes that are there already and outlive it.
ByteReader reader_of(std::string_view bytes);

class LineSource {
 public:
  static constexpr std::size_t kMaxLineBytes = std::size_t{64} << 20;

  // name: of the file, for messages. A byte order mark at its start is left out.
  LineSource(ByteReader read, std::string name, std::size_t max_line_bytes = kMaxLineBytes);

  const std::string& name() const { return name_; }
  std::uint64_t line() const { return line_; }    // from 1; 0 before the first
  std::uint64_t column() const { return taken_; }  // bytes of the line that were taken

  // To the start of the next line; false: there is none. At the end of the line before only (at_hand()
  // empty).
  bool next_line();
  // The next bytes of the line, at least one; empty at its end. Valid until the next call of any function.
  std::string_view at_hand();
  // Takes bytes of what is at hand. Failure data.bad-record when the line is too long.
  void take(std::size_t bytes);

  // "FILE line N: expected E, found F". Never the text itself: it may be private.
  [[noreturn]] void fail(const std::string& expected, const std::string& found) const;

 private:
  bool fill();  // false: the end

  ByteReader read_;
  std::string name_;
  std::size_t max_line_bytes_;
  std::vector<char> buffer_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;       // of the bytes in the buffer
  std::size_t line_end_ = 0;  // of the line's bytes in the buffer
  bool ended_ = false;
  std::uint64_t line_ = 0;
  std::uint64_t taken_ = 0;
};

}  // namespace mft
