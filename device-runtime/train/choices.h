// Multiple choice: which continuation of a context is the likeliest (run.proto's ChoiceTask). acc and
// acc_norm as lm-evaluation-harness defines them: the highest log-likelihood, and the highest per code
// point of the choice.
#pragma once

#include <cstdint>

#include "models/model.h"
#include "text/tokenizer.h"
#include "train/choice_reader.h"
#include "train/context.h"
#include "train/choice_tokens.h"
#include "train/kv_session.h"

namespace mft::train {

// One question as tokens. Failure data.bad-record (through `reader`) for a choice that adds no token, or
// more than max_inputs.
std::vector<ContinuedText> encode_choices(Tokenizer& tokenizer, const ChoiceReader& reader,
                                          const ChoiceRecord& record, std::uint32_t max_inputs);

// Fills log_likelihoods, characters, answer, predicted, predicted_norm and group. What the cache already
// holds of the context is not computed again; where every choice is one token after the same context, all
// take one pass.
v1::ChoiceScored score_choices(KvSession& session, const ChoiceRecord& record,
                               const std::vector<ContinuedText>& choices);

// RunSpec.evaluate.choices. Goes on after the last question that an earlier attempt has scored.
v1::Finished run_choices(RunContext& context);

}  // namespace mft::train
