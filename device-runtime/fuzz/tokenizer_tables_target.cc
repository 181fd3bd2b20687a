// tokenizer.bin from anybody: it opens whole or not at all, and what opened never leads outside of its tables.
#include "base/error.h"
#include "fuzz/target.h"
#include "text/test_tables.h"
#include "text/tokenizer.h"

namespace mft::fuzz {
namespace {

// Every id there is, in one row, and ids that there are not.
void decode_all(const Tokenizer& tokenizer) {
  std::vector<std::int32_t> ids;
  for (std::int32_t id = 0; id < std::min(tokenizer.vocab_size(), 4096); ++id) ids.push_back(id);
  (void)tokenizer.decode(ids);
  (void)tokenizer.decode(ids, true);
  for (const std::int32_t id : {-1, tokenizer.vocab_size(), 0x7fffffff}) {
    require(!accepts("tokenizer.bad-id", [&] { (void)tokenizer.decode({id}); }), "an id out of range decodes");
  }
}

void run(std::string_view input) {
  (void)accepts("tokenizer.bad-file", [&] {
    Tokenizer tokenizer = Tokenizer::from_bytes(input);
    std::vector<std::int32_t> ids;
    tokenizer.encode(hostile_text(5, 60), ids);
    tokenizer.encode(hostile_text(6, 60), ids, SpecialText::kPlain);
    for (const std::int32_t id : ids) require(id >= 0 && id < tokenizer.vocab_size(), "an id out of range");
    for (const std::int32_t id : {tokenizer.bos(), tokenizer.eos()}) {
      require(id >= -1 && id < tokenizer.vocab_size(), "bos or eos out of range");
    }
    require(tokenizer.text_vocab_size() <= tokenizer.vocab_size(), "text_vocab_size");
    (void)tokenizer.decode(ids);
    decode_all(tokenizer);
  });
}

const Registration kTarget("tokenizer_tables", run);

}  // namespace
}  // namespace mft::fuzz
