// Where a text that is being written has come upon one of the texts that end it. Tokens know nothing of their borders, so
// what could be the beginning of one is held back until more is known.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mft::train {

class StopTexts {
 public:
  // texts: none empty.
  explicit StopTexts(std::vector<std::string> texts) : texts_(std::move(texts)) {}

  // Appends to `out` what is certain to stand before any of the texts. True: one is there; it and what follows are no part
  // of the answer, and nothing more may be pushed. Of several it is the one that ends first, however the text is cut into
  // pieces (of these the longest).
  bool push(std::string_view piece, std::string& out);
  // The text ends: what was held back.
  void finish(std::string& out);

 private:
  std::vector<std::string> texts_;
  std::string held_;  // the longest end of the text so far that begins one of the texts
};

}  // namespace mft::train
