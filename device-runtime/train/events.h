// Where a run's events go. The journal (session/) stands behind it; a task knows no more of it than this.
#pragma once

#include "mft/v1/session.pb.h"

namespace mft::train {

class EventSink {
 public:
  virtual ~EventSink() = default;
  // Fills in id and times, and keeps the event before anyone is sent it. Any thread. Failure io.disk-full.
  virtual void emit(v1::Event event) = 0;
  // What was emitted so far survives a power cut.
  virtual void sync() = 0;
};

}  // namespace mft::train
