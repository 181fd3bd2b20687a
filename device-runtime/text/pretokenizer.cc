#include "text/pretokenizer.h"

#include "text/unicode.h"

namespace mft {
namespace {

CharClass class_at(const char* p, std::uint32_t* bytes) {
  const CodePoint c = decode_valid(p);
  *bytes = c.bytes;
  return class_of(c.value);
}

// Reads code points forwards and remembers whether it ran into the end.
struct Cursor {
  const char* begin;
  const char* at;
  const char* end;
  bool numbers_end = false;  // a number is an end too, one that more text would not move
  bool open = false;

  bool more() {
    if (at == end) {
      open = true;
      return false;
    }
    std::uint32_t bytes = 0;
    return !numbers_end || class_at(at, &bytes) != CharClass::kNumber;
  }
  CodePoint peek() const { return decode_valid(at); }
  PreToken token() const { return {static_cast<std::size_t>(at - begin), open}; }
};

// [class]+ from where the cursor is.
void take_run(Cursor& c, CharClass wanted) {
  std::uint32_t bytes = 0;
  while (c.more() && class_at(c.at, &bytes) == wanted) c.at += bytes;
}

// 's|'t|'re|'ve|'m|'ll|'d, where the cursor stands on an apostrophe. fold: as (?i:...) with Unicode folding,
// in which U+017F (long s) is an s. The cursor moves only on a match.
bool take_contraction(Cursor& c, bool fold) {
  Cursor look = c;
  ++look.at;
  const auto letter = [&]() -> char {
    if (!look.more()) return 0;
    const CodePoint p = look.peek();
    look.at += p.bytes;
    if (fold && p.value == 0x17F) return 's';
    if (p.value >= 0x80) return 0;
    const char ch = static_cast<char>(p.value);
    return fold && ch >= 'A' && ch <= 'Z' ? static_cast<char>(ch - 'A' + 'a') : ch;
  };
  const char first = letter();
  bool match = first == 's' || first == 't' || first == 'm' || first == 'd';
  if (first == 'r' || first == 'v' || first == 'l') {
    const char second = letter();
    match = second == (first == 'l' ? 'l' : 'e');
  }
  c.open = c.open || look.open;
  if (match) c.at = look.at;
  return match;
}

// \s+(?!\S)|\s+ : a run of spaces up to the end of the text; before anything else all but its last, if it has
// several.
void take_spaces(Cursor& c) {
  const char* last = c.at;
  std::uint32_t bytes = 0;
  while (c.more()) {
    if (class_at(c.at, &bytes) != CharClass::kSpace) {
      if (last > c.begin) c.at = last;
      return;
    }
    last = c.at;
    c.at += bytes;
  }
}

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
PreToken next_gpt2(const char* text, const char* end, bool numbers_end) {
  Cursor c{text, text, end, numbers_end};
  if (*text == '\'' && take_contraction(c, false)) return c.token();
  const char* start = text;
  if (*text == ' ') {
    ++c.at;
    if (!c.more()) return c.token();
    start = c.at;
  }
  std::uint32_t bytes = 0;
  const CharClass kind = class_at(start, &bytes);
  if (kind != CharClass::kSpace) {
    take_run(c, kind);
  } else {
    c.at = text;
    take_spaces(c);
  }
  return c.token();
}

bool is_newline(std::uint32_t code_point) { return code_point == '\r' || code_point == '\n'; }

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,max_digits}|
// ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|
// \s+(?!\S)|\s+     (Qwen2: max_digits 1; Llama 3: 3)
PreToken next_split(const char* text, const char* end, int max_digits) {
  Cursor c{text, text, end};
  if (*text == '\'' && take_contraction(c, true)) return c.token();
  const CodePoint first = c.peek();
  const CharClass kind = class_of(first.value);
  if (kind == CharClass::kLetter) {
    take_run(c, CharClass::kLetter);
    return c.token();
  }
  if (kind == CharClass::kNumber) {
    std::uint32_t bytes = 0;
    for (int i = 0; i < max_digits && c.more() && class_at(c.at, &bytes) == CharClass::kNumber; ++i)
      c.at += bytes;
    return c.token();
  }
  std::uint32_t bytes = 0;
  c.at += first.bytes;
  const bool any_after = c.more();
  const CharClass second = any_after ? class_at(c.at, &bytes) : CharClass::kSpace;
  if (!is_newline(first.value) && any_after && second == CharClass::kLetter) {
    take_run(c, CharClass::kLetter);
    return c.token();
  }
  if (kind == CharClass::kOther || (first.value == ' ' && any_after && second == CharClass::kOther)) {
    take_run(c, CharClass::kOther);
    while (c.more() && is_newline(c.peek().value)) ++c.at;
    return c.token();
  }
  // Spaces: up to the last newline of the run, if it has one.
  c.at = text;
  const char* after_newline = nullptr;
  while (c.more() && class_at(c.at, &bytes) == CharClass::kSpace) {
    const bool newline = is_newline(c.peek().value);
    c.at += bytes;
    if (newline) after_newline = c.at;
  }
  if (after_newline != nullptr) {
    c.at = after_newline;
    return c.token();
  }
  c.at = text;
  take_spaces(c);
  return c.token();
}

// Each \p{N} alone, and the stretches between them as texts of their own for GPT-2's expression ("a  1" is
// "a", "  ", "1"): SmolLM2's Digits, then ByteLevel.
PreToken next_digits(const char* text, const char* end) {
  std::uint32_t bytes = 0;
  if (class_at(text, &bytes) == CharClass::kNumber) return {bytes, false};
  return next_gpt2(text, end, true);
}

}  // namespace

PreToken next_pretoken(PreTokenizerKind kind, const char* text, const char* end) {
  switch (kind) {
    case PreTokenizerKind::kGpt2:
      return next_gpt2(text, end, false);
    case PreTokenizerKind::kQwen2:
      return next_split(text, end, 1);
    case PreTokenizerKind::kLlama3:
      return next_split(text, end, 3);
    case PreTokenizerKind::kDigits:
      return next_digits(text, end);
    case PreTokenizerKind::kWhole:
      break;
  }
  return {static_cast<std::size_t>(end - text), true};
}

}  // namespace mft
