// What hosts (and signals) ask of a run, from whichever thread hears it to the one that trains. What was
// asked is acted upon between micro-batches (train/steering.h).
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include "mft/v1/session.pb.h"

namespace mft::train {

class ControlInbox {
 public:
  static constexpr std::size_t kLimit = 1024;  // more waiting controls than any honest host sends

  // False: the inbox is full, the control was not taken.
  bool push(v1::Control control);
  // Asks for a stop on behalf of nobody's control (a signal); `reason` goes to the record. Repeats are one
  // request.
  void request_stop(std::string reason);

  std::optional<v1::Control> take();
  // Of request_stop, once.
  std::optional<std::string> take_stop();
  // Blocks until there is something to take.
  void wait();

  // How many hosts are attached. The run begins without one.
  void set_hosts(std::size_t hosts);
  // As wait(), but not longer than no host is attached for so long from now on. False: that was it.
  bool wait_unless_alone(std::chrono::milliseconds limit);

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<v1::Control> controls_;
  std::optional<std::string> stop_;
  bool stop_taken_ = false;
  std::size_t hosts_ = 0;
};

}  // namespace mft::train
