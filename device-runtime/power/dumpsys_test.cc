#include "power/dumpsys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/sysroot.h"
#include "base/test_folder.h"

namespace mft::power {
namespace {

// As public issue reports show them: a Samsung with lower-case doubles and a record behind, a Redmi with
// sentences between.
constexpr const char* kSamsung = R"(Current Battery Service state:
  mBootCompleted: true
  AC powered: false
  USB powered: true
  Max charging voltage: 0
  Charge counter: 0
  status: 2
  health: 2
  present: true
  level: 84
  scale: 100
  voltage: 4063
  temperature: 326
  technology: Li-ion
  LED Low Battery: true
  current now: 321
  charge counter: 0
USE_FAKE_BATTERY: false
BatteryInfoBackUp
  mSavedBatteryMaxTemp: 490
)";
constexpr const char* kRedmi = R"(Current Battery Service state:
  AC powered: true
  Max charging current: 12400000
 Time when the latest updated value of the Max charging current was sent via battery changed broadcast: +3h50m5s130ms
  Max charging voltage: 11000000
  Charge counter: 4274
  status: 2
  level: 80
  scale: 100
  voltage: 4228
 Time when the latest updated value of the voltage was sent via battery changed broadcast: +4h6m8s668ms
 The last voltage value sent via the battery changed broadcast: 4232
  temperature: 364
  Capacity level: 4
Battery event log:
  10-02 08:14:22.531 level: 83 status: 3 temperature: 302
  level: 12
)";

TEST(BatteryDump, ReadsExactKeysAndTheFirstOfEach) {
  v1::DeviceReading samsung;
  parse_battery_dump(kSamsung, samsung);
  EXPECT_EQ(samsung.battery_percent(), 84);
  EXPECT_EQ(samsung.battery_status(), "Charging");
  EXPECT_FLOAT_EQ(samsung.voltage_v(), 4.063f);
  EXPECT_FLOAT_EQ(samsung.battery_temperature_c(), 32.6f);
  EXPECT_FALSE(samsung.has_current_raw());

  v1::DeviceReading redmi;
  parse_battery_dump(kRedmi, redmi);
  EXPECT_EQ(redmi.battery_percent(), 80);
  EXPECT_FLOAT_EQ(redmi.voltage_v(), 4.228f);
  EXPECT_FLOAT_EQ(redmi.battery_temperature_c(), 36.4f);
}

TEST(BatteryDump, LeavesOutWhatCannotBe) {
  const char* texts[] = {"",
                         "level: 50\n",
                         "  level:50\n",
                         "  level: 50 %\n",
                         "  level: 101\n",
                         "  level: -1\n",
                         "  level: 50\n  scale: 200\n",
                         "   level: 50\n",
                         "  status: 1\n  voltage: 4\n  temperature: 0\n",
                         "  status: 6\n  voltage: 4200000\n  temperature: 2000\n",
                         "  level: 99999999999999999999\n"};
  for (const char* text : texts) {
    v1::DeviceReading reading;
    parse_battery_dump(text, reading);
    EXPECT_EQ(reading.SerializeAsString(), "") << text;
  }
}

TEST(BatteryDump, DoesNotReplaceWhatIsKnown) {
  v1::DeviceReading reading;
  reading.set_battery_percent(50);
  parse_battery_dump(kSamsung, reading);
  EXPECT_EQ(reading.battery_percent(), 50);
}

TEST(ThermalDump, TakesTheHalsCurrentValuesOnly) {
  const char* text =
      "IsStatusOverride: false\nThermal Status: 1\nCached temperatures:\n"
      "\tTemperature{mValue=99.0, mType=3, mName=LRB, mStatus=0}\n"
      "HAL Ready: true\nCurrent temperatures from HAL:\n"
      "\tTemperature{mValue=25.6, mType=0, mName=AP, mStatus=0}\n"
      "\tTemperature{mValue=31.5, mType=0, mName=AP2, mStatus=0}\n"
      "\tTemperature{mValue=24.7, mType=3, mName=LRB, mStatus=0}\n"
      "\tTemperature{mValue=0.0, mType=3, mName=NONE, mStatus=0}\n"
      "\tTemperature{mValue=88.0, mType=6, mName=VOLT, mStatus=0}\n"
      "Current cooling devices from HAL:\n\tCoolingDevice{mValue=77, mType=3, mName=tpu_cooling}\n";
  v1::DeviceReading reading;
  parse_thermal_dump(text, reading);
  EXPECT_EQ(reading.thermal_status(), 1u);
  EXPECT_FLOAT_EQ(reading.cpu_temperature_c(), 31.5f);
  EXPECT_FLOAT_EQ(reading.skin_temperature_c(), 24.7f);

  v1::DeviceReading none;
  parse_thermal_dump(
      "Cached temperatures:\n\tTemperature{mValue=40, mType=3, mName=a, mStatus=0}\nThermal Status: 9\n",
      none);
  EXPECT_EQ(none.SerializeAsString(), "");
}

class DumpsysProgram : public testing::Test {
 protected:
  void install(const std::string& script) {
    make_directory(folder_ / "system/bin");
    write_atomically(folder_ / "system/bin/dumpsys", "#!/bin/sh\n" + script);
    ASSERT_EQ(::chmod((folder_ / "system/bin/dumpsys").c_str(), 0755), 0);
    set_sysroot(folder_.path());
  }
  ~DumpsysProgram() override { set_sysroot(""); }
  TestFolder folder_;
};

TEST_F(DumpsysProgram, GivesItsOutput) {
  install("echo \"for $1\"\n");
  EXPECT_EQ(dumpsys("battery", std::chrono::seconds(5)), "for battery\n");
}

TEST_F(DumpsysProgram, IsAbsentWhenItFailsFloodsOrIsNotThere) {
  set_sysroot(folder_.path());
  EXPECT_FALSE(dumpsys("battery", std::chrono::seconds(5)));
  set_sysroot("");
  install("echo half; exit 1\n");
  EXPECT_FALSE(dumpsys("battery", std::chrono::seconds(5)));
  install("exec yes\n");
  EXPECT_FALSE(dumpsys("battery", std::chrono::seconds(5)));
}

TEST_F(DumpsysProgram, IsKilledWhenItHangs) {
  install("exec sleep 30\n");
  const std::uint64_t from = monotonic_us();
  EXPECT_FALSE(dumpsys("battery", std::chrono::milliseconds(200)));
  EXPECT_LT(monotonic_us() - from, 5'000'000u);
}

}  // namespace
}  // namespace mft::power
