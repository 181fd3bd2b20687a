#include "text/tokenizer.h"

#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"
#include "text/added_tokens.h"
#include "text/text_decoder.h"
#include "text/text_encoder.h"
#include "text/tokenizer_tables.h"
#include "text/utf8.h"
#include "text/word_encoder.h"

namespace mft {
namespace {

constexpr std::size_t kReadBytes = 1 << 16;
// A word, and what is held back for added tokens behind it.
constexpr std::size_t kMaxHeldBytes = kMaxWordBytes + (std::size_t{1} << 18);

std::int32_t id_or_none(std::uint32_t id) { return id == kNoToken ? -1 : static_cast<std::int32_t>(id); }

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<TokenizerTables> tables)
    : tables_(std::move(tables)),
      words_(std::make_unique<WordEncoder>(*tables_)),
      raw_added_(std::make_unique<AddedTokens>(*tables_, false)),
      normal_added_(std::make_unique<AddedTokens>(*tables_, true)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&& other) noexcept {
  words_ = std::move(other.words_);  // these before the tables that they refer to
  raw_added_ = std::move(other.raw_added_);
  normal_added_ = std::move(other.normal_added_);
  tables_ = std::move(other.tables_);
  return *this;
}
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::open(const std::string& path) {
  return Tokenizer(std::make_unique<TokenizerTables>(MappedFile(path, MappedFile::Access::kRandom)));
}

Tokenizer Tokenizer::from_bytes(std::string_view bytes) {
  return Tokenizer(std::make_unique<TokenizerTables>(bytes));
}

void Tokenizer::encode(std::string_view utf8, std::vector<std::int32_t>& out, SpecialText special) {
  Utf8Checker checker;
  checker.feed(utf8);
  checker.finish();
  TextEncoder encoder(*tables_, *words_, *raw_added_, *normal_added_, special == SpecialText::kMatch);
  encoder.encode_front(utf8, true, 0, out);
}

void Tokenizer::encode_stream(const Read& read, const Emit& emit, SpecialText special) {
  TextEncoder encoder(*tables_, *words_, *raw_added_, *normal_added_, special == SpecialText::kMatch);
  Utf8Checker checker;
  std::vector<char> buffer(kReadBytes);
  std::vector<std::int32_t> ids;
  std::size_t held = 0;      // bytes at the front of the buffer that are not encoded yet
  std::uint64_t offset = 0;  // of the buffer in the text
  std::size_t next_try =
      1;  // bytes held before the next attempt: a long word is looked at again when it has doubled
  for (;;) {
    if (buffer.size() - held < kReadBytes) buffer.resize(held + kReadBytes);
    const std::size_t got = read(buffer.data() + held, kReadBytes);
    if (got > kReadBytes) throw Failure("internal", "a reader wrote more than its buffer holds");
    checker.feed({buffer.data() + held, got});
    held += got;
    const bool final = got == 0;
    if (final) checker.finish();
    if (!final && held < next_try) continue;
    const std::size_t whole = held - checker.unfinished();
    const std::size_t done = encoder.encode_front({buffer.data(), whole}, final, offset, ids);
    if (!ids.empty()) emit(ids.data(), ids.size());
    ids.clear();
    buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(done));
    held -= done;
    offset += done;
    if (!final && held > kMaxHeldBytes) fail_word(offset);
    next_try = std::min(2 * held, kMaxWordBytes + kReadBytes);
    if (final) return;
  }
}

std::string Tokenizer::decode(const std::vector<std::int32_t>& ids, bool skip_special) const {
  std::string text;
  TextDecoder decoder(*tables_, skip_special);
  for (const std::int32_t id : ids) {
    if (id < 0 || static_cast<std::uint32_t>(id) >= tables_->token_count()) {
      throw Failure("tokenizer.bad-id", "the tokenizer has no token " + std::to_string(id) +
                                            "; its ids are below " + std::to_string(tables_->token_count()));
    }
    decoder.push(static_cast<std::uint32_t>(id), text);
  }
  decoder.finish(text);
  return text;
}

const std::vector<std::int32_t>& Tokenizer::prefix() const { return tables_->prefix(); }
const std::vector<std::int32_t>& Tokenizer::suffix() const { return tables_->suffix(); }
std::int32_t Tokenizer::vocab_size() const { return static_cast<std::int32_t>(tables_->token_count()); }
std::int32_t Tokenizer::text_vocab_size() const {
  return static_cast<std::int32_t>(tables_->text_token_count());
}
std::int32_t Tokenizer::bos() const { return id_or_none(tables_->bos()); }
std::int32_t Tokenizer::eos() const { return id_or_none(tables_->eos()); }
std::uint64_t Tokenizer::heap_operations() const { return words_->heap_operations(); }

}  // namespace mft
