// What every task of a run works with.
#pragma once

#include <cstdint>
#include <string>

#include "mft/v1/run.pb.h"
#include "mft/v1/session.pb.h"
#include "train/control_inbox.h"
#include "train/events.h"
#include "train/history.h"
#include "train/run_folder.h"
#include "train/steering.h"
#include "train/stored_files.h"

namespace mft::train {

struct RunContext {
  const RunFolder& folder;
  const v1::RunSpec& spec;
  EventSink& events;
  Steering& steering;
  StoredFiles& stored;
  const History& history;
  std::string runtime_version;
  std::uint32_t from_step = 0;  // steps done in earlier attempts, as soon as it is known

  void warn(const std::string& code, const std::string& message);
  void change_state(v1::RunState state, const std::string& reason = "");
};

// Thrown through a phase that a stop ends; no error (task.cc turns it into Finished).
inline constexpr const char* kStopped = "run.stopped";

// Reports a phase as Progress events, a few a second.
class PhaseProgress {
 public:
  // kListens: to controls meanwhile; a pause holds the phase, a stop ends it with Failure kStopped.
  enum class Controls { kListens, kWait };
  PhaseProgress(RunContext& context, std::string phase, std::string unit,
                Controls controls = Controls::kListens);
  void operator()(std::uint64_t done, std::uint64_t total);

 private:
  RunContext* context_;
  std::string phase_;
  std::string unit_;
  Controls controls_;
  std::uint64_t next_us_ = 0;
};

}  // namespace mft::train
