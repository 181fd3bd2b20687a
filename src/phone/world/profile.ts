/** What is particular to a model of phone. Figures are public data sheet values; tunings of the physics are estimates. */

export interface CoreGroup {
  count: number;
  maxKhz: number;
  minKhz: number;
  /** Linux's cpu_capacity: 1024 for the fastest core. */
  capacity: number;
  /** MIDR fields as /proc/cpuinfo prints them. */
  implementer: string;
  part: string;
  variant: string;
  revision: string;
}

/** One line of `dumpsys thermalservice` and, where `zone` is given, one thermal zone of sysfs. */
export interface ThermalSensor {
  name: string;
  /** android.hardware.thermal TemperatureType: 0 CPU, 1 GPU, 2 battery, 3 skin, 4 USB port, 5 power amplifier. */
  type: number;
  /** Which node of the physics it follows; `none`: not fitted, always 0.0. */
  node: 'chip' | 'skin' | 'battery' | 'none';
  /** Added to the node's temperature, degC. */
  offset: number;
  /** Type of the sysfs zone. */
  zone?: string;
}

export interface Profile {
  name: string;
  manufacturer: string;
  brand: string;
  model: string;
  device: string;
  product: string;
  /** SoC's marketing name and platform code. */
  socModel: string;
  platform: string;
  hardware: string;
  androidRelease: string;
  sdk: number;
  buildId: string;
  incremental: string;
  securityPatch: string;
  kernel: string;
  /** /proc/cpuinfo's Features line for arm64. */
  armFeatures: string;
  cores: CoreGroup[];
  memory: {
    totalKb: number;
    /** MemAvailable of the idle phone, kB. */
    availableKb: number;
    swapKb: number;
  };
  storage: { totalKb: number; usedKb: number };
  battery: {
    capacityMah: number;
    technology: string;
    /** Ohm, of pack and wiring. */
    resistance: number;
    /** How this vendor reports it. */
    counterUnit: 'uAh' | 'mAh' | 'zero';
    /** current_now's unit. */
    currentUnit: 'uA' | 'mA';
    /** The sign of current_now while the battery is being charged. */
    chargingSign: 1 | -1;
    /** Which vendor's extra lines `dumpsys battery` prints. */
    dialect: 'aosp' | 'samsung' | 'xiaomi';
    /** Power a charger can give, W. */
    chargerWatts: number;
  };
  thermal: {
    sensors: ThermalSensor[];
    /** Skin temperatures at which status 1..6 (light .. shutdown) begin, degC. */
    skinThresholds: [number, number, number, number, number, number];
    /** J/K of chip with its package, and of body with battery. */
    chipHeatCapacity: number;
    bodyHeatCapacity: number;
    /** K/W between chip and body, and between body and room. */
    chipToBody: number;
    bodyToRoom: number;
  };
  power: {
    /** Screen off, radio idle, adb connected, W. */
    idleWatts: number;
    /** One busy core, averaged over the kinds, W. */
    coreWatts: number;
  };
}
