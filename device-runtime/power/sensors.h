// How the phone is, now and then: one reading from all the places that tell.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "mft/v1/session.pb.h"

namespace mft::power {

// sysfs, /proc/meminfo and the file system each time; dumpsys (some 50 ms of CPU time on a phone) only for
// what sysfs does not tell, and at most once in kDumpsysEvery: between those its last word stands.
class Sensors {
 public:
  static constexpr std::chrono::seconds kDumpsysEvery{60};
  static constexpr std::chrono::milliseconds kDumpsysLimit{3000};

  // disk_path: on the file system whose free space counts.
  explicit Sensors(std::string disk_path) : disk_path_(std::move(disk_path)) {}
  v1::DeviceReading read();

 private:
  void ask_services();

  std::string disk_path_;
  v1::DeviceReading said_;  // by dumpsys
  std::uint64_t asked_us_ = 0;
};

// Reads at once and then every kEvery, in a thread of its own, so that training waits for no sensor.
class SensorThread {
 public:
  static constexpr std::chrono::seconds kEvery{10};

  SensorThread(std::string disk_path, std::function<void(const v1::DeviceReading&)> report);
  ~SensorThread();
  SensorThread(const SensorThread&) = delete;
  SensorThread& operator=(const SensorThread&) = delete;

 private:
  void loop();

  Sensors sensors_;
  std::function<void(const v1::DeviceReading&)> report_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool end_ = false;
  std::thread thread_;
};

}  // namespace mft::power
