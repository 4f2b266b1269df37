import { QueryClientProvider } from "@tanstack/react-query";
import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import type { ReactNode } from "react";
import { expect, test, vi } from "vitest";
import { createQueryClient } from "@/api/queries";
import { ConfirmDialog } from "./Dialog";

/** Around a dialog: somebody who may do everything. */
function Signed({ children }: { children: ReactNode }) {
  const queries = createQueryClient();
  queries.setQueryData(["session"], { name: "eve", role: "editor" });
  return <QueryClientProvider client={queries}>{children}</QueryClientProvider>;
}

test("what is lost must be typed before the deed is done", async () => {
  const onConfirm = vi.fn();
  render(
    <ConfirmDialog
      open
      onClose={() => {}}
      title="Remove small?"
      deed="Remove small"
      typed="small"
      onConfirm={onConfirm}
    />,
    { wrapper: Signed },
  );
  const deed = screen.getByRole("button", { name: "Remove small" });
  await userEvent.click(deed);
  expect(onConfirm).not.toHaveBeenCalled();
  expect(deed.title).toBe("Type small first");
  await userEvent.type(screen.getByLabelText(/Type small/), "small");
  await userEvent.click(deed);
  expect(onConfirm).toHaveBeenCalledOnce();
});

test("a reason that is required is handed on without the spaces around it", async () => {
  const onConfirm = vi.fn();
  render(
    <ConfirmDialog
      open
      onClose={() => {}}
      title="Discard?"
      deed="Discard 3 letters"
      reason="required"
      onConfirm={onConfirm}
    />,
    { wrapper: Signed },
  );
  await userEvent.click(screen.getByRole("button", { name: "Discard 3 letters" }));
  expect(onConfirm).not.toHaveBeenCalled();
  await userEvent.type(screen.getByLabelText("Reason"), " wrong file {Enter}");
  expect(onConfirm).toHaveBeenCalledExactlyOnceWith("wrong file");
});
