#include "text/json_reader.h"

#include <charconv>
#include <cstdio>

#include "text/utf8.h"

namespace mft {
namespace {

const char* name_of(JsonType type) {
  switch (type) {
    case JsonType::kObject:
      return "an object";
    case JsonType::kList:
      return "a list";
    case JsonType::kString:
      return "a string";
    case JsonType::kNumber:
      return "a number";
    case JsonType::kBool:
      return "true or false";
    case JsonType::kNull:
      return "null";
  }
  return "";
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

bool is_digit(int c) { return c >= '0' && c <= '9'; }

std::string at(const std::string& what, const std::string& where) {
  return where.empty() ? what : what + " in " + where;
}

std::string hex(unsigned value, int digits) {
  char text[16];
  std::snprintf(text, sizeof(text), "%0*X", digits, value);
  return text;
}

}  // namespace

void JsonReader::fail(const std::string& expected, const std::string& found) const {
  source_.fail(expected, found);
}

void JsonReader::fail_syntax(const std::string& expected) {
  const std::string place = "at byte " + std::to_string(source_.column() + 1);
  const std::string_view next = source_.at_hand();
  if (next.empty()) fail(expected, "the end of the line " + place);
  const auto byte = static_cast<unsigned char>(next.front());
  const bool shown = byte >= 0x20 && byte < 0x7F;
  fail(expected, (shown ? "another character" : "byte 0x" + hex(byte, 2)) + " " + place);
}

bool JsonReader::next_record() {
  empty_.clear();
  while (source_.next_line()) {
    if (peek() >= 0) return true;
  }
  return false;
}

int JsonReader::peek() {
  for (;;) {
    const std::string_view bytes = source_.at_hand();
    if (bytes.empty()) return -1;
    std::size_t count = 0;
    while (count < bytes.size() && is_space(bytes[count])) ++count;
    const int next = count < bytes.size() ? static_cast<unsigned char>(bytes[count]) : -1;
    source_.take(count);
    if (next >= 0) return next;
  }
}

JsonType JsonReader::type(const std::string& where) {
  const int next = peek();
  if (next == '{') return JsonType::kObject;
  if (next == '[') return JsonType::kList;
  if (next == '"') return JsonType::kString;
  if (next == '-' || is_digit(next)) return JsonType::kNumber;
  if (next == 't' || next == 'f') return JsonType::kBool;
  if (next == 'n') return JsonType::kNull;
  fail_syntax(at("a value", where));
}

std::string JsonReader::found() { return name_of(type("")); }

void JsonReader::expect_type(JsonType expected, const std::string& where) {
  if (const JsonType other = type(where); other != expected)
    fail(at(name_of(expected), where), name_of(other));
}

void JsonReader::open(JsonType type, const std::string& where) {
  expect_type(type, where);
  if (empty_.size() == kMaxDepth)
    fail("values nested at most " + std::to_string(kMaxDepth) + " deep", "deeper ones");
  source_.take(1);
  empty_.push_back(true);
}

bool JsonReader::next_item(char close) {
  const int next = peek();
  if (next == close) {
    source_.take(1);
    empty_.pop_back();
    return false;
  }
  if (empty_.back()) {
    empty_.back() = false;
    return true;
  }
  if (next != ',') fail_syntax(std::string("a comma or ") + close);
  source_.take(1);
  return true;
}

void JsonReader::begin_object(const std::string& where) { open(JsonType::kObject, where); }

bool JsonReader::next_key(std::string& key) {
  if (!next_item('}')) return false;
  if (peek() != '"') fail_syntax("a field's name in quotes");
  key.clear();
  scan_string(&key, kMaxKeyBytes + 1);
  if (key.size() > kMaxKeyBytes) key.clear();
  if (peek() != ':') fail_syntax("a colon after a field's name");
  source_.take(1);
  return true;
}

void JsonReader::begin_list(const std::string& where) { open(JsonType::kList, where); }

bool JsonReader::next_element() { return next_item(']'); }

void JsonReader::read_string(std::string& out, const std::string& where) {
  expect_type(JsonType::kString, where);
  out.clear();
  scan_string(&out, LineSource::kMaxLineBytes);
}

bool JsonReader::read_bool(const std::string& where) {
  expect_type(JsonType::kBool, where);
  const bool value = peek() == 't';
  scan_word(value ? "true" : "false");
  return value;
}

std::int64_t JsonReader::read_integer(const std::string& where) {
  expect_type(JsonType::kNumber, where);
  const std::string digits = scan_number(32);
  std::int64_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value);
  if (error != std::errc() || stop != end) fail(at("a whole number", where), "another number");
  return value;
}

// With a stack of its own: begin and end of what is open stand in empty_ and in `closers`.
void JsonReader::skip() {
  std::string closers;
  std::string key;
  do {
    bool more = true;
    if (!closers.empty()) more = closers.back() == '}' ? next_key(key) : next_element();
    if (!more) {
      closers.pop_back();
      continue;
    }
    switch (type("")) {
      case JsonType::kObject:
        begin_object("");
        closers.push_back('}');
        break;
      case JsonType::kList:
        begin_list("");
        closers.push_back(']');
        break;
      case JsonType::kString:
        scan_string(nullptr, 0);
        break;
      case JsonType::kNumber:
        scan_number(0);
        break;
      case JsonType::kBool:
        read_bool("");
        break;
      case JsonType::kNull:
        scan_word("null");
        break;
    }
  } while (!closers.empty());
}

void JsonReader::end_record() {
  if (peek() >= 0) fail_syntax("the end of the line after the record");
}

// Appends up to about `limit` bytes to `out`; what is longer is checked all the same.
void JsonReader::scan_string(std::string* out, std::size_t limit) {
  source_.take(1);
  Utf8Checker checker;
  std::uint64_t others = source_.column();  // bytes of the line that the checker did not see
  const auto not_utf8 = [&]() {
    throw Failure("data.not-utf8",
                  source_.name() + " is not UTF-8: line " + std::to_string(source_.line()) + ", after byte " +
                      std::to_string(others + checker.checked()) + " of it",
                  "Convert it, for example: iconv -f WINDOWS-1252 -t UTF-8 FILE > converted.jsonl");
  };
  for (;;) {
    const std::string_view bytes = source_.at_hand();
    if (bytes.empty()) fail_syntax("a closing quote");
    std::size_t count = 0;
    while (count < bytes.size()) {
      const auto byte = static_cast<unsigned char>(bytes[count]);
      if (byte == '"' || byte == '\\' || byte < 0x20) break;
      ++count;
    }
    const std::string_view plain = bytes.substr(0, count);
    const int next = count < bytes.size() ? static_cast<unsigned char>(bytes[count]) : -1;
    try {
      checker.feed(plain);
      if (next >= 0) checker.finish();
    } catch (const Failure&) {
      not_utf8();
    }
    if (out != nullptr && out->size() < limit) out->append(plain.substr(0, limit - out->size()));
    source_.take(count);
    if (next < 0) continue;
    if (next == '"') {
      source_.take(1);
      return;
    }
    if (next != '\\') fail_syntax("no control character in a string (write \\n for a line feed)");
    const std::uint64_t backslash = source_.column();
    source_.take(1);
    scan_escape(out != nullptr && out->size() < limit ? out : nullptr);
    others += source_.column() - backslash;
  }
}

void JsonReader::scan_escape(std::string* out) {
  constexpr std::string_view kNames = "\"\\/bfnrt";
  constexpr std::string_view kBytes = "\"\\/\b\f\n\r\t";
  const std::string_view bytes = source_.at_hand();
  const char name = bytes.empty() ? '\0' : bytes.front();
  if (const std::size_t known = kNames.find(name); known != std::string_view::npos) {
    if (out != nullptr) out->push_back(kBytes[known]);
    return source_.take(1);
  }
  if (name != 'u') fail_syntax("one of \" \\ / b f n r t u after a backslash");
  source_.take(1);
  std::uint32_t unit = scan_hex();
  if (unit >= 0xD800 && unit < 0xE000) {
    const std::string half = "\\u" + hex(unit, 4) + ", which is half of a pair";
    if (unit >= 0xDC00) fail("no second half of a surrogate pair without the first", half);
    for (const char expected : {'\\', 'u'}) {
      const std::string_view next = source_.at_hand();
      if (next.empty() || next.front() != expected) fail("a surrogate pair", half);
      source_.take(1);
    }
    const std::uint32_t low = scan_hex();
    if (low < 0xDC00 || low >= 0xE000) fail("a surrogate pair", half);
    unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
  }
  if (out != nullptr) append_utf8(unit, *out);
}

std::uint32_t JsonReader::scan_hex() {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const std::string_view next = source_.at_hand();
    const char c = next.empty() ? '\0' : next.front();
    const char lower = static_cast<char>(c | 0x20);
    if (is_digit(c)) {
      value = value << 4 | static_cast<std::uint32_t>(c - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      value = value << 4 | static_cast<std::uint32_t>(lower - 'a' + 10);
    } else {
      fail_syntax("four hexadecimal digits after \\u");
    }
    source_.take(1);
  }
  return value;
}

void JsonReader::scan_word(std::string_view word) {
  for (const char expected : word) {
    const std::string_view next = source_.at_hand();
    if (next.empty() || next.front() != expected) fail_syntax(std::string(word));
    source_.take(1);
  }
}

// Returns the first `keep` bytes of it.
std::string JsonReader::scan_number(std::size_t keep) {
  std::string kept;
  const auto next = [&]() -> int {
    const std::string_view bytes = source_.at_hand();
    return bytes.empty() ? -1 : static_cast<unsigned char>(bytes.front());
  };
  const auto take = [&]() {
    if (kept.size() < keep) kept.push_back(static_cast<char>(next()));
    source_.take(1);
  };
  const auto digits = [&]() {
    if (!is_digit(next())) fail_syntax("a digit of a number");
    while (is_digit(next())) take();
  };
  if (next() == '-') take();
  if (next() == '0') {
    take();
  } else {
    digits();
  }
  if (next() == '.') {
    take();
    digits();
  }
  if (next() == 'e' || next() == 'E') {
    take();
    if (next() == '+' || next() == '-') take();
    digits();
  }
  return kept;
}

}  // namespace mft
