#include "base/error.h"

namespace mft {
namespace {

constexpr std::size_t kLongest = 4000;  // a message tells where to look, not what all is there

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

std::string readable(std::string_view text) {
  std::size_t length = text.size();
  if (length > kLongest) {
    length = kLongest;
    while (length > 0 && continues_character(text[length])) --length;
  }
  std::string out(text.substr(0, length));
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7F) c = '?';
  }
  if (length < text.size()) out += "...";
  return out;
}

}  // namespace mft
