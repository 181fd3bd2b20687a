#include "train/kv_session.h"

#include <algorithm>

namespace mft::train {

KvSession::KvSession(models::Model& model, std::uint32_t capacity) : model_(&model), capacity_(capacity) {
  model.begin_generation(capacity);
}

KvSession::~KvSession() { model_->end_generation(); }

std::uint32_t KvSession::common_with(std::span<const std::int32_t> tokens) const {
  const auto [end, other] = std::mismatch(tokens_.begin(), tokens_.end(), tokens.begin(), tokens.end());
  return static_cast<std::uint32_t>(end - tokens_.begin());
}

void KvSession::keep(std::uint32_t length) {
  model_->truncate(length);
  tokens_.resize(length);
}

KvSession::Fed KvSession::feed(std::span<const std::int32_t> tokens) {
  const std::uint32_t reused =
      std::min(common_with(tokens), static_cast<std::uint32_t>(std::max<std::size_t>(tokens.size(), 1) - 1));
  keep(reused);
  const std::span<const float> logits = model_->prefill(tokens.subspan(reused));
  tokens_.assign(tokens.begin(), tokens.end());
  return {logits, reused};
}

std::span<const float> KvSession::next(std::int32_t token) {
  const std::span<const float> logits = model_->next(token);
  tokens_.push_back(token);
  return logits;
}

void KvSession::score(std::span<const std::int32_t> tokens, std::uint32_t from,
                      std::vector<models::TokenScore>& scores) {
  const std::span<const std::int32_t> inputs = tokens.first(tokens.size() - 1);
  const std::uint32_t reused = std::min(common_with(inputs), from - 1);
  keep(reused);
  const std::span<const std::int32_t> fresh = inputs.subspan(reused);
  std::vector<std::int32_t> targets(fresh.size(), models::kNoLabel);
  std::vector<models::TokenScore> all(fresh.size());
  const std::size_t unscored = from - 1 - reused;
  std::copy(tokens.begin() + from, tokens.end(), targets.begin() + static_cast<std::ptrdiff_t>(unscored));
  model_->score(fresh, targets, all);
  tokens_.assign(inputs.begin(), inputs.end());
  scores.assign(all.begin() + static_cast<std::ptrdiff_t>(unscored), all.end());
}

}  // namespace mft::train
