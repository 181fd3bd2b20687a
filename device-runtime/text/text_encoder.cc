#include "text/text_encoder.h"

#include <algorithm>

#include "base/error.h"
#include "text/nfc.h"
#include "text/pretokenizer.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

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

// What `text` ends with, before `end`; end > 0.
CodePoint character_before(std::string_view text, std::size_t end) {
  std::size_t at = end - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return decode_valid(text.data() + at);
}

// Start of the white space that ends at `end`, not before `begin`.
std::size_t space_before(std::string_view text, std::size_t begin, std::size_t end) {
  while (end > begin) {
    const CodePoint c = character_before(text, end);
    if (class_of(c.value) != CharClass::kSpace || end - begin < c.bytes) break;
    end -= c.bytes;
  }
  return end;
}

// End of the white space that begins at `at`.
std::size_t space_behind(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    const CodePoint c = decode_valid(text.data() + at);
    if (class_of(c.value) != CharClass::kSpace) break;
    at += c.bytes;
  }
  return at;
}

// Length of the front of `text` that merges leave to itself: up to the first two neighbours that none joins.
PreToken next_apart(const TokenizerTables& tables, const char* text, const char* end) {
  CodePoint last = decode_valid(text);
  const char* at = text + last.bytes;
  while (at < end) {
    const CodePoint next = decode_valid(at);
    if (!tables.may_join(last.value, next.value)) return {static_cast<std::size_t>(at - text), false};
    at += next.bytes;
    last = next;
  }
  return {static_cast<std::size_t>(at - text), true};
}

}  // namespace

void fail_word(std::uint64_t offset) {
  throw Failure("data.word-too-long",
                "the text has more than " + std::to_string(kMaxWordBytes >> 20) +
                    " MiB of one kind of character without a break at byte " + std::to_string(offset),
                "Split or leave out what stands there: it is not text to learn from.");
}

TextEncoder::TextEncoder(const TokenizerTables& tables, WordEncoder& words, const AddedTokens& raw,
                         const AddedTokens& normal, bool with_special)
    : tables_(tables), words_(words), with_special_(with_special), levels_{{&raw}, {&normal}} {}

std::size_t TextEncoder::encode_front(std::string_view text, bool final, std::uint64_t offset,
                                      std::vector<std::int32_t>& out) {
  return encode_level(0, text, final, offset, out);
}

// As find_matches of Hugging Face's added vocabulary: the white space that a token takes, and whether it
// counts at all, are decided after the search, which goes on behind the token's own bytes.
TextEncoder::Bounds TextEncoder::bounds_of(const Level& level, const AddedTokens::Match& match,
                                           std::string_view text, std::size_t done, bool final) const {
  const AddedToken& token = *match.token;
  Bounds bounds{match.begin, match.begin + match.bytes, true, false};
  if (token.special && !with_special_) bounds.taken = false;
  if (token.single_word && bounds.taken) {
    const bool before =
        bounds.begin == 0 ? level.after_word : is_word(character_before(text, bounds.begin).value);
    const bool behind = bounds.end < text.size() && is_word(decode_valid(text.data() + bounds.end).value);
    bounds.taken = !before && !behind;
    bounds.wait = !final && bounds.end == text.size();
  }
  if (token.lstrip) bounds.begin = space_before(text, std::min(done, bounds.begin), bounds.begin);
  if (token.rstrip) {
    bounds.end = space_behind(text, bounds.end);
    // Another added token may begin inside of the white space.
    bounds.wait = bounds.wait || (!final && text.size() - bounds.end < level.added->longest());
  }
  return bounds;
}

std::size_t TextEncoder::encode_level(std::size_t number, std::string_view text, bool final,
                                      std::uint64_t offset, std::vector<std::int32_t>& out) {
  Level& level = levels_[number];
  const AddedTokens& added = *level.added;
  // Before `sure` no added token can begin that is not seen yet.
  const std::size_t hold_back = final || added.longest() == 0 ? 0 : added.longest() - 1;
  std::size_t sure = text.size() - std::min(text.size(), hold_back);
  std::size_t done = 0;  // encoded
  std::size_t scan = 0;  // searched
  for (;;) {
    const AddedTokens::Match match = added.find(text, scan);
    if (match.bytes == 0 || match.begin >= sure) break;
    const Bounds bounds = bounds_of(level, match, text, done, final);
    if (bounds.wait) {
      sure = match.begin;
      break;
    }
    scan = match.begin + match.bytes;
    if (!bounds.taken) {
      if (scan > sure) sure = match.begin;  // the next part must see it whole again
      continue;
    }
    // Also an empty one: the stretch may have begun in an earlier part.
    if (bounds.begin >= done)
      encode_below(number, text.substr(done, bounds.begin - done), true, offset + done, out);
    out.push_back(static_cast<std::int32_t>(match.token->id));
    done = bounds.end;
  }
  if (final) {
    encode_below(number, text.substr(done), true, offset + done, out);
    level.after_word = false;
    return text.size();
  }
  std::size_t end = std::max(done, sure);
  end = done + whole_sequences(text.substr(done, end - done));
  if (added.any_lstrip()) end = space_before(text, done, end);
  done += encode_below(number, text.substr(done, end - done), false, offset + done, out);
  if (added.any_looks_behind() && done > 0) level.after_word = is_word(character_before(text, done).value);
  return done;
}

std::size_t TextEncoder::encode_below(std::size_t level, std::string_view text, bool final,
                                      std::uint64_t offset, std::vector<std::int32_t>& out) {
  if (level == 1) return encode_words(text, final, offset, out);
  if (tables_.normalizer() == NormalizerKind::kNfc) return encode_normalized(text, final, offset, out);
  return encode_level(1, text, final, offset, out);
}

std::size_t TextEncoder::encode_normalized(std::string_view text, bool final, std::uint64_t offset,
                                           std::vector<std::int32_t>& out) {
  const std::size_t used = append_nfc(text, final, normal_);
  // A long word is looked at again when it has doubled.
  if (!final && normal_.size() < next_try_) return used;
  normal_.erase(0, encode_level(1, normal_, final, offset, out));
  next_try_ = std::min(2 * normal_.size(), kMaxWordBytes + 1);
  return used;
}

std::size_t TextEncoder::encode_words(std::string_view text, bool final, std::uint64_t offset,
                                      std::vector<std::int32_t>& out) {
  const bool by_characters = tables_.by_characters();
  const PreTokenizerKind kind = tables_.pre_tokenizer();
  const char* const end = text.data() + text.size();
  const char* at = text.data();
  while (at < end) {
    const PreToken token = by_characters ? next_apart(tables_, at, end) : next_pretoken(kind, at, end);
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
