#include "train/control_inbox.h"

#include <utility>

namespace mft::train {

bool ControlInbox::push(v1::Control control) {
  const std::lock_guard lock(mutex_);
  if (controls_.size() >= kLimit) return false;
  controls_.push_back(std::move(control));
  arrived_.notify_all();
  return true;
}

void ControlInbox::request_stop(std::string reason) {
  const std::lock_guard lock(mutex_);
  if (stop_taken_ || stop_) return;
  stop_ = std::move(reason);
  arrived_.notify_all();
}

std::optional<v1::Control> ControlInbox::take() {
  const std::lock_guard lock(mutex_);
  if (controls_.empty()) return std::nullopt;
  std::optional<v1::Control> control = std::move(controls_.front());
  controls_.pop_front();
  return control;
}

std::optional<std::string> ControlInbox::take_stop() {
  const std::lock_guard lock(mutex_);
  if (stop_) stop_taken_ = true;
  return std::exchange(stop_, std::nullopt);
}

void ControlInbox::wait() {
  std::unique_lock lock(mutex_);
  arrived_.wait(lock, [&] { return !controls_.empty() || stop_; });
}

void ControlInbox::set_hosts(std::size_t hosts) {
  const std::lock_guard lock(mutex_);
  hosts_ = hosts;
  arrived_.notify_all();
}

bool ControlInbox::wait_unless_alone(std::chrono::milliseconds limit) {
  using Clock = std::chrono::steady_clock;
  std::unique_lock lock(mutex_);
  Clock::time_point until = Clock::now() + limit;
  while (controls_.empty() && !stop_) {
    if (hosts_ > 0) {
      arrived_.wait(lock);
      until = Clock::now() + limit;
    } else if (Clock::now() >= until) {
      return false;
    } else {
      arrived_.wait_until(lock, until);
    }
  }
  return true;
}

}  // namespace mft::train
