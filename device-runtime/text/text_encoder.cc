#include "text/text_encoder.h"

#include <algorithm>

#include "base/error.h"
#include "text/pretokenizer.h"
#include "text/tokenizer.h"

namespace mft {
namespace {

// Length of `text` up to the last whole sequence; text is valid UTF-8 cut at its end.
std::size_t whole_sequences(std::string_view text) {
  for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if (byte < 0x80) break;
    if (byte < 0xC0) continue;
    const std::size_t length = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    return length > back ? text.size() - back : text.size();
  }
  return text.size();
}

[[noreturn]] void fail_word(std::uint64_t offset) {
  throw Failure("data.word-too-long",
                "the text has more than " + std::to_string(kMaxWordBytes >> 20) +
                    " MiB of one kind of character without a break at byte " + std::to_string(offset),
                "Split or leave out what stands there: it is not text to learn from.");
}

}  // namespace

TextEncoder::TextEncoder(const TokenizerTables& tables, WordEncoder& words, bool with_special)
    : tables_(tables),
      words_(words),
      added_{AddedTokens(tables, false, with_special), AddedTokens(tables, true, with_special)} {}

std::size_t TextEncoder::encode_front(std::string_view text, bool final, std::uint64_t offset,
                                      std::vector<std::int32_t>& out) {
  return encode_level(0, text, final, offset, out);
}

std::size_t TextEncoder::encode_level(std::size_t level, std::string_view text, bool final,
                                      std::uint64_t offset, std::vector<std::int32_t>& out) {
  if (level == std::size(added_)) return encode_words(text, final, offset, out);
  const AddedTokens& added = added_[level];
  std::size_t done = 0;
  for (;;) {
    const std::string_view rest = text.substr(done);
    const AddedTokens::Match match = added.find(rest);
    // Before `sure` no added token can begin that is not seen yet.
    const std::size_t hold_back = final || added.longest() == 0 ? 0 : added.longest() - 1;
    const std::size_t sure = rest.size() - std::min(rest.size(), hold_back);
    if (match.bytes == 0 || match.begin >= sure) {
      const std::string_view front = final && match.bytes == 0 ? rest : rest.substr(0, sure);
      return done + encode_level(level + 1, front, final, offset + done, out);
    }
    encode_level(level + 1, rest.substr(0, match.begin), true, offset + done, out);
    out.push_back(static_cast<std::int32_t>(match.id));
    done += match.begin + match.bytes;
  }
}

std::size_t TextEncoder::encode_words(std::string_view text, bool final, std::uint64_t offset,
                                      std::vector<std::int32_t>& out) {
  if (!final) text = text.substr(0, whole_sequences(text));
  const char* const end = text.data() + text.size();
  const char* at = text.data();
  while (at < end) {
    const PreToken token = next_pretoken(tables_.pre_tokenizer(), at, end);
    const auto done = static_cast<std::size_t>(at - text.data());
    if (token.open && !final) {
      // All the rest is one pre-token, but for the few bytes by which a run of spaces may end earlier.
      if (text.size() - done > kMaxWordBytes + 16) fail_word(offset + done);
      return done;
    }
    if (token.bytes > kMaxWordBytes) fail_word(offset + done);
    words_.encode({at, token.bytes}, out);
    at += token.bytes;
  }
  return text.size();
}

}  // namespace mft
