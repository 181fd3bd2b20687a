// Which tokens of a text are predicted from which: windows of up to T inputs that begin every `stride`
// tokens. Each counts only the tokens that no window before it has predicted, so every token but the first
// is predicted exactly once, with at least T - stride tokens before it (but for the first window). It is
// the recipe of Hugging Face transformers' documentation, "Perplexity of fixed-length models", with
// max_length = T + 1.
#pragma once

#include <cstdint>

namespace mft::train {

// Window i: its inputs are tokens [first, first + length) of the text, its targets the same shifted by one;
// the first `known` targets don't count.
struct Window {
  std::uint64_t first = 0;
  std::uint32_t length = 0;
  std::uint32_t known = 0;  // < length
};

class Windows {
 public:
  // tokens: of the text. 1 <= stride <= max_length (T).
  Windows(std::uint64_t tokens, std::uint32_t max_length, std::uint32_t stride)
      : predictions_(tokens > 0 ? tokens - 1 : 0), max_length_(max_length), stride_(stride) {}

  // None for a text of fewer than two tokens.
  std::uint64_t count() const {
    if (predictions_ == 0) return 0;
    if (predictions_ <= max_length_) return 1;
    return 1 + (predictions_ - max_length_ + stride_ - 1) / stride_;
  }
  Window at(std::uint64_t index) const {
    const std::uint64_t first = index * stride_;
    const std::uint64_t left = predictions_ - first;
    const auto length = static_cast<std::uint32_t>(left < max_length_ ? left : max_length_);
    return {first, length, index == 0 ? 0 : max_length_ - stride_};
  }

 private:
  std::uint64_t predictions_;
  std::uint32_t max_length_;
  std::uint32_t stride_;
};

}  // namespace mft::train
