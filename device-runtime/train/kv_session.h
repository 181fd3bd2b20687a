// A model's key-value cache together with the tokens that it holds: a sequence that begins as the last one
// did computes only what is new. For conversations, and for questions with the same examples before them.
// What this file does not do: decide what is worth keeping; choose tokens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "models/model.h"

namespace mft::train {

class KvSession {
 public:
  // Takes the model's cache for sequences of up to `capacity` tokens; gives it back at its end, also when a
  // Failure passes. The model outlives it, and has one such session at a time. Failure generate.context-full
  // when the model has fewer positions.
  KvSession(models::Model& model, std::uint32_t capacity);
  ~KvSession();
  KvSession(const KvSession&) = delete;
  KvSession& operator=(const KvSession&) = delete;

  std::uint32_t capacity() const { return capacity_; }
  std::span<const std::int32_t> tokens() const { return tokens_; }  // what the cache holds

  // How many tokens the cache and `tokens` have in common from the first on.
  std::uint32_t common_with(std::span<const std::int32_t> tokens) const;

  // Makes the cache hold `tokens` (at least one).
  struct Fed {
    std::span<const float> logits;  // [V], after the last token; valid until the next call
    std::uint32_t reused = 0;       // tokens found in the cache; the last token never is
  };
  // Failure generate.context-full beyond the capacity, data.token-range; the cache then holds what was
  // reused.
  Fed feed(std::span<const std::int32_t> tokens);
  // One more token; its logits. Failure as feed's.
  std::span<const float> next(std::int32_t token);

  // How likely each of tokens[from], tokens[from + 1], ... is after those before it; 1 <= from <
  // tokens.size(). scores: [tokens.size() - from]. The cache then holds all tokens but the last. Failure as
  // feed's.
  void score(std::span<const std::int32_t> tokens, std::uint32_t from,
             std::vector<models::TokenScore>& scores);

 private:
  void keep(std::uint32_t length);

  models::Model* model_;
  std::uint32_t capacity_;
  std::vector<std::int32_t> tokens_;
};

}  // namespace mft::train
