// What Android's services say, for phones whose sysfs is closed to the shell: the output of `dumpsys battery`
// (AOSP's BatteryService.dumpInternal) and `dumpsys thermalservice` (ThermalManagerService.dump), and running
// them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "mft/v1/session.pb.h"

namespace mft::power {

// Fills in what is not known yet. Keys count only with their two spaces at the line's start and nothing but a
// number behind them; the first of each wins: vendors insert sentences and append logs that hold the same
// words.
void parse_battery_dump(std::string_view text, v1::DeviceReading& reading);

// Fills in what is not known yet: "Thermal Status", and skin and CPU temperatures from the HAL's current
// values (not the cached ones, not the cooling devices).
void parse_thermal_dump(std::string_view text, v1::DeviceReading& reading);

// Standard output of `/system/bin/dumpsys <service>`; absent when there is no dumpsys, it fails or takes too
// long (it is killed then).
std::optional<std::string> dumpsys(const std::string& service, std::chrono::milliseconds limit);

}  // namespace mft::power
