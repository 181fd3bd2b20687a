#include "power/sysfs.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "power/limits.h"

namespace mft::power {
namespace {

constexpr std::uint64_t kFileLimit = 4096;

// The file's only line.
std::optional<std::string> line_of(const std::string& path) {
  try {
    std::string text = read_all(path, kFileLimit);
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.pop_back();
    if (text.empty() || text.find('\n') != std::string::npos) return std::nullopt;
    return text;
  } catch (const Failure&) {
    return std::nullopt;
  }
}

std::optional<std::int64_t> number_in(const std::string& path) {
  const std::optional<std::string> line = line_of(path);
  return line ? whole_number(*line) : std::nullopt;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// Skin: "VIRTUAL-SKIN" (Pixel), "skin", "skin-msm-therm" (Qualcomm), "quiet_therm" (Qualcomm's sensor for the
// outside).
bool is_skin(const std::string& type) {
  return type.find("skin") != std::string::npos || type == "quiet_therm" || type == "quiet-therm" ||
         type == "quiet-therm-usr";
}

// CPU: "cpu-1-0-usr" (Qualcomm), "cpu-big-core6-1", "soc_max" (MediaTek), "BIG", "MID", "LITTLE" (Tensor,
// Exynos).
bool is_cpu(const std::string& type) {
  return type.starts_with("cpu") || type == "mtktscpu" || type == "soc_max" || type == "big" ||
         type == "mid" || type == "little";
}

}  // namespace

void read_battery_files(v1::DeviceReading& reading) {
  const std::string folder = "/sys/class/power_supply/battery/";
  if (const auto value = number_in(folder + "capacity")) {
    if (const auto level = percent(*value)) reading.set_battery_percent(*level);
  }
  if (const auto status = line_of(folder + "status")) {
    for (const char* word : {"Charging", "Discharging", "Full", "Not charging"}) {
      if (*status == word) reading.set_battery_status(word);
    }
  }
  if (const auto value = number_in(folder + "temp")) {
    if (const auto degrees = battery_celsius(*value)) reading.set_battery_temperature_c(*degrees);
  }
  if (const auto value = number_in(folder + "voltage_now")) {
    if (const auto level = volts(static_cast<double>(*value) / 1e6)) reading.set_voltage_v(*level);
  }
  if (const auto value = number_in(folder + "current_now")) reading.set_current_raw(*value);
}

void read_thermal_zones(v1::DeviceReading& reading) {
  const std::string folder = "/sys/class/thermal";
  std::optional<float> skin;
  std::optional<float> cpu;
  std::vector<std::string> zones;
  try {
    zones = list_directory(folder);
  } catch (const Failure&) {  // denied: unknown
  }
  for (const std::string& zone : zones) {
    if (!zone.starts_with("thermal_zone")) continue;
    const std::optional<std::string> type = line_of(folder + "/" + zone + "/type");
    if (!type) continue;
    const std::string kind = lower(*type);
    std::optional<float>* target = is_skin(kind) ? &skin : is_cpu(kind) ? &cpu : nullptr;
    if (target == nullptr) continue;
    const std::optional<std::int64_t> millidegrees = number_in(folder + "/" + zone + "/temp");
    // Some old drivers say whole degrees: 45 would be 0.045 degC here. Nothing tells them apart but that it
    // can't be.
    if (!millidegrees || (*millidegrees > -1000 && *millidegrees < 1000)) continue;
    const std::optional<float> value = celsius(static_cast<double>(*millidegrees) / 1000);
    if (value && (!*target || *value > **target)) *target = value;
  }
  if (skin) reading.set_skin_temperature_c(*skin);
  if (cpu) reading.set_cpu_temperature_c(*cpu);
}

}  // namespace mft::power
