// Records from a string, for tests only.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "text/records.h"

namespace mft {

inline std::vector<Record> records_of(const std::string& lines, const RecordRules& rules) {
  RecordReader reader(reader_of(lines), "data.jsonl", rules);
  std::vector<Record> records;
  for (Record record; reader.next(record);) records.push_back(record);
  return records;
}

inline std::string record_error(const std::string& lines, const RecordRules& rules) {
  try {
    records_of(lines, rules);
  } catch (const Failure& failure) {
    return failure.code() + ": " + failure.what();
  }
  return "";
}

// Learned pieces in brackets: "user[assistant]".
inline std::string shown(const std::vector<Piece>& pieces) {
  std::string text;
  for (const Piece& piece : pieces) text += piece.learned ? "[" + piece.text + "]" : piece.text + "|";
  return text;
}

}  // namespace mft
