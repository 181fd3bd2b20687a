#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"
#include "kernels/math.h"

namespace mft::train {
namespace {

constexpr double kPi = 3.14159265358979323846;

}  // namespace

uint32_t warmup_steps(const v1::OptimizerConfig& config, uint32_t total_steps) {
  if (config.warmup_steps() != 0) return config.warmup_steps();
  return static_cast<uint32_t>(std::ceil(total_steps * std::clamp(config.warmup_ratio(), 0.0, 1.0)));
}

double schedule_factor(const v1::OptimizerConfig& config, uint32_t step, uint32_t total_steps) {
  const double warmup = warmup_steps(config, total_steps);
  if (step < warmup) return step / warmup;
  const double total = total_steps;
  const double span = std::max(1.0, total - warmup);
  const double floor = config.min_lr_ratio();
  switch (config.schedule()) {
    case v1::SCHEDULE_CONSTANT:
      return 1;
    case v1::SCHEDULE_LINEAR:
      return floor + (1 - floor) * std::max(0.0, (total - step) / span);
    case v1::SCHEDULE_COSINE:
      return floor +
             (1 - floor) * 0.5 * (1 + kernels::math::cos(kPi * std::min(1.0, (step - warmup) / span)));
    default:
      throw Failure("optimizer.config-invalid",
                    "unknown schedule " + std::to_string(static_cast<int>(config.schedule())),
                    "Use constant, linear or cosine.");
  }
}

float learning_rate(const v1::OptimizerConfig& config, uint32_t step, uint32_t total_steps) {
  return static_cast<float>(config.learning_rate() * schedule_factor(config, step, total_steps));
}

}  // namespace mft::train
