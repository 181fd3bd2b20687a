// Token files made by hand, for tests only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "text/token_file.h"
#include "text/token_writer.h"

namespace mft {

// One record: its ids; of each whether it is learned ('1'), all when it is empty.
struct TestRecord {
  std::vector<std::int32_t> ids;
  std::string learned;
};

// The ids 0, 1, ... count - 1 as a plain text.
inline TokenFile counting_file(const std::string& path, std::uint64_t count, bool wide = false) {
  TokenWriter writer(path, wide, false);
  for (std::int32_t id = 0; static_cast<std::uint64_t>(id) < count; ++id) writer.append(&id, 1);
  TokenHeader header{};
  header.format = v1::DATA_FORMAT_TEXT;
  writer.commit(header);
  return TokenFile::open(path);
}

inline TokenFile record_file(const std::string& path, const std::vector<TestRecord>& records,
                             v1::DataFormat format = v1::DATA_FORMAT_IDS) {
  TokenWriter writer(path, false, true);
  for (const TestRecord& record : records) {
    std::vector<bool> learned(record.ids.size(), record.learned.empty());
    for (std::size_t i = 0; i < record.learned.size(); ++i) learned[i] = record.learned[i] == '1';
    writer.append_record(record.ids, learned);
  }
  TokenHeader header{};
  header.format = static_cast<std::uint32_t>(format);
  writer.commit(header);
  return TokenFile::open(path);
}

}  // namespace mft
