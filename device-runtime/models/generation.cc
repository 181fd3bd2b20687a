// Generation: the decoder's walk with a key-value cache.
#include <algorithm>

#include "base/error.h"
#include "models/decoder.h"
#include "nn/head.h"

namespace mft::models {

void Decoder::begin_generation(uint32_t max_length) {
  if (max_length < 1 || max_length > config_.max_positions()) {
    throw Failure("generate.context-full",
                  "a sequence of " + std::to_string(max_length) + " tokens: the model takes up to " +
                      std::to_string(config_.max_positions()),
                  "Use a shorter prompt or fewer tokens.");
  }
  auto generation = std::make_unique<Generation>();
  const uint64_t floats = static_cast<uint64_t>(sizes_.layers * max_length * 2 * sizes_.attention.kv_width());
  generation->cache = store::Memory(floats * sizeof(float), "the key-value cache");
  generation->max_length = max_length;
  generation->rope = rope_;
  if (rope_table_elements(config_, max_length) > rope_table_elements(config_, options_.max_length)) {
    const auto elements = static_cast<uint64_t>(rope_table_elements(config_, max_length));
    generation->rope_memory = store::Memory(elements * sizeof(float), "the positions' angles");
    generation->rope =
        make_rope_tables(config_, max_length, reinterpret_cast<float*>(generation->rope_memory.data()));
  }
  generation->logits.resize(static_cast<size_t>(sizes_.vocab));
  generation_ = std::move(generation);
}

std::span<const float> Decoder::prefill(std::span<const int32_t> tokens) {
  if (generation_ == nullptr || generation_->length != 0 || tokens.empty()) {
    throw Failure("generate.order",
                  "prefill takes a prompt of at least one token, once after begin_generation");
  }
  if (tokens.size() > generation_->max_length) {
    throw Failure("generate.context-full", "the prompt is longer than the sequence that was planned",
                  "Use a shorter prompt.");
  }
  check_tokens(tokens);
  // As many tokens at once as the activations were planned for; the rest of a longer prompt one by one.
  const size_t first = std::min<size_t>(tokens.size(), options_.max_length);
  nn::Pass pass = begin_pass(1, static_cast<i64>(first), 0);
  walk_forward(pass, tokens.data(), generation_.get());
  generation_->length = static_cast<uint32_t>(first);
  std::span<const float> logits = last_logits(pass);
  for (const int32_t token : tokens.subspan(first)) logits = next(token);
  return logits;
}

std::span<const float> Decoder::next(int32_t token) {
  if (generation_ == nullptr || generation_->length == 0) {
    throw Failure("generate.order", "next comes after prefill");
  }
  if (generation_->length >= generation_->max_length) {
    throw Failure("generate.context-full",
                  "the sequence has reached its " + std::to_string(generation_->max_length) + " tokens");
  }
  check_tokens({&token, 1});
  nn::Pass pass = begin_pass(1, 1, generation_->length);
  walk_forward(pass, &token, generation_.get());
  generation_->length += 1;
  return last_logits(pass);
}

// Of the last row alone: the head over a whole prompt would be the most of its cost.
std::span<const float> Decoder::last_logits(nn::Pass& pass) {
  final_forward(pass, pass.rows() - 1, 1);
  nn::head_logits(pass, pin_head().head, 1, activations_.hidden, generation_->logits.data());
  return generation_->logits;
}

void Decoder::truncate(uint32_t length) {
  if (length > cached()) {
    throw Failure("generate.order", "the cache has " + std::to_string(cached()) + " positions, not " +
                                        std::to_string(length));
  }
  if (generation_ != nullptr) generation_->length = length;
}

void Decoder::score(std::span<const int32_t>, std::span<const int32_t>, std::span<TokenScore>) {
  throw Failure("internal", "score is not there yet");
}

void Decoder::end_generation() { generation_.reset(); }

}  // namespace mft::models
