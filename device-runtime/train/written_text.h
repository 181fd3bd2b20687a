// The text of tokens that a model picks, as it grows: whole characters, up to a text that ends it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "text/text_decoder.h"
#include "text/tokenizer.h"
#include "train/stop_texts.h"

namespace mft::train {

class WrittenText {
 public:
  // Called with what has come to the text; never with nothing.
  using OnText = std::function<void(const std::string& piece)>;
  // Continues `prompt`, which decides how the first token is read (a space before a word, or none). The tokenizer outlives
  // it.
  WrittenText(const Tokenizer& tokenizer, std::span<const std::int32_t> prompt, std::vector<std::string> stops,
              OnText on_text);

  // token: below the tokenizer's vocab_size. True: a stop text ended the text; nothing more may be pushed.
  bool push(std::int32_t token);
  // No more tokens: what was held back comes to the text. True: a stop text is in that.
  bool finish();

  const std::string& text() const { return text_; }

 private:
  bool add(const std::string& decoded);
  void give_out(const std::string& piece);

  TextDecoder decoder_;
  StopTexts stops_;
  OnText on_text_;
  std::string text_;
};

}  // namespace mft::train
