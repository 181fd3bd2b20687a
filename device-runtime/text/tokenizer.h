// Text to token ids and back, over tables compiled on the host and mapped here (docs/tokenizer-format.md;
// written by src/model/tokenizer/). Equal to Hugging Face's `tokenizers` for what the format can express.
// What this file does not do: read JSON, put the tokens of the template (BOS) around a text by itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mft {

class AddedTokens;
class TokenizerTables;
class WordEncoder;

// A pre-token (a word, a run of spaces, ...) longer than this is Failure data.word-too-long: BPE needs it
// whole, with 20 to 40 bytes of memory for each of its bytes, and a phone has only so much.
inline constexpr std::size_t kMaxWordBytes = std::size_t{4} << 20;

// What to do with special tokens that stand in the text, such as "<|endoftext|>".
enum class SpecialText {
  kMatch,  // they become their ids, as Hugging Face does by default
  kPlain,  // they are text like any other (added tokens that aren't special are still matched)
};

class Tokenizer {
 public:
  // Maps `path` (tokenizer.bin) and checks every offset and id in it once. Failure tokenizer.bad-file when it
  // is not one, is of another version, or is damaged.
  static Tokenizer open(const std::string& path);
  // The same over bytes in memory, which are copied.
  static Tokenizer from_bytes(std::string_view bytes);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Appends the ids of `utf8` to `out`. Failure data.not-utf8 (with the byte offset), data.word-too-long.
  // Uses a cache of words: one thread at a time.
  void encode(std::string_view utf8, std::vector<std::int32_t>& out,
              SpecialText special = SpecialText::kMatch);

  // Encodes what `read` delivers, in memory bounded by kMaxWordBytes whatever the size; equal to encoding the
  // whole at once. read(buffer, capacity) returns the bytes it wrote there, 0 at the end; it may cut code
  // points anywhere. `emit` gets the ids in order, some thousands a call. Failures as encode's.
  using Read = std::function<std::size_t(char* buffer, std::size_t capacity)>;
  using Emit = std::function<void(const std::int32_t* ids, std::size_t count)>;
  void encode_stream(const Read& read, const Emit& emit, SpecialText special = SpecialText::kMatch);

  // The text of tokens, as Hugging Face's decode: valid UTF-8, what isn't is replaced by U+FFFD (maximal
  // subparts; with byte fallback every byte of a row that is not UTF-8 as a whole). Failure tokenizer.bad-id
  // for an id out of range.
  std::string decode(const std::vector<std::int32_t>& ids, bool skip_special = false) const;

  // What stands before and behind a whole text, as `add_special_tokens` puts it there
  // (docs/tokenizer-format.md).
  const std::vector<std::int32_t>& prefix() const;
  const std::vector<std::int32_t>& suffix() const;

  std::int32_t vocab_size() const;  // ids are below it; a model's embedding may have more rows
  // Ids of what text becomes are below it, but for added tokens: a model may lack rows for these (Gemma 3's
  // text models for <image_soft_token>).
  std::int32_t text_vocab_size() const;
  std::int32_t bos() const;         // -1: none
  std::int32_t eos() const;         // -1: none

  const TokenizerTables& tables() const { return *tables_; }

  // Heap operations (push or pop) of all merges so far, for tests of linear time.
  std::uint64_t heap_operations() const;

 private:
  explicit Tokenizer(std::unique_ptr<TokenizerTables> tables);
  std::unique_ptr<TokenizerTables> tables_;
  std::unique_ptr<WordEncoder> words_;
  std::unique_ptr<AddedTokens> raw_added_;
  std::unique_ptr<AddedTokens> normal_added_;
};

}  // namespace mft
