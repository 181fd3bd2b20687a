// Continuations of prompts: RunSpec.generate, and the sample of a training.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "models/model.h"
#include "text/tokenizer.h"
#include "train/context.h"

namespace mft::train {

// Tokens of a prompt that are computed at once: activations are planned for so many.
inline constexpr std::uint32_t kPromptChunk = 256;

// Continues task.prompts(0). `before_token(done, total)` may give up by returning true: then absent. Failure
// generate.prompt-too-long.
std::optional<v1::Sample> generate(
    models::Model& model, Tokenizer& tokenizer, const v1::GenerateTask& task,
    const std::function<bool(std::uint64_t done, std::uint64_t total)>& before_token);

// RunSpec.generate: a Sample for each prompt. Each is as it would be alone, with the seed of its place.
v1::Finished run_generate(RunContext& context);

}  // namespace mft::train
