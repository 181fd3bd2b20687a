#include "train/written_text.h"

#include <utility>

namespace mft::train {

WrittenText::WrittenText(const Tokenizer& tokenizer, std::span<const std::int32_t> prompt,
                         std::vector<std::string> stops, OnText on_text)
    : decoder_(tokenizer.tables(), false), stops_(std::move(stops)), on_text_(std::move(on_text)) {
  std::string before;
  for (const std::int32_t token : prompt) decoder_.push(static_cast<std::uint32_t>(token), before);
  decoder_.finish(before);  // what the prompt left in the middle of a character is not the answer's
}

bool WrittenText::push(std::int32_t token) {
  std::string decoded;
  decoder_.push(static_cast<std::uint32_t>(token), decoded);
  return add(decoded);
}

bool WrittenText::finish() {
  std::string decoded;
  decoder_.finish(decoded);
  if (add(decoded)) return true;
  std::string rest;
  stops_.finish(rest);
  give_out(rest);
  return false;
}

bool WrittenText::add(const std::string& decoded) {
  std::string piece;
  const bool stopped = stops_.push(decoded, piece);
  give_out(piece);
  return stopped;
}

void WrittenText::give_out(const std::string& piece) {
  if (piece.empty()) return;
  text_ += piece;
  if (on_text_) on_text_(piece);
}

}  // namespace mft::train
