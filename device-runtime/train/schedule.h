// The learning rate of each optimizer step. Plain arithmetic and an own cosine: the same bits on every
// machine.
#pragma once

#include <cstdint>

#include "mft/v1/run.pb.h"

namespace mft::train {

// Optimizer steps of warm-up: those that the configuration says, or its part of all steps, rounded up as
// transformers' TrainingArguments.get_warmup_steps.
uint32_t warmup_steps(const v1::OptimizerConfig& config, uint32_t total_steps);

// Factor on the peak learning rate for optimizer step `step` (0-based: the first update uses step 0), as
// transformers' get_constant_schedule_with_warmup, get_linear_schedule_with_warmup and
// get_cosine_with_min_lr_schedule_with_warmup (num_cycles 0.5), W = warm-up steps, N = total steps, m =
// min_lr_ratio:
//   step < W      step / max(1, W)                                   (the first step with warm-up has rate 0)
//   constant      1
//   linear        m + (1 - m) * max(0, (N - step) / max(1, N - W))   (m = 0: transformers' formula)
//   cosine        m + (1 - m) * (1 + cos(pi * p)) / 2,  p = min(1, (step - W) / max(1, N - W))
double schedule_factor(const v1::OptimizerConfig& config, uint32_t step, uint32_t total_steps);

// peak * factor, rounded to float once.
float learning_rate(const v1::OptimizerConfig& config, uint32_t step, uint32_t total_steps);

}  // namespace mft::train
