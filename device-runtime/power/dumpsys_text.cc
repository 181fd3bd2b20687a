#include <array>
#include <cstdlib>
#include <string>

#include "power/dumpsys.h"
#include "power/limits.h"

namespace mft::power {
namespace {

// Calls visit(line) for each line, without its end.
template <typename Visit>
void each_line(std::string_view text, const Visit& visit) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    visit(line);
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

// The number of "<head><number>" when the line is nothing else.
std::optional<std::int64_t> number_after(std::string_view line, std::string_view head) {
  if (!line.starts_with(head)) return std::nullopt;
  return whole_number(line.substr(head.size()));
}

// The text between `from` and `to` behind it.
std::optional<std::string_view> between(std::string_view line, std::string_view from, std::string_view to) {
  const std::size_t begin = line.find(from);
  if (begin == std::string_view::npos) return std::nullopt;
  line.remove_prefix(begin + from.size());
  const std::size_t end = line.find(to);
  if (end == std::string_view::npos) return std::nullopt;
  return line.substr(0, end);
}

std::optional<float> celsius_in(std::string_view text) {
  char* end = nullptr;
  const std::string copy(text);
  const double value = std::strtod(copy.c_str(), &end);
  if (copy.empty() || end != copy.c_str() + copy.size()) return std::nullopt;
  return celsius(value);
}

}  // namespace

void parse_battery_dump(std::string_view text, v1::DeviceReading& reading) {
  std::optional<std::int64_t> level, scale, status, voltage, temperature;
  struct Key {
    std::string_view head;
    std::optional<std::int64_t>* value;
  };
  const std::array<Key, 5> keys = {{{"  level: ", &level},
                                    {"  scale: ", &scale},
                                    {"  status: ", &status},
                                    {"  voltage: ", &voltage},
                                    {"  temperature: ", &temperature}}};
  each_line(text, [&](std::string_view line) {
    for (const Key& key : keys) {
      if (!*key.value) *key.value = number_after(line, key.head);
    }
  });
  if (!reading.has_battery_percent() && level && scale.value_or(100) == 100) {
    if (const auto value = percent(*level)) reading.set_battery_percent(*value);
  }
  if (!reading.has_battery_status() && status) {  // android.os.BatteryManager's constants
    static constexpr std::array<const char*, 6> kWords = {nullptr,       nullptr,        "Charging",
                                                          "Discharging", "Not charging", "Full"};
    if (*status >= 2 && *status <= 5) reading.set_battery_status(kWords[static_cast<std::size_t>(*status)]);
  }
  if (!reading.has_voltage_v() && voltage) {
    if (const auto value = volts(static_cast<double>(*voltage) / 1e3)) reading.set_voltage_v(*value);
  }
  if (!reading.has_battery_temperature_c() && temperature) {
    if (const auto value = battery_celsius(*temperature)) reading.set_battery_temperature_c(*value);
  }
}

void parse_thermal_dump(std::string_view text, v1::DeviceReading& reading) {
  constexpr std::string_view kCpu = "0";
  constexpr std::string_view kSkin = "3";
  bool current = false;
  std::optional<float> skin, cpu;
  std::optional<std::int64_t> status;
  each_line(text, [&](std::string_view line) {
    if (!status) status = number_after(line, "Thermal Status: ");
    if (!line.starts_with('\t') && !line.starts_with(' ')) current = line == "Current temperatures from HAL:";
    if (!current) return;
    const auto type = between(line, "mType=", ",");
    const auto value = between(line, "mValue=", ",");
    if (!type || !value) return;
    std::optional<float>* target = *type == kSkin ? &skin : *type == kCpu ? &cpu : nullptr;
    if (target == nullptr) return;
    const std::optional<float> degrees = celsius_in(*value);
    if (degrees && (!*target || *degrees > **target)) *target = degrees;
  });
  if (status && *status >= 0 && *status <= 6) reading.set_thermal_status(static_cast<std::uint32_t>(*status));
  if (skin && !reading.has_skin_temperature_c()) reading.set_skin_temperature_c(*skin);
  if (cpu && !reading.has_cpu_temperature_c()) reading.set_cpu_temperature_c(*cpu);
}

}  // namespace mft::power
