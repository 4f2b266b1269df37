import { render, screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { JsonView } from "./JsonView";

function shown(text: string, cut = false): string {
  render(<JsonView text={text} cut={cut} />);
  return screen.getByRole("region", { name: "JSON" }).textContent ?? "";
}

test("integers beyond 2^53 and decimals keep their digits", () => {
  expect(shown('{"big": 9007199254740993, "price": 1.10}')).toBe(
    '{\n  "big": 9007199254740993,\n  "price": 1.10\n}',
  );
});

test("marks of direction and controls are shown as escapes", () => {
  expect(shown('{"name": "a\u202eb\u001b[31m\u200b"}', true)).toBe(
    '{"name": "a\\u202eb\\u001b[31m\\u200b"}',
  );
});

test("HTML is text", () => {
  const { container } = render(<JsonView text={'{"html": "<img src=x onerror=alert(1)>"}'} />);
  expect(container.querySelector("img")).toBeNull();
});

test("what is no JSON, or was cut, stands as it is", () => {
  expect(shown('{"a": [1, 2', true)).toBe('{"a": [1, 2');
  expect(screen.getByText(/Cut here/)).toBeTruthy();
});

test("a payload nested too deep to be read stands as it is", () => {
  const deep = "[".repeat(100_000);
  expect(shown(deep)).toBe(deep);
});
