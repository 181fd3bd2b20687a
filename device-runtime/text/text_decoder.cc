#include "text/text_decoder.h"

#include "text/utf8.h"

namespace mft {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr std::string_view kMark = "\xE2\x96\x81";  // U+2581

}  // namespace

TextDecoder::TextDecoder(const TokenizerTables& tables, bool skip_special)
    : tables_(tables), skip_special_(skip_special), at_front_(tables.strips_front_space()) {}

void TextDecoder::push(std::uint32_t id, std::string& out) {
  if (skip_special_ && tables_.is_special(id)) return;
  const std::string_view bytes = tables_.token(id);
  if (!tables_.by_characters()) {
    held_.append(bytes);
    bool cut = false;
    std::size_t valid = valid_utf8_prefix(held_, &cut);
    while (valid < held_.size() && !cut) {  // an invalid part in the middle
      const std::size_t part = invalid_utf8_part(std::string_view(held_).substr(valid));
      append(std::string_view(held_).substr(0, valid), out);
      append(kReplacement, out);
      held_.erase(0, valid + part);
      valid = valid_utf8_prefix(held_, &cut);
    }
    append(std::string_view(held_).substr(0, valid), out);
    held_.erase(0, valid);
    return;
  }
  if (tables_.is_byte(id)) {
    held_.append(bytes);
    return;
  }
  finish_bytes(out);
  std::string_view rest = bytes;
  for (std::size_t mark = rest.find(kMark); mark != rest.npos; mark = rest.find(kMark)) {
    append(rest.substr(0, mark), out);
    append(" ", out);
    rest.remove_prefix(mark + kMark.size());
  }
  append(rest, out);
}

void TextDecoder::finish(std::string& out) {
  if (tables_.by_characters()) {
    finish_bytes(out);
  } else {
    append(replace_invalid_utf8(held_), out);
    held_.clear();
  }
}

void TextDecoder::finish_bytes(std::string& out) {
  bool cut = false;
  if (valid_utf8_prefix(held_, &cut) == held_.size()) {
    append(held_, out);
  } else {
    for (std::size_t i = 0; i < held_.size(); ++i) append(kReplacement, out);
  }
  held_.clear();
}

void TextDecoder::append(std::string_view text, std::string& out) {
  if (at_front_ && !text.empty()) {
    at_front_ = false;
    if (text.front() == ' ') text.remove_prefix(1);
  }
  out.append(text);
}

}  // namespace mft
