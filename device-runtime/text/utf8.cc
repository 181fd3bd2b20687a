#include "text/utf8.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace mft {
namespace {

unsigned byte_at(std::string_view s, std::size_t i) { return static_cast<unsigned char>(s[i]); }

struct Sequence {
  std::size_t length;  // valid: of the sequence; otherwise of its maximal valid part, at least 1
  bool valid;
  bool cut;  // the bytes ended before it was decided
};

// The sequence at s[0], by table 3-7 of the Unicode standard. s is not empty.
Sequence sequence_at(std::string_view s) {
  const unsigned lead = byte_at(s, 0);
  if (lead < 0x80) return {1, true, false};
  if (lead < 0xC2 || lead > 0xF4) return {1, false, false};
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  unsigned low = 0x80;
  unsigned high = 0xBF;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  for (std::size_t i = 1; i < length; ++i) {
    if (i >= s.size()) return {i, false, true};
    const unsigned next = byte_at(s, i);
    if (next < low || next > high) return {i, false, false};
    low = 0x80;
    high = 0xBF;
  }
  return {length, true, false};
}

std::uint64_t count_lines(std::string_view s) {
  return static_cast<std::uint64_t>(std::count(s.begin(), s.end(), '\n'));
}

[[noreturn]] void fail_not_utf8(std::uint64_t offset, std::uint64_t line) {
  throw Failure("data.not-utf8",
                "the text is not UTF-8: line " + std::to_string(line) + ", byte " + std::to_string(offset),
                "Convert it, for example: iconv -f WINDOWS-1252 -t UTF-8 FILE > converted.txt");
}

}  // namespace

std::size_t valid_utf8_prefix(std::string_view bytes, bool* cut) {
  *cut = false;
  std::size_t at = 0;
  while (at < bytes.size()) {
    at += ascii_prefix(bytes.substr(at));
    if (at == bytes.size()) break;
    const Sequence sequence = sequence_at(bytes.substr(at));
    if (!sequence.valid) {
      *cut = sequence.cut;
      return at;
    }
    at += sequence.length;
  }
  return at;
}

void Utf8Checker::feed(std::string_view piece) {
  while (held_ > 0 && !piece.empty()) {  // finish the sequence that the last piece cut
    front_[held_++] = piece.front();
    piece.remove_prefix(1);
    const Sequence sequence = sequence_at({front_, held_});
    if (!sequence.valid && !sequence.cut) fail_not_utf8(checked_, lines_ + 1);
    if (sequence.valid) {
      checked_ += held_;
      held_ = 0;
    }
  }
  bool cut = false;
  const std::size_t valid = valid_utf8_prefix(piece, &cut);
  const std::string_view rest = piece.substr(valid);
  lines_ += count_lines(piece.substr(0, valid));
  checked_ += valid;
  if (rest.empty()) return;
  if (!cut) fail_not_utf8(checked_, lines_ + 1);
  std::memcpy(front_, rest.data(), rest.size());
  held_ = rest.size();
}

void Utf8Checker::finish() const {
  if (held_ > 0) fail_not_utf8(checked_, lines_ + 1);
}

void append_utf8(std::uint32_t code_point, std::string& out) {
  const auto tail = [&](int shift) {
    out.push_back(static_cast<char>(0x80 | (code_point >> shift & 0x3F)));
  };
  if (code_point < 0x80) {
    out.push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    out.push_back(static_cast<char>(0xC0 | code_point >> 6));
    tail(0);
  } else if (code_point < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | code_point >> 12));
    tail(6);
    tail(0);
  } else {
    out.push_back(static_cast<char>(0xF0 | code_point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

std::size_t invalid_utf8_part(std::string_view bytes) { return sequence_at(bytes).length; }

std::string replace_invalid_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    bool cut = false;
    const std::size_t valid = valid_utf8_prefix(bytes, &cut);
    out.append(bytes.substr(0, valid));
    bytes.remove_prefix(valid);
    if (bytes.empty()) break;
    out.append("\xEF\xBF\xBD");
    bytes.remove_prefix(sequence_at(bytes).length);
  }
  return out;
}

}  // namespace mft
