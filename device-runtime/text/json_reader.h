// Reads one line of JSON Lines, strictly (RFC 8259), in the order in which it stands: what nobody asks for is
// checked and takes no memory. Nesting up to kMaxDepth. Every function throws Failure data.bad-record with
// file and line, or data.not-utf8, when something else stands there; messages name fields that the caller
// knows, never what the file says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/line_source.h"

namespace mft {

enum class JsonType { kObject, kList, kString, kNumber, kBool, kNull };

class JsonReader {
 public:
  static constexpr std::size_t kMaxDepth = 64;
  static constexpr std::size_t kMaxKeyBytes = 1024;  // a longer key is none that anybody knows

  // In every function `where` says which value it is, for messages: "field \"text\"".
  explicit JsonReader(LineSource& source) : source_(source) {}

  // To the next line that is not blank; false: there is none.
  bool next_record();

  JsonType type(const std::string& where);  // of the value that comes
  // An object: begin_object, then next_key and a value until next_key says false.
  void begin_object(const std::string& where);
  bool next_key(std::string& key);  // empty for a key of more than kMaxKeyBytes, too
  // A list: begin_list, then a value for every true of next_element.
  void begin_list(const std::string& where);
  bool next_element();
  void read_string(std::string& out, const std::string& where);  // UTF-8
  bool read_bool(const std::string& where);
  // A number without fraction and exponent that fits.
  std::int64_t read_integer(const std::string& where);
  void skip();  // any value
  // The end of the line, after the record's value.
  void end_record();

  // What the value that comes is, for messages: "a number".
  std::string found();
  [[noreturn]] void fail(const std::string& expected, const std::string& found) const;

 private:
  int peek();  // the byte that comes, after white space; -1: the end of the line
  void expect_type(JsonType type, const std::string& where);
  void open(JsonType type, const std::string& where);
  bool next_item(char close);
  void scan_string(std::string* out, std::size_t limit);
  void scan_escape(std::string* out);
  std::uint32_t scan_hex();
  void scan_word(std::string_view word);
  std::string scan_number(std::size_t keep);
  [[noreturn]] void fail_syntax(const std::string& expected);

  LineSource& source_;
  std::vector<bool> empty_;  // of each open object and list: nothing read in it yet
};

}  // namespace mft
