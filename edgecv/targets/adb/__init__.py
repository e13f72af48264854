"""An Android device, by adb and LiteRT's benchmark_model."""
