import { act, render, screen } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { ClockProvider } from "@/preferences/clock";
import { PreferencesProvider } from "@/preferences/preferences";
import { Moment } from "./Moment";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function renderMoment(at: string, now: string) {
  vi.useFakeTimers({ now: new Date(now) });
  render(
    <PreferencesProvider>
      <ClockProvider>
        <Moment at={at} />
      </ClockProvider>
    </PreferencesProvider>,
  );
}

test("a moment gets its day when midnight has passed", () => {
  renderMoment("2026-11-30T23:59:50Z", "2026-11-30T23:59:58Z");
  expect(screen.getByText("23:59:50")).toBeTruthy();
  act(() => void vi.advanceTimersByTime(3_000));
  expect(screen.getByText("Mon 30 Nov 23:59:50")).toBeTruthy();
});

test("a moment is not put into words again each second", () => {
  renderMoment("2026-11-30T12:00:00Z", "2026-11-30T12:00:01Z");
  const written = vi.spyOn(Date.prototype, "toISOString");
  act(() => void vi.advanceTimersByTime(10_000));
  expect(written).not.toHaveBeenCalled();
});
