#include "train/task.h"

#include "base/error.h"
#include "base/process.h"
#include "train/chat.h"
#include "train/evaluate.h"
#include "train/generate.h"
#include "train/trainer.h"

namespace mft::train {
namespace {

v1::Finished carry_out(RunContext& context) {
  if (context.spec.has_train()) return Trainer(context).run();
  context.steering.begin(0, {});
  if (context.spec.has_chat()) return run_chat(context);
  return context.spec.has_evaluate() ? run_evaluate(context) : run_generate(context);
}

}  // namespace

v1::Finished run_task(RunContext& context) {
  v1::Finished finished;
  try {
    finished = carry_out(context);
  } catch (const Failure& failure) {
    if (failure.code() != kStopped) throw;
    finished.set_outcome(v1::Finished::OUTCOME_STOPPED);
    finished.set_step(context.from_step);
  }
  context.steering.close(finished.step());
  finished.set_peak_rss_bytes(peak_rss_bytes());
  return finished;
}

}  // namespace mft::train
