// RunSpec.chat: a conversation. One process keeps the model and its key-value cache, and waits for Say controls; each
// brings the whole conversation, of which only what the cache does not hold is computed.
#pragma once

#include "train/context.h"

namespace mft::train {

// Tokens of the cache when nobody says how many, if the model has as many positions.
inline constexpr std::uint32_t kChatContext = 4096;

// Ends when it is asked to, or when no host was attached for task.idle_seconds; both are OUTCOME_STOPPED: the
// conversation may be taken up again.
v1::Finished run_chat(RunContext& context);

}  // namespace mft::train
