#include "text/token_file.h"

#include "base/error.h"
#include "text/token_layout.h"

namespace mft {
namespace {

[[noreturn]] void bad(const std::string& path, const char* what) {
  throw Failure("data.bad-token-file", path + " is not a whole token file: " + what,
                "Remove it; it is made again.");
}

}  // namespace

TokenFile TokenFile::open(const std::string& path) {
  TokenFile tokens{MappedFile(path)};
  const MappedFile& file = tokens.file_;
  TokenHeader header;
  if (file.size() < sizeof(header)) bad(path, "shorter than its header");
  std::memcpy(&header, file.data(), sizeof(header));
  if (std::memcmp(header.magic, kTokenMagic, sizeof(header.magic)) != 0) bad(path, "it begins otherwise");
  if (header.id_bytes != 2 && header.id_bytes != 4) bad(path, "unknown width of ids");
  const bool of_records = header.format != v1::DATA_FORMAT_TEXT;
  if (!v1::DataFormat_IsValid(static_cast<int>(header.format)) || header.format == v1::DATA_FORMAT_UNSPECIFIED)
    bad(path, "unknown format");
  // Neither count is more than the file's bytes, so nothing below can overflow.
  if (header.count > file.size() || header.records > file.size()) bad(path, "its size is wrong");
  const std::uint64_t ids_end = sizeof(header) + header.count * header.id_bytes;
  const std::uint64_t learned_begin = padded(ids_end);
  const std::uint64_t ends_begin = padded(learned_begin + (header.count + 7) / 8);
  const std::uint64_t end = of_records ? ends_begin + 8 * header.records : ids_end;
  if (end != file.size() || (!of_records && header.records != 0)) bad(path, "its size is wrong");
  tokens.ids_ = file.data() + sizeof(header);
  if (of_records) {
    tokens.learned_ = file.data() + learned_begin;
    tokens.ends_ = file.data() + ends_begin;
  }
  tokens.format_ = static_cast<v1::DataFormat>(header.format);
  tokens.count_ = header.count;
  tokens.records_ = header.records;
  tokens.truncated_ = header.truncated;
  tokens.skipped_ = header.skipped;
  tokens.text_bytes_ = header.text_bytes;
  tokens.wide_ = header.id_bytes == 4;
  const auto copy = [](Sha256Digest& to, const std::uint8_t* from) { std::memcpy(to.data(), from, to.size()); };
  copy(tokens.tokenizer_sha256_, header.tokenizer_sha256);
  copy(tokens.text_sha256_, header.text_sha256);
  copy(tokens.options_sha256_, header.options_sha256);
  if (of_records && (header.records == 0 ? 0 : tokens.record_end(header.records - 1)) != header.count)
    bad(path, "its records end elsewhere");
  return tokens;
}

std::uint64_t TokenFile::record_end(std::uint64_t record) const {
  std::uint64_t end;
  std::memcpy(&end, ends_ + 8 * record, 8);
  return end;
}

std::pair<std::uint64_t, std::uint64_t> TokenFile::record(std::uint64_t record) const {
  if (record >= records_) throw Failure("internal", "record " + std::to_string(record) + " of a token file");
  const std::uint64_t begin = record == 0 ? 0 : record_end(record - 1);
  const std::uint64_t end = record_end(record);
  if (begin >= end || end > count_) bad(file_.path(), "a record has no tokens");
  return {begin, end};
}

}  // namespace mft
