#include "text/tokenize.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "text/record_encoder.h"
#include "text/records.h"
#include "text/token_layout.h"
#include "text/token_writer.h"
#include "text/tokenizer.h"

namespace mft {
namespace {

constexpr std::uint64_t kProgressBytes = 1 << 20;

// The file if it is there, whole, and made of these inputs.
std::optional<TokenFile> open_if_fresh(const std::string& path, const Sha256Digest& tokenizer,
                                       const std::string& text_path, std::uint64_t text_bytes,
                                       const Sha256Digest& options, const TokenProgress& progress) {
  if (!stat_path(path)) return std::nullopt;
  std::optional<TokenFile> file;
  try {
    file = TokenFile::open(path);
  } catch (const Failure& failure) {
    if (failure.code() != "data.bad-token-file") throw;
    return std::nullopt;
  }
  if (file->tokenizer_sha256() != tokenizer || file->text_bytes() != text_bytes ||
      file->options_sha256() != options)
    return std::nullopt;
  const auto hashed = [&](std::uint64_t done) {
    if (progress) progress(done, text_bytes);
  };
  if (sha256_file(text_path, hashed) != file->text_sha256()) return std::nullopt;
  return file;
}

// Reads a file from its start, hashing what it gives.
class HashedText {
 public:
  HashedText(const std::string& path, std::uint64_t bytes, const TokenProgress& progress)
      : file_(File::open_read(path)), bytes_(bytes), progress_(progress) {}

  std::size_t operator()(char* buffer, std::size_t capacity) {
    const std::size_t got = file_.read_at(buffer, capacity, offset_);
    hash_.update(buffer, got);
    offset_ += got;
    if (progress_ && (offset_ - reported_ >= kProgressBytes || got == 0)) {
      reported_ = offset_;
      progress_(offset_, bytes_);
    }
    return got;
  }
  void finish(TokenHeader& header) {
    const Sha256Digest digest = hash_.finish();
    std::memcpy(header.text_sha256, digest.data(), digest.size());
    header.text_bytes = offset_;
  }

 private:
  File file_;
  std::uint64_t bytes_;
  const TokenProgress& progress_;
  Sha256 hash_;
  std::uint64_t offset_ = 0;
  std::uint64_t reported_ = 0;
};

ByteReader reader_of_file(const std::string& path) {
  return [file = std::make_shared<File>(File::open_read(path)), offset = std::uint64_t{0}](
             char* buffer, std::size_t capacity) mutable {
    const std::size_t got = file->read_at(buffer, capacity, offset);
    offset += got;
    return got;
  };
}

void write_text(HashedText& text, Tokenizer& tokenizer, TokenWriter& writer) {
  const std::vector<std::int32_t>& prefix = tokenizer.prefix();
  writer.append(prefix.data(), prefix.size());
  tokenizer.encode_stream([&](char* buffer, std::size_t capacity) { return text(buffer, capacity); },
                          [&](const std::int32_t* ids, std::size_t count) { writer.append(ids, count); });
  if (writer.count() == prefix.size())
    throw Failure("data.empty", "the text is empty", "Give a text with something to learn from.");
  writer.append(tokenizer.suffix().data(), tokenizer.suffix().size());
}

RecordRules rules_of(const TokenizeOptions& options, v1::DataFormat format) {
  RecordRules rules;
  rules.format = format;
  rules.fields = field_names(options.fields);
  rules.chat = options.chat;
  rules.chat_refusal = options.chat_refusal;
  rules.learn_all = options.learn_all;
  rules.id_limit = options.id_limit;
  if (options.max_tokens != 0) rules.max_ids = options.max_tokens;
  return rules;
}

void write_records(HashedText& text, const std::string& name, const RecordRules& rules, Tokenizer& tokenizer,
                   TokenWriter& writer, TokenHeader& header) {
  const ByteReader read = [&](char* buffer, std::size_t capacity) { return text(buffer, capacity); };
  RecordReader reader(read, name, rules);
  RecordEncoder encoder(tokenizer, rules.max_ids);
  Record record;
  EncodedRecord encoded;
  while (reader.next(record)) {
    try {
      encoder.encode(record, encoded);
    } catch (const Failure& failure) {
      if (!failure.code().starts_with("data.")) throw;
      throw Failure(failure.code(),
                    name + " line " + std::to_string(reader.line()) + ": " + failure.what() + " of a field",
                    failure.hint());
    }
    if (!encoded.anything_to_learn()) {
      header.skipped += 1;
      continue;
    }
    if (encoded.truncated()) header.truncated += 1;
    writer.append_record(encoded.ids, encoded.learned);
  }
  if (writer.records() > 0) return;
  if (header.skipped == 0)
    throw Failure("data.empty", name + " has no record", "Give a file with something to learn from.");
  throw Failure("data.empty",
                name + ": there is nothing to learn in any of its " + std::to_string(header.skipped) +
                    " records" +
                    (rules.max_ids == UINT64_MAX ? ""
                                                 : " within " + std::to_string(rules.max_ids) + " tokens"),
                "Use a longer data.sequence_length, or data.mask_prompt: false to learn prompts, too.");
}

void write_token_file(const std::string& text_path, std::uint64_t text_bytes,
                      const std::string& tokenizer_path, const Sha256Digest& tokenizer_sha256,
                      const std::string& out_path, const TokenizeOptions& options,
                      const TokenProgress& progress) {
  const std::string& name = options.name.empty() ? text_path : options.name;
  v1::DataFormat format = options.format;
  if (format == v1::DATA_FORMAT_UNSPECIFIED)
    format = recognize_format(reader_of_file(text_path), name, field_names(options.fields));
  Tokenizer tokenizer = Tokenizer::open(tokenizer_path);
  HashedText text(text_path, text_bytes, progress);
  const bool is_text = format == v1::DATA_FORMAT_TEXT;
  const std::uint32_t ids = std::max(static_cast<std::uint32_t>(tokenizer.vocab_size()),
                                     format == v1::DATA_FORMAT_IDS ? options.id_limit : 0);
  TokenWriter writer(out_path, ids > 0x10000, !is_text);
  TokenHeader header{};
  header.format = static_cast<std::uint32_t>(format);
  if (is_text) {
    try {
      write_text(text, tokenizer, writer);
    } catch (const Failure& failure) {
      if (!failure.code().starts_with("data.")) throw;
      throw Failure(failure.code(), name + ": " + failure.what(), failure.hint());
    }
  } else {
    write_records(text, name, rules_of(options, format), tokenizer, writer, header);
  }
  text.finish(header);
  std::memcpy(header.tokenizer_sha256, tokenizer_sha256.data(), tokenizer_sha256.size());
  const Sha256Digest digest = digest_of(options);
  std::memcpy(header.options_sha256, digest.data(), digest.size());
  writer.commit(header);
}

}  // namespace

TokenizeOptions tokenize_options(const v1::DataConfig& data, const v1::DataFile& file,
                                 std::uint32_t vocab_size) {
  TokenizeOptions options;
  options.name = file.display_name().empty() ? file.device_path() : file.display_name();
  options.format = data.format();
  options.fields = data.fields();
  if (data.has_chat()) options.chat = data.chat();
  options.chat_refusal = data.chat_refusal();
  options.learn_all = data.learn_all();
  options.max_tokens = data.packing() == v1::PACKING_WRAP ? 0 : std::uint64_t{data.sequence_length()} + 1;
  options.id_limit = vocab_size;
  return options;
}

Sha256Digest digest_of(const TokenizeOptions& options) {
  if (options.format == v1::DATA_FORMAT_TEXT) return sha256("text");
  Sha256 hash;
  const auto add = [&](const std::string& part) {
    const std::uint64_t bytes = part.size();
    hash.update(&bytes, sizeof(bytes));
    hash.update(part.data(), part.size());
  };
  add(std::to_string(static_cast<int>(options.format)));
  add(options.learn_all ? "all" : "answers");
  add(std::to_string(options.max_tokens));
  add(std::to_string(options.id_limit));
  add(options.chat ? options.chat->SerializeAsString() : "");
  // protobuf's maps have no order.
  for (const auto& [usual, name] :
       std::map<std::string, std::string>(options.fields.names().begin(), options.fields.names().end())) {
    add(usual);
    add(name);
  }
  return hash.finish();
}

TokenFile tokenize_file(const std::string& text_path, const std::string& tokenizer_path,
                        const std::string& out_path, const TokenizeOptions& options,
                        const TokenProgress& progress) {
  const std::string& name = options.name.empty() ? text_path : options.name;
  const std::optional<FileInfo> info = stat_path(text_path);
  if (!info) throw Failure("data.not-found", "there is no file " + name, "Check the path of the data.");
  if (info->is_directory)
    throw Failure("data.not-a-file", name + " is a folder", "Give one file in UTF-8.");
  const Sha256Digest tokenizer = sha256_file(tokenizer_path);
  if (auto fresh = open_if_fresh(out_path, tokenizer, text_path, info->bytes, digest_of(options), progress))
    return std::move(*fresh);
  write_token_file(text_path, info->bytes, tokenizer_path, tokenizer, out_path, options, progress);
  return TokenFile::open(out_path);
}

}  // namespace mft
