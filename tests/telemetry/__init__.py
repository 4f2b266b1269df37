"""Tests of `farandole.telemetry`."""
