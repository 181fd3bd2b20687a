// What a vendor's Android says of battery and heat.
#include <cmath>

#include "fuzz/target.h"
#include "power/dumpsys.h"

namespace mft::fuzz {
namespace {

void run(std::string_view input) {
  v1::DeviceReading reading;
  power::parse_battery_dump(input, reading);
  power::parse_thermal_dump(input, reading);
  if (reading.has_battery_percent()) require(std::isfinite(reading.battery_percent()), "battery_percent");
  for (const float degrees :
       {reading.battery_temperature_c(), reading.skin_temperature_c(), reading.cpu_temperature_c()}) {
    require(std::isfinite(degrees), "a temperature that is no number");
  }
  require(std::isfinite(reading.voltage_v()), "voltage_v");
  std::string bytes;
  require(reading.SerializeToString(&bytes), "a reading that can't be told");
}

const Registration kTarget("dumpsys", run);

}  // namespace
}  // namespace mft::fuzz
