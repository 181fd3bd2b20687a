#include "text/token_writer.h"

#include <algorithm>
#include <cstring>

namespace mft {
namespace {

constexpr std::size_t kBufferBytes = 1 << 16;

// It goes with the process, whatever ends it.
File without_name(const std::string& path) {
  File file = File::create(path);
  remove_file(path);
  return file;
}

}  // namespace

void TokenWriter::Part::write(const void* data, std::size_t bytes) {
  if (buffer_.size() + bytes > kBufferBytes) flush();
  bytes_ += bytes;
  if (bytes > kBufferBytes) return file_.write(data, bytes);
  const char* const from = static_cast<const char*>(data);
  buffer_.insert(buffer_.end(), from, from + bytes);
}

void TokenWriter::Part::flush() {
  if (!buffer_.empty()) file_.write(buffer_.data(), buffer_.size());
  buffer_.clear();
}

TokenWriter::TokenWriter(const std::string& path, bool wide, bool with_records)
    : wide_(wide),
      with_records_(with_records),
      out_(path),
      learned_file_(without_name(path + ".learned.tmp")),
      ends_file_(without_name(path + ".ends.tmp")),
      ids_(out_.file()),
      learned_(learned_file_),
      ends_(ends_file_) {
  const TokenHeader empty{};
  ids_.write(&empty, sizeof(empty));
}

void TokenWriter::append(const std::int32_t* ids, std::size_t count) {
  if (wide_) {
    ids_.write(ids, 4 * count);
  } else {
    narrow_.assign(ids, ids + count);
    ids_.write(narrow_.data(), 2 * count);
  }
  count_ += count;
}

void TokenWriter::append_record(const std::vector<std::int32_t>& ids, const std::vector<bool>& learned) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto bit = static_cast<unsigned>((count_ + i) % 8);
    bits_ = static_cast<std::uint8_t>(bits_ | (learned[i] ? 1u << bit : 0u));
    if (bit != 7) continue;
    learned_.write(&bits_, 1);
    bits_ = 0;
  }
  append(ids.data(), ids.size());
  ends_.write(&count_, sizeof(count_));
  records_ += 1;
}

void TokenWriter::pad() {
  constexpr char kZeros[8] = {};
  ids_.write(kZeros, static_cast<std::size_t>(padded(ids_.bytes()) - ids_.bytes()));
}

void TokenWriter::append_part(File& from, std::uint64_t bytes) {
  std::vector<char> buffer(kBufferBytes);
  for (std::uint64_t done = 0; done < bytes;) {
    const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(bytes - done, buffer.size()));
    from.read_exactly_at(buffer.data(), piece, done);
    ids_.write(buffer.data(), piece);
    done += piece;
  }
}

void TokenWriter::commit(TokenHeader header) {
  if (with_records_) {
    if (count_ % 8 != 0) learned_.write(&bits_, 1);
    learned_.flush();
    ends_.flush();
    pad();
    append_part(learned_file_, learned_.bytes());
    pad();
    append_part(ends_file_, ends_.bytes());
  }
  ids_.flush();
  std::memcpy(header.magic, kTokenMagic, sizeof(header.magic));
  header.id_bytes = wide_ ? 4 : 2;
  header.count = count_;
  header.records = records_;
  out_.file().write_at(&header, sizeof(header), 0);
  out_.commit();
}

}  // namespace mft
