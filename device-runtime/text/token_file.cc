#include "text/token_file.h"

#include <optional>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "text/tokenizer.h"

namespace mft {
namespace {

constexpr char kMagic[] = "MFTTOKS1";
constexpr std::uint64_t kProgressBytes = 1 << 20;

struct Header {
  char magic[8];
  std::uint32_t id_bytes;
  std::uint32_t zero;
  std::uint64_t count;
  std::uint64_t text_bytes;
  std::uint8_t tokenizer_sha256[32];
  std::uint8_t text_sha256[32];
  std::uint8_t reserved[32];
};
static_assert(sizeof(Header) == 128);

[[noreturn]] void bad(const std::string& path, const char* what) {
  throw Failure("data.bad-token-file", path + " is not a whole token file: " + what,
                "Remove it; it is made again.");
}

// The file if it is there, whole, and made of these inputs.
std::optional<TokenFile> open_if_fresh(const std::string& path, const Sha256Digest& tokenizer,
                                       const std::string& text_path, std::uint64_t text_bytes,
                                       const TokenProgress& progress) {
  if (!stat_path(path)) return std::nullopt;
  std::optional<TokenFile> file;
  try {
    file = TokenFile::open(path);
  } catch (const Failure& failure) {
    if (failure.code() != "data.bad-token-file") throw;
    return std::nullopt;
  }
  if (file->tokenizer_sha256() != tokenizer || file->text_bytes() != text_bytes) return std::nullopt;
  const auto hashed = [&](std::uint64_t done) {
    if (progress) progress(done, text_bytes);
  };
  if (sha256_file(text_path, hashed) != file->text_sha256()) return std::nullopt;
  return file;
}

// Collects ids as the file stores them.
class Writer {
 public:
  Writer(File& file, bool wide) : file_(file), wide_(wide) {}

  void append(const std::int32_t* ids, std::size_t count) {
    if (wide_) {
      file_.write(ids, 4 * count);
    } else {
      narrow_.assign(ids, ids + count);
      file_.write(narrow_.data(), 2 * count);
    }
    count_ += count;
  }
  std::uint64_t count() const { return count_; }

 private:
  File& file_;
  bool wide_;
  std::vector<std::uint16_t> narrow_;
  std::uint64_t count_ = 0;
};

void write_token_file(const std::string& text_path, std::uint64_t text_bytes,
                      const std::string& tokenizer_path, const Sha256Digest& tokenizer_sha256,
                      const std::string& out_path, const TokenProgress& progress) {
  Tokenizer tokenizer = Tokenizer::open(tokenizer_path);
  const File text = File::open_read(text_path);
  AtomicFile out(out_path);
  Header header{};
  out.file().write(&header, sizeof(header));
  const bool wide = tokenizer.vocab_size() > 0x10000;
  Writer writer(out.file(), wide);

  Sha256 hash;
  std::uint64_t offset = 0;
  std::uint64_t reported = 0;
  const auto read = [&](char* buffer, std::size_t capacity) {
    const std::size_t got = text.read_at(buffer, capacity, offset);
    hash.update(buffer, got);
    offset += got;
    if (progress && (offset - reported >= kProgressBytes || got == 0)) {
      reported = offset;
      progress(offset, text_bytes);
    }
    return got;
  };
  const std::vector<std::int32_t>& prefix = tokenizer.prefix();
  writer.append(prefix.data(), prefix.size());
  tokenizer.encode_stream(read,
                          [&](const std::int32_t* ids, std::size_t count) { writer.append(ids, count); });
  if (writer.count() == prefix.size())
    throw Failure("data.empty", "the text is empty", "Give a text with something to learn from.");
  writer.append(tokenizer.suffix().data(), tokenizer.suffix().size());

  const Sha256Digest text_sha256 = hash.finish();
  std::memcpy(header.magic, kMagic, sizeof(header.magic));
  header.id_bytes = wide ? 4 : 2;
  header.count = writer.count();
  header.text_bytes = offset;
  std::memcpy(header.tokenizer_sha256, tokenizer_sha256.data(), tokenizer_sha256.size());
  std::memcpy(header.text_sha256, text_sha256.data(), text_sha256.size());
  out.file().write_at(&header, sizeof(header), 0);
  out.commit();
}

}  // namespace

TokenFile TokenFile::open(const std::string& path) {
  TokenFile tokens{MappedFile(path)};
  const MappedFile& file = tokens.file_;
  Header header;
  if (file.size() < sizeof(header)) bad(path, "shorter than its header");
  std::memcpy(&header, file.data(), sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(header.magic)) != 0) bad(path, "it begins otherwise");
  if (header.id_bytes != 2 && header.id_bytes != 4) bad(path, "unknown width of ids");
  const std::uint64_t id_bytes = file.size() - sizeof(header);
  if (id_bytes % header.id_bytes != 0 || id_bytes / header.id_bytes != header.count)
    bad(path, "its size is wrong");
  tokens.ids_ = file.data() + sizeof(header);
  tokens.count_ = header.count;
  tokens.text_bytes_ = header.text_bytes;
  tokens.wide_ = header.id_bytes == 4;
  std::memcpy(tokens.tokenizer_sha256_.data(), header.tokenizer_sha256, sizeof(header.tokenizer_sha256));
  std::memcpy(tokens.text_sha256_.data(), header.text_sha256, sizeof(header.text_sha256));
  return tokens;
}

TokenFile tokenize_file(const std::string& text_path, const std::string& tokenizer_path,
                        const std::string& out_path, const TokenProgress& progress) {
  const std::optional<FileInfo> info = stat_path(text_path);
  if (!info) throw Failure("data.not-found", "there is no file " + text_path, "Check the path of the data.");
  if (info->is_directory)
    throw Failure("data.not-a-file", text_path + " is a folder", "Give one UTF-8 text file.");
  const Sha256Digest tokenizer = sha256_file(tokenizer_path);
  if (auto fresh = open_if_fresh(out_path, tokenizer, text_path, info->bytes, progress))
    return std::move(*fresh);
  try {
    write_token_file(text_path, info->bytes, tokenizer_path, tokenizer, out_path, progress);
  } catch (const Failure& failure) {
    if (!failure.code().starts_with("data.")) throw;
    throw Failure(failure.code(), text_path + ": " + failure.what(), failure.hint());
  }
  return TokenFile::open(out_path);
}

}  // namespace mft
