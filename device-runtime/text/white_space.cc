#include "text/white_space.h"

#include "text/unicode.h"

namespace mft {

// Unicode's White_Space, and the separators U+001C to U+001F, which Python counts by their bidirectional class.
bool is_python_space(std::uint32_t c) {
  return class_of(c) == CharClass::kSpace || (c >= 0x1C && c <= 0x1F);
}

std::string_view strip(std::string_view text) {
  while (!text.empty()) {
    const CodePoint first = decode_valid(text.data());
    if (!is_python_space(first.value)) break;
    text.remove_prefix(first.bytes);
  }
  while (!text.empty()) {
    std::size_t at = text.size() - 1;
    while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
    if (!is_python_space(decode_valid(text.data() + at).value)) break;
    text.remove_suffix(text.size() - at);
  }
  return text;
}

}  // namespace mft
