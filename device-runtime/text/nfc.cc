#include "text/nfc.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "text/nfc_tables.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace mft {
namespace {

using nfc_tables::kUnstable;

// Hangul syllables are computed (Unicode standard, 3.12).
constexpr std::uint32_t kSyllables = 0xAC00;
constexpr std::uint32_t kLeads = 0x1100;
constexpr std::uint32_t kVowels = 0x1161;
constexpr std::uint32_t kTails = 0x11A7;  // one before the first: no tail
constexpr std::uint32_t kLeadCount = 19;
constexpr std::uint32_t kVowelCount = 21;
constexpr std::uint32_t kTailCount = 28;
constexpr std::uint32_t kSyllableCount = kLeadCount * kVowelCount * kTailCount;

std::uint8_t property(std::uint32_t c) {
  return nfc_tables::kBlocks[std::size_t{nfc_tables::kBlockOf[c >> 8]} << 8 | (c & 0xFF)];
}

struct Character {
  std::uint32_t value;
  std::uint8_t order;  // combining class, as its place in the order of classes
};

void decompose(std::uint32_t c, std::vector<Character>& out) {
  const auto push = [&](std::uint32_t part) {
    out.push_back({part, static_cast<std::uint8_t>(property(part) & ~kUnstable)});
  };
  if (c - kSyllables < kSyllableCount) {
    const std::uint32_t index = c - kSyllables;
    push(kLeads + index / (kVowelCount * kTailCount));
    push(kVowels + index % (kVowelCount * kTailCount) / kTailCount);
    if (index % kTailCount != 0) push(kTails + index % kTailCount);
    return;
  }
  const std::uint32_t* const end = nfc_tables::kDecomposeFrom + nfc_tables::kDecompositions;
  const std::uint32_t* const found = std::lower_bound(nfc_tables::kDecomposeFrom, end, c);
  if (found == end || *found != c) {
    push(c);
    return;
  }
  const std::ptrdiff_t i = found - nfc_tables::kDecomposeFrom;
  for (std::uint32_t k = nfc_tables::kDecomposeAt[i]; k < nfc_tables::kDecomposeAt[i + 1]; ++k)
    push(nfc_tables::kDecomposeTo[k]);
}

// 0: the two don't compose.
std::uint32_t compose(std::uint32_t first, std::uint32_t second) {
  if (first - kLeads < kLeadCount && second - kVowels < kVowelCount)
    return kSyllables + ((first - kLeads) * kVowelCount + (second - kVowels)) * kTailCount;
  if (first - kSyllables < kSyllableCount && (first - kSyllables) % kTailCount == 0 &&
      second - kTails - 1 < kTailCount - 1)
    return first + (second - kTails);
  const nfc_tables::Composition* const end = nfc_tables::kCompose + nfc_tables::kCompositions;
  const nfc_tables::Composition* const found = std::lower_bound(
      nfc_tables::kCompose, end, std::pair(first, second),
      [](const nfc_tables::Composition& c, const auto& pair) {
        return c.first != pair.first ? c.first < pair.first : c.second < pair.second;
      });
  return found != end && found->first == first && found->second == second ? found->composed : 0;
}

// Decomposes, puts marks in canonical order, composes: the definition of the form.
void append_slowly(std::string_view text, std::string& out) {
  std::vector<Character> characters;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = decode_valid(text.data() + at);
    decompose(c.value, characters);
    at += c.bytes;
  }
  for (auto run = characters.begin(); run != characters.end();) {
    if (run->order == 0) {
      ++run;
      continue;
    }
    const auto end = std::find_if(run, characters.end(), [](const Character& c) { return c.order == 0; });
    std::stable_sort(run, end, [](const Character& a, const Character& b) { return a.order < b.order; });
    run = end;
  }
  // A character composes with the last starter unless one of at least its class, or another starter, stands
  // between.
  std::size_t count = 0;
  std::size_t starter = characters.size();  // none yet
  int last_order = -1;                      // of what was kept since the starter; -1: nothing
  for (const Character c : characters) {
    if (starter < characters.size() && last_order < static_cast<int>(c.order)) {
      const std::uint32_t composed = compose(characters[starter].value, c.value);
      if (composed != 0) {
        characters[starter].value = composed;
        continue;
      }
    }
    if (c.order == 0) starter = count;
    last_order = c.order == 0 ? -1 : c.order;
    characters[count++] = c;
  }
  for (std::size_t i = 0; i < count; ++i) append_utf8(characters[i].value, out);
}

}  // namespace

std::size_t append_nfc(std::string_view text, bool final, std::string& out) {
  std::size_t at = 0;
  std::size_t copied = 0;   // text before it is in `out`
  std::size_t segment = 0;  // the last character that nothing before it can change begins here
  std::uint8_t last_order = 0;
  while (at < text.size()) {
    const std::size_t plain = ascii_prefix(text.substr(at));
    if (plain > 0) {
      at += plain;
      segment = at - 1;
      last_order = 0;
      continue;
    }
    const CodePoint c = decode_valid(text.data() + at);
    const std::uint8_t info = property(c.value);
    if (info == 0) segment = at;
    if ((info & kUnstable) == 0 && (info == 0 || info >= last_order)) {
      last_order = info;
      at += c.bytes;
      continue;
    }
    // Not in normal form, or perhaps not: the segment is made anew.
    std::size_t end = at + c.bytes;
    while (end < text.size()) {
      const CodePoint next = decode_valid(text.data() + end);
      if (property(next.value) == 0) break;
      end += next.bytes;
    }
    if (end == text.size() && !final) break;
    out.append(text.substr(copied, segment - copied));
    append_slowly(text.substr(segment, end - segment), out);
    at = copied = segment = end;
    last_order = 0;
  }
  const std::size_t done = final ? text.size() : segment;
  out.append(text.substr(copied, done - copied));
  return done;
}

}  // namespace mft
