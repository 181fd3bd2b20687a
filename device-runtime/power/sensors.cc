#include "power/sensors.h"

#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/meminfo.h"
#include "power/dumpsys.h"
#include "power/sysfs.h"

namespace mft::power {

void Sensors::ask_services() {
  const std::uint64_t now = monotonic_us();
  const std::uint64_t every = std::chrono::microseconds(kDumpsysEvery).count();
  if (asked_us_ != 0 && now - asked_us_ < every) return;
  asked_us_ = now;
  said_.Clear();
  if (const auto text = dumpsys("battery", kDumpsysLimit)) parse_battery_dump(*text, said_);
  if (const auto text = dumpsys("thermalservice", kDumpsysLimit)) parse_thermal_dump(*text, said_);
}

v1::DeviceReading Sensors::read() {
  v1::DeviceReading reading;
  read_battery_files(reading);
  read_thermal_zones(reading);
  if (!reading.has_battery_percent() || !reading.has_battery_status() ||
      !reading.has_battery_temperature_c() || !reading.has_skin_temperature_c()) {
    ask_services();
    v1::DeviceReading both = said_;
    both.MergeFrom(reading);  // what sysfs tells is newer
    reading = std::move(both);
  }
  const MemInfo memory = read_meminfo();
  if (memory.available) reading.set_mem_available_bytes(*memory.available);
  if (memory.total) reading.set_mem_total_bytes(*memory.total);
  try {
    reading.set_disk_free_bytes(disk_free_bytes(disk_path_));
  } catch (const Failure&) {  // unknown
  }
  return reading;
}

SensorThread::SensorThread(std::string disk_path, std::function<void(const v1::DeviceReading&)> report)
    : sensors_(std::move(disk_path)), report_(std::move(report)), thread_([this] { loop(); }) {}

SensorThread::~SensorThread() {
  {
    const std::lock_guard lock(mutex_);
    end_ = true;
  }
  ended_.notify_all();
  thread_.join();
}

void SensorThread::loop() {
  std::unique_lock lock(mutex_);
  do {
    lock.unlock();
    try {
      report_(sensors_.read());
    } catch (const std::exception& error) {
      log_line(std::string("sensors: ") +
               error.what());  // the training must not end for want of a thermometer
    }
    lock.lock();
  } while (!ended_.wait_for(lock, kEvery, [&] { return end_; }));
}

}  // namespace mft::power
