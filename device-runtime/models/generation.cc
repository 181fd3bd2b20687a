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

void Decoder::check_addition(std::span<const int32_t> tokens) const {
  if (generation_ == nullptr) throw Failure("generate.order", "a sequence begins with begin_generation");
  if (tokens.empty()) throw Failure("generate.order", "at least one token must be added");
  if (tokens.size() > generation_->max_length - generation_->length) {
    throw Failure("generate.context-full",
                  "the sequence was planned for " + std::to_string(generation_->max_length) + " tokens, has " +
                      std::to_string(generation_->length) + ", and " + std::to_string(tokens.size()) +
                      " more do not fit",
                  "Use a shorter prompt or fewer tokens.");
  }
  check_tokens(tokens);
}

// Any cut gives the same bits: what the activations were planned for at once.
template <typename AfterChunk>
void Decoder::add_chunks(std::span<const int32_t> tokens, const AfterChunk& after_chunk) {
  for (size_t from = 0; from < tokens.size();) {
    const size_t count = std::min<size_t>(tokens.size() - from, options_.max_length);
    const uint32_t starts[] = {0, static_cast<uint32_t>(count)};
    nn::Pass pass = begin_pass({1, starts}, generation_->length);
    walk_forward(pass, tokens.data() + from, generation_.get());
    after_chunk(pass, from);
    generation_->length += starts[1];
    from += count;
  }
}

std::span<const float> Decoder::prefill(std::span<const int32_t> tokens) {
  check_addition(tokens);
  add_chunks(tokens, [&](nn::Pass& pass, size_t from) {
    if (from + static_cast<size_t>(pass.rows()) == tokens.size()) last_logits(pass);
  });
  return generation_->logits;
}

std::span<const float> Decoder::next(int32_t token) {
  if (cached() == 0) throw Failure("generate.order", "next comes after prefill");
  check_addition({&token, 1});
  static constexpr uint32_t kStarts[] = {0, 1};
  nn::Pass pass = begin_pass({1, kStarts}, generation_->length);
  walk_forward(pass, &token, generation_.get(), CachedAttention::kOneRow);
  generation_->length += 1;
  last_logits(pass);
  return generation_->logits;
}

// Of the last row alone: the head over a whole prompt would be the most of its cost.
void Decoder::last_logits(nn::Pass& pass) {
  final_forward(pass, pass.rows() - 1, 1);
  nn::head_logits(pass, pin_head().head, 1, activations_.hidden, generation_->logits.data());
}

void Decoder::truncate(uint32_t length) {
  if (length > cached()) {
    throw Failure("generate.order", "the cache has " + std::to_string(cached()) + " positions, not " +
                                        std::to_string(length));
  }
  if (generation_ != nullptr) generation_->length = length;
}

void Decoder::score(std::span<const int32_t> tokens, std::span<const int32_t> targets,
                    std::span<TokenScore> scores) {
  if (targets.size() != tokens.size() || scores.size() != tokens.size()) {
    throw Failure("generate.order", "a target and a score belong to every token");
  }
  check_addition(tokens);
  check_targets(targets);
  add_chunks(tokens, [&](nn::Pass& pass, size_t from) {
    const auto rows = static_cast<size_t>(pass.rows());
    const std::span<const int32_t> wanted = targets.subspan(from, rows);
    std::fill_n(scores.begin() + static_cast<ptrdiff_t>(from), rows, TokenScore());
    if (std::all_of(wanted.begin(), wanted.end(), [](int32_t target) { return target == kNoLabel; })) return;
    final_forward(pass, 0, pass.rows());
    generation_->losses.resize(rows);
    generation_->likeliest.resize(rows);
    nn::head_scores(pass, pin_head().head, activations_.hidden, wanted.data(), generation_->losses.data(),
                    generation_->likeliest.data());
    for (size_t i = 0; i < rows; ++i) {
      if (wanted[i] != kNoLabel) {
        scores[from + i] = {-generation_->losses[i], generation_->likeliest[i] == wanted[i]};
      }
    }
  });
}

void Decoder::end_generation() { generation_.reset(); }

}  // namespace mft::models
