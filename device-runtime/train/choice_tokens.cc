#include "train/choice_tokens.h"

#include <algorithm>
#include <string_view>

#include "text/white_space.h"

namespace mft::train {
namespace {

// Without white space at the end.
std::string_view right_strip(std::string_view text) {
  const std::string_view inner = strip(text);
  return inner.empty() ? inner : text.substr(0, static_cast<std::size_t>(inner.end() - text.begin()));
}

}  // namespace

ContinuedText encode_continuation(Tokenizer& tokenizer, const std::string& context,
                                  const std::string& continuation, std::uint32_t max_inputs) {
  std::vector<std::int32_t> before = tokenizer.prefix();
  std::vector<std::int32_t> whole = before;
  tokenizer.encode(right_strip(context), before);
  tokenizer.encode(context + continuation, whole);
  ContinuedText text;
  const std::int32_t start = tokenizer.bos() >= 0 ? tokenizer.bos() : tokenizer.eos();
  if (before.empty() && start >= 0) text.tokens.push_back(start);
  text.tokens.insert(text.tokens.end(), before.begin(), before.end());
  std::size_t from = text.tokens.size();
  // The context's own tokens, also where the whole has others there.
  const std::size_t known = std::min(before.size(), whole.size());
  text.tokens.insert(text.tokens.end(), whole.begin() + static_cast<std::ptrdiff_t>(known), whole.end());
  const std::size_t most = std::size_t{max_inputs} + 1;
  if (text.tokens.size() > most) {
    const std::size_t excess = text.tokens.size() - most;
    text.tokens.erase(text.tokens.begin(), text.tokens.begin() + static_cast<std::ptrdiff_t>(excess));
    text.tokens.shrink_to_fit();  // a question has as many of these as choices
    from -= std::min(from, excess);
    text.cut = true;
  }
  text.from = static_cast<std::uint32_t>(from);
  return text;
}

}  // namespace mft::train
