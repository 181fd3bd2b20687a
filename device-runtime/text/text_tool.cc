// The text room by hand and for tests that compare with other tokenizers. Records: each after its count of
// items (u32).
//   text_tool encode TOKENIZER.BIN FILE [--plain]   ids, little-endian i32, on stdout
//   text_tool cases TOKENIZER.BIN FILE [--plain]    of records of text; records of ids
//   text_tool decode TOKENIZER.BIN FILE [--skip-special]   of records of ids; records of text
//   text_tool records TOKENIZER.BIN DATA.PB FILE OUT   FILE as DataConfig in DATA.PB says, tokenized into OUT; on
//     stdout a line a record: [ids, which of them are learned]
//   text_tool nfc FILE                              of records of text; records of their normal form
//   text_tool classes   one byte a code point: 0 other, 1 letter, 2 number, 3 space; plus 4: a word's character
//   text_tool bench TOKENIZER.BIN FILE              MB/s on stderr
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "text/nfc.h"
#include "text/tokenize.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace mft {
namespace {

void write_out(const void* data, std::size_t bytes) {
  if (bytes > 0 && std::fwrite(data, 1, bytes, stdout) != bytes) fail_io("write", "stdout", errno);
}

void encode(const std::string& tables, const std::string& path, SpecialText special, bool print) {
  Tokenizer tokenizer = Tokenizer::open(tables);
  const File file = File::open_read(path);
  std::uint64_t offset = 0;
  std::uint64_t tokens = 0;
  const std::uint64_t begin = monotonic_us();
  tokenizer.encode_stream(
      [&](char* buffer, std::size_t capacity) {
        const std::size_t got = file.read_at(buffer, capacity, offset);
        offset += got;
        return got;
      },
      [&](const std::int32_t* ids, std::size_t count) {
        tokens += count;
        if (print) write_out(ids, count * sizeof(*ids));
      },
      special);
  const std::uint64_t us = monotonic_us() - begin;
  if (!print) {
    std::fprintf(stderr, "%llu bytes, %llu tokens, %.1f MB/s\n", static_cast<unsigned long long>(offset),
                 static_cast<unsigned long long>(tokens),
                 static_cast<double>(offset) / static_cast<double>(us + 1));
  }
}

// The records of a file, each after its u32 count of items.
std::vector<std::string> read_records(const std::string& path, std::size_t item_bytes) {
  const std::string all = read_all(path, std::uint64_t{1} << 30);
  std::vector<std::string> records;
  for (std::size_t at = 0; at < all.size();) {
    std::uint32_t count = 0;
    if (all.size() - at < sizeof(count)) throw Failure("io.cut-off", path + " ends inside a length");
    std::memcpy(&count, all.data() + at, sizeof(count));
    at += sizeof(count);
    if ((all.size() - at) / item_bytes < count) throw Failure("io.cut-off", path + " ends inside a record");
    records.push_back(all.substr(at, count * item_bytes));
    at += count * item_bytes;
  }
  return records;
}

void cases(const std::string& tables, const std::string& path, SpecialText special) {
  Tokenizer tokenizer = Tokenizer::open(tables);
  for (const std::string& text : read_records(path, 1)) {
    std::vector<std::int32_t> ids;
    tokenizer.encode(text, ids, special);
    const auto count = static_cast<std::uint32_t>(ids.size());
    write_out(&count, sizeof(count));
    write_out(ids.data(), ids.size() * sizeof(ids[0]));
  }
}

void decode(const std::string& tables, const std::string& path, bool skip_special) {
  const Tokenizer tokenizer = Tokenizer::open(tables);
  for (const std::string& record : read_records(path, sizeof(std::int32_t))) {
    std::vector<std::int32_t> ids(record.size() / sizeof(std::int32_t));
    if (!ids.empty()) std::memcpy(ids.data(), record.data(), record.size());
    const std::string text = tokenizer.decode(ids, skip_special);
    const auto bytes = static_cast<std::uint32_t>(text.size());
    write_out(&bytes, sizeof(bytes));
    write_out(text.data(), text.size());
  }
}

void records(const std::string& tables, const std::string& config, const std::string& path,
             const std::string& out) {
  v1::DataConfig data;
  if (!data.ParseFromString(read_all(config, 1 << 20)))
    throw Failure("io.failed", config + " is no DataConfig");
  const auto vocabulary = static_cast<std::uint32_t>(Tokenizer::open(tables).vocab_size());
  const TokenFile tokens = tokenize_file(path, tables, out, tokenize_options(data, data.train(), vocabulary));
  for (std::uint64_t i = 0; i < tokens.records(); ++i) {
    const auto [begin, end] = tokens.record(i);
    std::string ids;
    std::string learned;
    for (std::uint64_t at = begin; at < end; ++at) {
      ids += (at > begin ? "," : "") + std::to_string(tokens.at(at));
      learned += std::string(at > begin ? "," : "") + (tokens.learned(at) ? "1" : "0");
    }
    const std::string line = "[[" + ids + "],[" + learned + "]]\n";
    write_out(line.data(), line.size());
  }
}

void normalize(const std::string& path) {
  for (const std::string& text : read_records(path, 1)) {
    std::string normal;
    append_nfc(text, true, normal);
    const auto bytes = static_cast<std::uint32_t>(normal.size());
    write_out(&bytes, sizeof(bytes));
    write_out(normal.data(), normal.size());
  }
}

void classes() {
  std::string all(0x110000, '\0');
  for (std::uint32_t c = 0; c < 0x110000; ++c)
    all[c] = static_cast<char>(static_cast<int>(class_of(c)) | (is_word(c) ? 4 : 0));
  write_out(all.data(), all.size());
}

int run(std::vector<std::string> args) {
  const std::string flag = !args.empty() && args.back().starts_with("--") ? args.back() : "";
  if (!flag.empty()) args.pop_back();
  const std::string command = args.empty() ? "" : args[0] + std::to_string(args.size()) + flag;
  const SpecialText special = flag == "--plain" ? SpecialText::kPlain : SpecialText::kMatch;
  if (command == "encode3" || command == "encode3--plain") {
    encode(args[1], args[2], special, true);
  } else if (command == "cases3" || command == "cases3--plain") {
    cases(args[1], args[2], special);
  } else if (command == "bench3") {
    encode(args[1], args[2], SpecialText::kMatch, false);
  } else if (command == "decode3" || command == "decode3--skip-special") {
    decode(args[1], args[2], !flag.empty());
  } else if (command == "records5") {
    records(args[1], args[2], args[3], args[4]);
  } else if (command == "nfc2") {
    normalize(args[1]);
  } else if (command == "classes1") {
    classes();
  } else {
    std::fprintf(stderr,
                 "usage: text_tool encode|cases TOKENIZER.BIN FILE [--plain] | decode TOKENIZER.BIN FILE "
                 "[--skip-special] | bench TOKENIZER.BIN FILE | records TOKENIZER.BIN DATA.PB FILE OUT | "
                 "nfc FILE | classes\n");
    return 2;
  }
  if (std::fflush(stdout) != 0) fail_io("write", "stdout", errno);
  return 0;
}

}  // namespace
}  // namespace mft

int main(int argc, char** argv) {
  try {
    return mft::run(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const mft::Failure& failure) {
    std::fprintf(stderr, "%s: %s\n%s\n", failure.code().c_str(), failure.what(), failure.hint().c_str());
    return 1;
  }
}
