#include "train/stop_texts.h"

#include <algorithm>

namespace mft::train {

bool StopTexts::push(std::string_view piece, std::string& out) {
  if (texts_.empty()) {
    out.append(piece);
    return false;
  }
  const std::size_t known = held_.size();  // no text ends within these
  held_.append(piece);
  for (std::size_t end = known + 1; end <= held_.size(); ++end) {
    const std::string_view front = std::string_view(held_).substr(0, end);
    std::size_t longest = 0;
    for (const std::string& text : texts_) {
      if (front.ends_with(text)) longest = std::max(longest, text.size());
    }
    if (longest == 0) continue;
    out.append(front.substr(0, end - longest));
    held_.clear();
    return true;
  }
  std::size_t keep = 0;
  for (const std::string& text : texts_) {
    for (std::size_t length = std::min(text.size() - 1, held_.size()); length > keep; --length) {
      if (held_.ends_with(std::string_view(text).substr(0, length))) keep = length;
    }
  }
  out.append(held_, 0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return false;
}

void StopTexts::finish(std::string& out) {
  out.append(held_);
  held_.clear();
}

}  // namespace mft::train
