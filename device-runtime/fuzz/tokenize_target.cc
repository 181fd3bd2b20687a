// Any bytes as text, through both makes of tokenizer: as a whole, as a stream cut anywhere, and back.
#include <algorithm>
#include <cstring>

#include "fuzz/target.h"
#include "text/test_tables.h"
#include "text/tokenizer.h"

namespace mft::fuzz {
namespace {

std::vector<std::int32_t> as_stream(Tokenizer& tokenizer, std::string_view text, std::size_t piece,
                                    SpecialText special) {
  std::vector<std::int32_t> ids;
  tokenizer.encode_stream(
      [&](char* buffer, std::size_t capacity) {
        const std::size_t bytes = std::min({piece, capacity, text.size()});
        std::memcpy(buffer, text.data(), bytes);
        text.remove_prefix(bytes);
        return bytes;
      },
      [&](const std::int32_t* more, std::size_t count) { ids.insert(ids.end(), more, more + count); }, special);
  return ids;
}

// First byte: which special tokens count, and how long the pieces of the stream are.
void run(std::string_view bytes) {
  static Tokenizer by_bytes = Tokenizer::open(tiny_path());
  static Tokenizer by_marks = Tokenizer::open(marks_path());
  Input input(bytes);
  const unsigned char how = input.byte();
  const SpecialText special = (how & 1) != 0 ? SpecialText::kPlain : SpecialText::kMatch;
  const std::size_t piece = 1 + how / 2;
  const std::string_view text = input.rest();
  for (Tokenizer* tokenizer : {&by_bytes, &by_marks}) {
    std::vector<std::int32_t> whole;
    const bool taken = accepts("data.not-utf8", [&] { tokenizer->encode(text, whole, special); });
    std::vector<std::int32_t> streamed;
    require(taken == accepts("data.not-utf8", [&] { streamed = as_stream(*tokenizer, text, piece, special); }),
            "a stream and a whole text differ in whether they are UTF-8");
    if (!taken) continue;
    require(whole == streamed, "a stream has other tokens than the whole text");
    for (const std::int32_t id : whole) require(id >= 0 && id < tokenizer->vocab_size(), "an id out of range");
    const std::string back = tokenizer->decode(whole);
    require(!text.empty() || back.empty(), "text out of nothing");
    if (tokenizer == &by_bytes && how >= 128) {
      // Byte-level tokens keep every byte, where no added token takes the white space around it.
      if (text.find('<') == std::string_view::npos) require(back == text, "text that does not come back");
    }
  }
}

const Registration kTarget("tokenize", run);

}  // namespace
}  // namespace mft::fuzz
