// What a value must be to be believed, whichever way it came. Shared by the readers of sysfs and dumpsys.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace mft::power {

// The whole text is a decimal number.
inline std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

inline std::optional<float> percent(std::int64_t value) {
  if (value < 0 || value > 100) return std::nullopt;
  return static_cast<float>(value);
}

// 0 exactly is what sensors that are not fitted say.
inline std::optional<float> battery_celsius(std::int64_t tenths) {
  if (tenths == 0 || tenths < -300 || tenths > 1000) return std::nullopt;
  return static_cast<float>(tenths) / 10;
}

inline std::optional<float> celsius(double value) {
  if (value == 0 || !(value > -40 && value < 150)) return std::nullopt;
  return static_cast<float>(value);
}

// One cell or two.
inline std::optional<float> volts(double value) {
  if (!(value > 2.0 && value < 10.5)) return std::nullopt;
  return static_cast<float>(value);
}

}  // namespace mft::power
