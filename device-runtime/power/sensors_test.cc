#include "power/sensors.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/file.h"
#include "base/sysroot.h"
#include "base/test_folder.h"
#include "power/sysfs.h"

namespace mft::power {
namespace {

class Phone : public testing::Test {
 protected:
  Phone() { set_sysroot(folder_.path()); }
  ~Phone() override { set_sysroot(""); }
  void battery(const std::string& name, const std::string& value) {
    put("/sys/class/power_supply/battery", name, value);
  }
  void zone(int index, const std::string& type, const std::string& temp) {
    const std::string path = "/sys/class/thermal/thermal_zone" + std::to_string(index);
    put(path, "type", type);
    put(path, "temp", temp);
  }
  void put(const std::string& path, const std::string& name, const std::string& value) {
    make_directory(path);
    write_atomically(path + "/" + name, value);
  }
  TestFolder folder_;
};

TEST_F(Phone, AbsentIsUnknown) {
  const v1::DeviceReading reading = Sensors("/nowhere").read();
  EXPECT_EQ(reading.SerializeAsString(), "");
}

TEST_F(Phone, APixel) {
  battery("capacity", "76\n");
  battery("status", "Not charging\n");
  battery("temp", "313\n");
  battery("voltage_now", "3815175\n");
  battery("current_now", "976\n");
  zone(0, "VIRTUAL-SKIN\n", "23793\n");
  zone(1, "BIG\n", "41000\n");
  zone(2, "LITTLE\n", "39000\n");
  zone(3, "G3D\n", "60000\n");
  put("/proc", "meminfo",
      "MemTotal:        7786356 kB\nMemFree:          200000 kB\nMemAvailable:    3456789 kB\n");
  make_directory("/data/local/tmp/mft");
  const v1::DeviceReading reading = Sensors("/data/local/tmp/mft").read();
  EXPECT_EQ(reading.battery_percent(), 76);
  EXPECT_EQ(reading.battery_status(), "Not charging");
  EXPECT_FLOAT_EQ(reading.battery_temperature_c(), 31.3f);
  EXPECT_FLOAT_EQ(reading.voltage_v(), 3.815175f);
  EXPECT_EQ(reading.current_raw(), 976);  // microamperes or milliamperes: not ours to say
  EXPECT_FLOAT_EQ(reading.skin_temperature_c(), 23.793f);
  EXPECT_FLOAT_EQ(reading.cpu_temperature_c(), 41.0f);
  EXPECT_EQ(reading.mem_total_bytes(), 7786356ull * 1024);
  EXPECT_EQ(reading.mem_available_bytes(), 3456789ull * 1024);
  EXPECT_GT(reading.disk_free_bytes(), 0u);
  EXPECT_FALSE(reading.has_thermal_status());
}

TEST_F(Phone, AXiaomiWithNegativeCurrentWhileCharging) {
  battery("status", "Charging\n");
  battery("current_now", "-326171\n");
  zone(0, "soc_max\n", "52000\n");
  zone(1, "cpu-big-core6-1\n", "53500\n");
  zone(2, "quiet_therm\n", "33100\n");
  v1::DeviceReading reading;
  read_battery_files(reading);
  read_thermal_zones(reading);
  EXPECT_EQ(reading.current_raw(), -326171);
  EXPECT_FLOAT_EQ(reading.cpu_temperature_c(), 53.5f);
  EXPECT_FLOAT_EQ(reading.skin_temperature_c(), 33.1f);
}

TEST_F(Phone, ValuesThatCannotBeAreUnknown) {
  battery("capacity", "255\n");
  battery("status", "Unknown\n");
  battery("temp", "32.5\n");
  battery("voltage_now", "4063\n");  // millivolts, where the kernel's rule says microvolts
  battery("current_now", "12 mA\n");
  zone(0, "cpu-0-0\n", "45\n");
  zone(1, "cpu-0-1\n", "-274000\n");
  zone(2, "skin\n", "0\n");
  zone(3, "skin\n", "200000\n");
  zone(4, "pa-therm0\n", "40000\n");
  put("/proc", "meminfo", "MemAvailable: lots\nMemTotal: 12 MB\n");
  const v1::DeviceReading reading = Sensors("/nowhere").read();
  EXPECT_EQ(reading.SerializeAsString(), "");
}

TEST_F(Phone, AThreadReportsAtOnceAndEndsPromptly) {
  battery("capacity", "50\n");
  std::atomic<int> readings{0};
  {
    SensorThread thread("/", [&](const v1::DeviceReading& reading) {
      if (reading.battery_percent() == 50) ++readings;
    });
    for (int i = 0; i < 500 && readings == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(readings, 1);
}

}  // namespace
}  // namespace mft::power
