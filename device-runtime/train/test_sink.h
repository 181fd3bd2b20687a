// Keeps events for a test to look at. Tests only.
#pragma once

#include <mutex>
#include <vector>

#include "train/events.h"

namespace mft::train {

class TestSink : public EventSink {
 public:
  void emit(v1::Event event) override {
    const std::lock_guard lock(mutex_);
    event.mutable_id()->set_attempt(1);
    event.mutable_id()->set_sequence(events_.size() + 1);
    events_.push_back(std::move(event));
  }
  void sync() override {}
  std::vector<v1::Event> events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<v1::Event> events_;
};

}  // namespace mft::train
