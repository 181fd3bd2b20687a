// Battery and temperatures from sysfs (kernel: Documentation/ABI/testing/sysfs-class-power and
// sysfs-class-thermal). A file that is missing, denied, not a number or beyond what a phone can have is an
// unknown value, never a guess.
#pragma once

#include "mft/v1/session.pb.h"

namespace mft::power {

// Fills in what /sys/class/power_supply/battery tells. current_now is kept raw: vendors disagree on its unit
// and sign.
void read_battery_files(v1::DeviceReading& reading);

// Fills in skin and CPU temperature from /sys/class/thermal, by the names that vendors give their zones; the
// warmest of each kind. A zone of another name is not guessed at.
void read_thermal_zones(v1::DeviceReading& reading);

}  // namespace mft::power
