import { expect, test } from "vitest";
import { dateFormat } from "./dateFormat";

test("a formatter is made once for each zone and each way to write a date", () => {
  const first = dateFormat("en-GB", "UTC", { weekday: "short" });
  expect(dateFormat("en-GB", "UTC", { weekday: "short" })).toBe(first);
  expect(dateFormat("en-GB", "local", { weekday: "short" })).not.toBe(first);
  expect(dateFormat("en-GB", "UTC", { weekday: "long" })).not.toBe(first);
});

test("UTC is UTC, whatever the browser's zone is", () => {
  expect(dateFormat("en-GB", "UTC").resolvedOptions().timeZone).toBe("UTC");
});
